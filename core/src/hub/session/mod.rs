//! One peer: ICE, DTLS and RTP of a publisher, a viewer or a relay link. The only room that says
//! str0m; it knows neither streams nor who else listens.

mod config;
mod convert;
pub mod crypto;
pub mod entropy;
pub(crate) mod negotiate;
pub mod path;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::ice::StunMessage;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, IceCreds, Rtc};

use crate::hub::numbering::{Numbering, SourceTrack};
use crate::hub::session::crypto::Crypto;
use crate::hub::session::entropy::Entropy;
use crate::hub::session::negotiate::Plan;
use crate::hub::session::path::Paths;
use crate::hub::words::Credentials;
use crate::limits;
use crate::machine::Datagram;
use crate::media::packet::Packet;
use crate::media::sdp::Description;
use crate::media::track::{Kind, Track};
use crate::outbox::Outbox;

/// str0m may name a deadline a hundred years ahead, which not every runtime can sleep for.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Everything that was due is done when str0m names its next deadline; one that lies in the past
/// all the same must not keep the hub busy.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// What a session needs from its hub to be born.
pub(crate) struct Setup<'a> {
    pub(crate) now: Instant,
    pub(crate) crypto: &'a Crypto,
    pub(crate) credentials: Credentials,
    pub(crate) paths: Arc<Paths>,
    pub(crate) entropy: &'a mut Entropy,
}

/// What a session tells its hub.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// ICE and DTLS are done; media may flow.
    Connected,
    /// A packet of the stream's track number `slot` arrived.
    Packet { slot: usize, packet: Packet },
    /// The peer needs a keyframe of track number `slot`.
    KeyframeWished { slot: usize },
    /// It is over.
    Gone(&'static str),
}

/// One peer.
pub(crate) struct Session {
    rtc: Rtc,
    /// The offer that it answered, for ICE restarts; empty if it made the offer itself.
    offer: String,
    pending: Option<SdpPendingOffer>,
    credentials: Credentials,
    paths: Arc<Paths>,
    /// The local address that the peer was last heard on.
    heard_on: Option<SocketAddr>,
    heard_at: Instant,
    /// Where the peer is reached; learned from authenticated checks, the newest last.
    peers: Vec<SocketAddr>,
    receives: Vec<(Mid, usize)>,
    sends: Vec<Sender>,
    deadline: Instant,
    connected: bool,
}

