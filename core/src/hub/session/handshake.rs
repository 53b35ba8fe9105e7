//! How a session begins and begins anew: offers, answers and ICE restarts.

use str0m::change::{SdpAnswer, SdpOffer};
use str0m::media::{Direction, MediaKind, Mid, Rid, Rids, Simulcast, SimulcastLayer};
use str0m::{IceCreds, Rtc};

use crate::hub::session::entropy::Entropy;
use crate::hub::session::negotiate::{self, Plan};
use crate::hub::session::route::Route;
use crate::hub::session::sending::Outlet;
use crate::hub::session::{Session, Setup, config, way};
use crate::hub::words::Credentials;
use crate::media::sdp::{self, Description};
use crate::media::track::{Kind, Track};

impl Session {
    /// A session that answers an offer, as an ICE-lite agent; with the SDP answer.
    pub(crate) fn answer(
        setup: Setup<'_>,
        offer: &Description,
        plan: &Plan,
    ) -> Result<(Session, String), String> {
        setup.entropy.refresh();
        let rtc = config::answering(&setup, plan).build(setup.now);
        let mut session = Session::new(rtc, &setup);
        session.mixes = sdp::mixes_extensions(&offer.text);
        let answer = session.accept_offer(plan.shape(offer))?;
        for (section, used) in offer.sections.iter().zip(&plan.sections) {
            let Some(used) = used else { continue };
            let mid = Mid::from(section.mid.as_str());
            if plan.peer_sends {
                // What str0m refused would be a track that never sends.
                let repeats = session.accepted(used.codec, mid)?.resend().is_some();
                session.add_receivers(mid, &section.rids, *used, repeats);
            } else {
                let lane = Outlet { slot: used.slot, layer: None };
                session.add_sender(lane, used.codec, (mid, None), setup.entropy)?;
            }
        }
        Ok((session, negotiate::one_stream(&negotiate::place_candidates(&answer))))
    }

    /// A session that offers tracks to another node, as a full ICE agent; with the SDP offer.
    pub(crate) fn offer(setup: Setup<'_>, tracks: &[Track]) -> Option<(Session, String)> {
        setup.entropy.refresh();
        let rtc = config::offering(&setup, tracks).build(setup.now);
        let mut session = Session::new(rtc, &setup);
        let mut changes = session.rtc.sdp_api();
        let mids: Vec<Mid> = tracks
            .iter()
            .map(|track| {
                let (kind, layers) = (media_kind(track.kind()), simulcast(track.layers));
                changes.add_media(kind, Direction::SendOnly, None, None, layers)
            })
            .collect();
        let (offer, pending) = changes.apply()?;
        session.pending = Some((pending, mids));
        Some((session, offer.to_sdp_string()))
    }

    fn new(mut rtc: Rtc, setup: &Setup<'_>) -> Session {
        for candidate in way::candidates(&setup.paths, &setup.listeners) {
            rtc.add_local_candidate(candidate);
        }
        Session {
            rtc: Box::new(rtc),
            offer: String::new(),
            pending: None,
            credentials: setup.credentials.clone(),
            paths: setup.paths.clone(),
            listeners: setup.listeners.clone(),
            heard: None,
            heard_at: setup.now,
            route: Route::default(),
            routed: false,
            detours: Vec::new(),
            receives: Vec::new(),
            asker: None,
            missing: Vec::new(),
            sends: Vec::new(),
            egress: setup.egress,
            mixes: false,
            playout: setup.playout,
            sink: None,
            deadline: setup.now,
            connected: false,
        }
    }

    /// Negotiates; what cannot be used is not kept.
    fn accept_offer(&mut self, text: String) -> Result<String, String> {
        let offer = SdpOffer::from_sdp_string(&text).map_err(|e| e.to_string())?;
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(|e| e.to_string())?;
        self.offer = text;
        Ok(answer.to_sdp_string())
    }

    /// Takes the answer to our offer.
    pub(crate) fn accept_answer(
        &mut self,
        answer: &str,
        tracks: &[Track],
        entropy: &mut Entropy,
    ) -> Result<(), String> {
        entropy.refresh();
        let (pending, mids) = self.pending.take().ok_or("no offer is waiting for an answer")?;
        self.detours = way::passive(answer);
        self.detours.reverse();
        self.mixes = sdp::mixes_extensions(answer);
        let answer = SdpAnswer::from_sdp_string(answer).map_err(|e| e.to_string())?;
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(|e| e.to_string())?;
        for (slot, mid) in mids.into_iter().enumerate() {
            let track = tracks.get(slot).ok_or("the stream has fewer tracks than the offer")?;
            for layer in self.layers_taken(mid, track.layers) {
                let rid = layer.map(rid);
                self.add_sender(Outlet { slot, layer }, track.codec, (mid, rid), entropy)?;
            }
        }
        Ok(())
    }

    /// All layers if the peer takes them apart, else whichever is best for it.
    fn layers_taken(&self, mid: Mid, layers: usize) -> Vec<Option<usize>> {
        let is_taken = |layer| {
            let media = self.rtc.media(mid);
            media.is_some_and(|media| match media.rids_tx() {
                Rids::Specific(taken) => taken.contains(&rid(layer)),
                Rids::None | Rids::Any => false,
            })
        };
        let all = layers > 1 && (0..layers).all(is_taken);
        if all { (0..layers).map(Some).collect() } else { vec![None] }
    }

    /// Restarts ICE (RFC 8839 section 4.4.3): the peer's offer again with its new credentials, ours
    /// new too, the same candidates. The old paths are forgotten; media goes on to the last one
    /// until checks on a new one succeed.
    pub(crate) fn restart(
        &mut self,
        ours: Credentials,
        theirs: &Credentials,
        entropy: &mut Entropy,
    ) -> Result<(), String> {
        entropy.refresh();
        self.accept_offer(negotiate::with_credentials(&self.offer, theirs))?;
        let local = IceCreds { ufrag: ours.ufrag.clone(), pass: ours.password.clone() };
        self.rtc.direct_api().set_local_ice_credentials(local);
        self.credentials = ours;
        self.route.restart();
        Ok(())
    }

    /// A fragment with our credentials and candidates, for the answer to an ICE restart.
    pub(crate) fn fragment(&self) -> String {
        let Credentials { ufrag, password } = &self.credentials;
        let mut text = format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n");
        for candidate in way::candidates(&self.paths, &self.listeners) {
            text += &format!("a={}\r\n", candidate.to_sdp_string());
        }
        text + "a=end-of-candidates\r\n"
    }
}

/// How a layer is called between nodes.
fn rid(layer: usize) -> Rid {
    Rid::from(layer.to_string().as_str())
}

fn simulcast(layers: usize) -> Option<Simulcast> {
    let send = (0..layers).map(|layer| SimulcastLayer::new(&rid(layer))).collect();
    (layers > 1).then_some(Simulcast { send, recv: Vec::new() })
}

fn media_kind(kind: Kind) -> MediaKind {
    match kind {
        Kind::Audio => MediaKind::Audio,
        Kind::Video => MediaKind::Video,
    }
}