/// One track that goes to the peer.
struct Sender {
    slot: usize,
    kind: Kind,
    mid: Mid,
    pt: Pt,
    numbering: Numbering,
}

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
        session.offer = plan.shape(offer);
        let answer = session.accept_offer()?;
        for (section, used) in offer.sections.iter().zip(&plan.sections) {
            let Some(used) = used else { continue };
            let mid = Mid::from(section.mid.as_str());
            if plan.peer_sends {
                // What str0m refused would be a track that never sends.
                session.payload_type(Track { codec: used.codec }, mid)?;
                session.receives.push((mid, used.slot));
            } else {
                session.add_sender(used.slot, Track { codec: used.codec }, mid, setup.entropy)?;
            }
        }
        Ok((session, negotiate::place_candidates(&answer)))
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
                let kind = media_kind(track.kind());
                changes.add_media(kind, Direction::SendOnly, None, None, None)
            })
            .collect();
        let (offer, pending) = changes.apply()?;
        session.pending = Some(pending);
        // The payload types follow from the answer.
        for (slot, (mid, track)) in mids.into_iter().zip(tracks).enumerate() {
            let numbering =
                Numbering::new(track.codec.clock_rate(), setup.entropy.first_sequence());
            let (kind, pt) = (track.kind(), Pt::from(0));
            session.sends.push(Sender { slot, kind, mid, pt, numbering });
        }
        Some((session, offer.to_sdp_string()))
    }

    fn new(mut rtc: Rtc, setup: &Setup<'_>) -> Session {
        for address in setup.paths.announced() {
            if let Ok(candidate) = Candidate::host(address, "udp") {
                rtc.add_local_candidate(candidate);
            }
        }
        Session {
            rtc,
            offer: String::new(),
            pending: None,
            credentials: setup.credentials.clone(),
            paths: setup.paths.clone(),
            heard_on: None,
            heard_at: setup.now,
            peers: Vec::new(),
            receives: Vec::new(),
            sends: Vec::new(),
            deadline: setup.now,
            connected: false,
        }
    }

    fn accept_offer(&mut self) -> Result<String, String> {
        let offer = SdpOffer::from_sdp_string(&self.offer).map_err(|e| e.to_string())?;
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(|e| e.to_string())?;
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
        let pending = self.pending.take().ok_or("no offer is waiting for an answer")?;
        let answer = SdpAnswer::from_sdp_string(answer).map_err(|e| e.to_string())?;
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(|e| e.to_string())?;
        for index in 0..self.sends.len() {
            let Sender { slot, mid, .. } = self.sends[index];
            let track = tracks.get(slot).ok_or("the stream has fewer tracks than the offer")?;
            self.sends[index].pt = self.payload_type(*track, mid)?;
            self.keep_repairs(mid);
        }
        Ok(())
    }

    fn add_sender(
        &mut self,
        slot: usize,
        track: Track,
        mid: Mid,
        entropy: &mut Entropy,
    ) -> Result<(), String> {
        let pt = self.payload_type(track, mid)?;
        let numbering = Numbering::new(track.codec.clock_rate(), entropy.first_sequence());
        self.sends.push(Sender { slot, kind: track.kind(), mid, pt, numbering });
        self.keep_repairs(mid);
        Ok(())
    }

    fn payload_type(&self, track: Track, mid: Mid) -> Result<Pt, String> {
        let media = self.rtc.media(mid).ok_or_else(|| format!("there is no section {mid}"))?;
        let spec = config::spec(track.codec);
        let accepted = self.rtc.codec_config().params().iter().find(|params| {
            params.spec().codec == spec.codec && media.remote_pts().contains(&params.pt())
        });
        let params = accepted.ok_or_else(|| format!("the peer refused {}", track.codec.name()))?;
        Ok(params.pt())
    }

    /// How long sent packets can be repeated. No cap on their share: a burst of losses is just
    /// when they are needed, and the cache bounds them.
    fn keep_repairs(&mut self, mid: Mid) {
        let mut api = self.rtc.direct_api();
        if let Some(stream) = api.stream_tx_by_mid(mid, None) {
            stream.set_rtx_cache(limits::REPAIR_PACKETS, limits::REPAIR_AGE, None);
        }
    }

    /// Whether this payload is an ICE check that carries this session's password.
    pub(crate) fn authenticates(&self, payload: &[u8], crypto: &Crypto) -> bool {
        let hmac = crypto.provider.sha1_hmac_provider;
        let password = self.credentials.password.as_bytes();
        StunMessage::parse(payload)
            .is_ok_and(|check| check.verify(password, |key, parts| hmac.sha1_hmac(key, parts)))
    }

    /// Remembers where the peer is; returns an address to forget if there are too many.
    pub(crate) fn add_peer(&mut self, peer: SocketAddr) -> Option<SocketAddr> {
        if self.peers.last() == Some(&peer) {
            return None;
        }
        self.peers.retain(|known| *known != peer);
        self.peers.push(peer);
        (self.peers.len() > limits::PEER_ADDRESSES).then(|| self.peers.remove(0))
    }

    /// Takes a datagram of this session.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        entropy: &mut Entropy,
        events: &mut Vec<SessionEvent>,
        out: &mut Outbox,
    ) {
        let Some(receive) = self.receive_of(datagram) else { return };
        self.heard_on = Some(datagram.local);
        self.heard_at = now;
        entropy.refresh();
        if self.rtc.handle_input(str0m::Input::Receive(now, receive)).is_err() {
            events.push(SessionEvent::Gone("a datagram broke the session"));
            return;
        }
        self.drain(now, events, out);
    }

    fn receive_of<'a>(&self, datagram: &Datagram<'a>) -> Option<Receive<'a>> {
        Some(Receive {
            proto: Protocol::Udp,
            source: datagram.peer,
            destination: self.paths.announced_for(datagram.local)?,
            contents: datagram.payload.try_into().ok()?,
        })
    }

    /// Lets time pass, and sends what was written.
    pub(crate) fn advance(
        &mut self,
        now: Instant,
        entropy: &mut Entropy,
        events: &mut Vec<SessionEvent>,
        out: &mut Outbox,
    ) {
        entropy.refresh();
        if self.rtc.handle_input(str0m::Input::Timeout(now)).is_err() {
            events.push(SessionEvent::Gone("the handshake failed"));
            return;
        }
        self.drain(now, events, out);
    }

    /// Queues a packet of track number `slot`; [`Session::advance`] sends it. `false` if the
    /// packet is from before the peer joined.
    pub(crate) fn write(&mut self, slot: usize, track: SourceTrack, packet: &Packet) -> bool {
        if !self.connected {
            return false;
        }
        let Some(sender) = self.sends.iter_mut().find(|sender| sender.slot == slot) else {
            return false;
        };
        let at = packet.arrived;
        let placed = sender.numbering.place(track, packet.sequence, packet.timestamp, at);
        let Some((sequence, timestamp)) = placed else { return false };
        let (mid, pt, kind) = (sender.mid, sender.pt, sender.kind);
        let payload = packet.payload.clone();
        let write = RtpWrite::new(pt, sequence.into(), timestamp, at, payload)
            .marker(packet.marker)
            .ext_vals(convert::extension_values(&packet.extensions, kind))
            .nackable(kind == Kind::Video);
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return false };
        stream.write_rtp(write);
        true
    }

    /// Asks the peer for a keyframe of track number `slot`; [`Session::advance`] sends it.
    pub(crate) fn ask_keyframe(&mut self, slot: usize) {
        let Some((mid, _)) = self.receives.iter().find(|(_, other)| *other == slot) else {
            return;
        };
        let mid = *mid;
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
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
        self.offer = negotiate::with_credentials(&self.offer, theirs);
        entropy.refresh();
        self.accept_offer()?;
        let local = IceCreds { ufrag: ours.ufrag.clone(), pass: ours.password.clone() };
        self.rtc.direct_api().set_local_ice_credentials(local);
        self.credentials = ours;
        Ok(())
    }

    /// Says goodbye: RTCP BYE and DTLS close_notify.
    pub(crate) fn close(&mut self, now: Instant, entropy: &mut Entropy, out: &mut Outbox) {
        entropy.refresh();
        if self.rtc.close().is_ok() {
            self.drain(now, &mut Vec::new(), out);
        }
    }

    /// A fragment with our credentials and candidates, for the answer to an ICE restart.
    pub(crate) fn fragment(&self) -> String {
        let Credentials { ufrag, password } = &self.credentials;
        let mut text = format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n");
        for address in self.paths.announced() {
            if let Ok(candidate) = Candidate::host(address, "udp") {
                text += &format!("a={}\r\n", candidate.to_sdp_string());
            }
        }
        text + "a=end-of-candidates\r\n"
    }

    pub(crate) fn ufrag(&self) -> &str {
        &self.credentials.ufrag
    }

    pub(crate) fn peers(&self) -> &[SocketAddr] {
        &self.peers
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }

    /// When str0m wants to hear of the time next.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn heard_at(&self) -> Instant {
        self.heard_at
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connected
    }

    /// The slots of the tracks that go to the peer.
    pub(crate) fn sending(&self) -> impl Iterator<Item = usize> {
        self.sends.iter().map(|sender| sender.slot)
    }

    /// str0m's one law: after every change, drain until it names a deadline.
    fn drain(&mut self, now: Instant, events: &mut Vec<SessionEvent>, out: &mut Outbox) {
        loop {
            match self.rtc.poll_output() {
                Ok(str0m::Output::Timeout(at)) => {
                    self.deadline = at.clamp(now + SHORTEST_SLEEP, now + LONGEST_SLEEP);
                    break;
                }
                Ok(str0m::Output::Transmit(transmit)) => {
                    let local = self.paths.local_for(transmit.source, self.heard_on);
                    out.send(local, transmit.destination, &transmit.contents);
                }
                Ok(str0m::Output::Event(event)) => self.translate(event, events),
                Err(_) => {
                    self.deadline = now + LONGEST_SLEEP;
                    events.push(SessionEvent::Gone("the handshake failed"));
                    break;
                }
            }
        }
    }

    fn translate(&mut self, event: str0m::Event, events: &mut Vec<SessionEvent>) {
        match event {
            str0m::Event::Connected => {
                self.connected = true;
                events.push(SessionEvent::Connected);
            }
            str0m::Event::RtpPacket(packet) => {
                let mid = packet.header.ext_vals.mid.or_else(|| self.mid_of(&packet));
                let slot = self.receives.iter().find(|(known, _)| Some(*known) == mid);
                if let Some((_, slot)) = slot {
                    let packet = convert::packet(packet);
                    events.push(SessionEvent::Packet { slot: *slot, packet });
                }
            }
            str0m::Event::KeyframeRequest(request) => {
                if let Some(sender) = self.sends.iter().find(|s| s.mid == request.mid) {
                    events.push(SessionEvent::KeyframeWished { slot: sender.slot });
                }
            }
            str0m::Event::Closed => events.push(SessionEvent::Gone("the peer closed it")),
            _ => {}
        }
    }

    /// The section of a packet that does not name it: by its SSRC.
    fn mid_of(&mut self, packet: &str0m::rtp::RtpPacket) -> Option<Mid> {
        Some(self.rtc.direct_api().stream_rx(&packet.header.ssrc)?.mid())
    }
}

/// Looks up the ufrag of ours that an ICE check is addressed to (RFC 8445 section 7.2.2), if the
/// payload is one.
pub(crate) fn checked<R>(payload: &[u8], look_up: impl FnOnce(&str) -> Option<R>) -> Option<R> {
    let message = StunMessage::parse(payload).ok()?;
    if !message.is_binding_request() {
        return None;
    }
    let (ours, _) = message.split_username()?;
    look_up(ours)
}

fn media_kind(kind: Kind) -> MediaKind {
    match kind {
        Kind::Audio => MediaKind::Audio,
        Kind::Video => MediaKind::Video,
    }
}
