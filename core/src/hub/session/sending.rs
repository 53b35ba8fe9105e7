//! What goes to the peer: by our own egress, or by str0m's. It knows the tracks' sections and
//! numbers there, not where the packets come from.

use std::time::Instant;

use str0m::format::PayloadParams;
use str0m::media::{Mid, Pt, Rid};
use str0m::rtp::RtpWrite;

use crate::config::Egress;
use crate::hub::egress::{Exported, ExtensionIds, Line, Sink, Terms, Wish};
use crate::hub::estimate::Probe;
use crate::hub::numbering::{Numbering, SourceTrack, Timing};
use crate::hub::session::entropy::Entropy;
use crate::hub::session::filter::{Filter, Share};
use crate::hub::session::pacer::Pacer;
use crate::hub::session::route::{Place, Route};
use crate::hub::session::valve::Valve;
use crate::hub::session::{Session, config, convert, descriptor};
use crate::limits;
use crate::machine::{Carrier, Datagram};
use crate::media::codec::Codec;
use crate::media::keyframe;
use crate::media::packet::{Packet, SourceClock};
use crate::media::temporal::ALL_SPATIAL;
use crate::media::track::Kind;
use crate::outbox::{Outbox, Way};

/// What goes to the peer on one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outlet {
    /// The number of the track.
    pub(crate) slot: usize,
    /// The number of its layer; `None`: whichever is best for the peer.
    pub(crate) layer: Option<usize>,
}

/// One lane to the peer.
pub(super) struct Sender {
    outlet: Outlet,
    codec: Codec,
    mid: Mid,
    rid: Option<Rid>,
    pt: Pt,
    first_sequence: u16,
    /// The highest spatial layer that the peer can decode: of AV1 without descriptors the lowest.
    spatial: u8,
    /// Of what str0m sends.
    numbering: Numbering,
    valve: Valve,
    filter: Filter,
    pub(super) pacer: Pacer,
    /// How the times of the next source continue those of the present one, if str0m sends.
    timing: Timing,
}

impl Sender {
    pub(super) fn pt(&self) -> Pt {
        self.pt
    }

    pub(super) fn is_of(&self, mid: Mid, rid: Option<Rid>) -> bool {
        self.mid == mid && self.rid == rid
    }
}

impl Session {
    pub(super) fn add_sender(
        &mut self,
        outlet: Outlet,
        codec: Codec,
        (mid, rid): (Mid, Option<Rid>),
        entropy: &mut Entropy,
    ) -> Result<(), String> {
        let pt = self.accepted(codec, mid)?.pt();
        let first_sequence = entropy.first_sequence();
        let has_descriptors = self.extension_ids(mid).is_some_and(|ids| ids.dependency > 0);
        let is_blind = matches!(codec, Codec::Av1 { .. }) && !has_descriptors;
        let spatial = if is_blind { 0 } else { ALL_SPATIAL };
        let numbering = Numbering::new(codec.clock_rate(), first_sequence);
        self.sends.push(Sender {
            outlet,
            codec,
            mid,
            rid,
            pt,
            first_sequence,
            spatial,
            numbering,
            valve: Valve::default(),
            filter: Filter::default(),
            pacer: Pacer::default(),
            timing: Timing::Elapsed,
        });
        if self.egress == Egress::Str0m {
            self.keep_repairs(mid, rid);
        }
        Ok(())
    }

    /// What the peer has accepted for a codec.
    pub(super) fn accepted(&self, codec: Codec, mid: Mid) -> Result<PayloadParams, String> {
        let media = self.rtc.media(mid).ok_or_else(|| format!("there is no section {mid}"))?;
        let spec = config::spec(codec);
        let accepted = self.rtc.codec_config().params().iter().find(|params| {
            params.spec().codec == spec.codec && media.remote_pts().contains(&params.pt())
        });
        accepted.copied().ok_or_else(|| format!("the peer refused {}", codec.name()))
    }

    /// How long sent packets can be repeated. No cap on their share: a burst of losses is just
    /// when they are needed, and the cache bounds them.
    fn keep_repairs(&mut self, mid: Mid, rid: Option<Rid>) {
        let mut api = self.rtc.direct_api();
        if let Some(stream) = api.stream_tx_by_mid(mid, rid) {
            stream.set_rtx_cache(limits::REPAIR_PACKETS, limits::REPAIR_AGE, None);
        }
    }

    /// What goes to the peer, in the order of the lanes.
    pub(crate) fn sending(&self) -> impl Iterator<Item = Outlet> {
        self.sends.iter().map(|sender| sender.outlet)
    }

    /// Whether there are no keys for what we should seal.
    pub(super) fn lacks_sink(&self) -> bool {
        self.seals() && self.sink.is_none()
    }

    /// Whether we seal what goes to the peer ourselves.
    pub(super) fn seals(&self) -> bool {
        self.egress == Egress::Own && !self.sends.is_empty()
    }

    /// Whether [`Session::advance`] must be called for what was written to be sent.
    pub(crate) fn queues(&self) -> bool {
        !self.seals()
    }

    /// Whether more can be sent at once than a moment of media, by our own egress.
    pub(crate) fn takes_bursts(&self) -> bool {
        self.seals() && way(&self.route).is_some_and(|way| way.carrier == Carrier::Udp)
    }

    /// The handshake has made keys.
    pub(super) fn open_sink(&mut self, now: Instant, exported: &Exported) {
        if self.seals() {
            let terms = (0..self.sends.len()).map(|lane| self.terms(lane)).collect::<Option<_>>();
            let cname = self.credentials.ufrag.clone();
            let open = |terms| Sink::open(now, exported, terms, cname, self.playout);
            self.sink = terms.and_then(open);
        }
    }

    fn extension_ids(&self, mid: Mid) -> Option<ExtensionIds> {
        Some(config::extension_ids(self.rtc.media(mid)?.remote_extmap(), self.mixes))
    }

    fn terms(&mut self, lane: usize) -> Option<(Terms, u16)> {
        let Sender { codec, mid, rid, first_sequence, .. } = self.sends.get(lane)?;
        let (codec, mid, rid, first_sequence) = (*codec, *mid, *rid, *first_sequence);
        let params = self.accepted(codec, mid).ok()?;
        let extensions = self.extension_ids(mid)?;
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, rid)?;
        let repairs = params.resend().zip(stream.rtx());
        let terms = Terms {
            codec,
            mid: mid.to_string(),
            rid: rid.map(|rid| rid.to_string()),
            payload_type: *params.pt(),
            ssrc: *stream.ssrc(),
            repairs: repairs.map(|(pt, ssrc)| (*pt, *ssrc)),
            extensions,
        };
        Some((terms, first_sequence))
    }

    /// Sends a packet on a lane, or queues it (see [`Session::queues`]). `false` if
    /// the packet is from before the peer joined, or too much waits on the peer's stream.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        lane: usize,
        track: SourceTrack,
        packet: &Packet,
        out: &mut Outbox,
    ) -> bool {
        if !self.connected {
            return false;
        }
        let Some(sender) = self.sends.get_mut(lane) else { return false };
        let unsent = self.route.unsent();
        let begins_keyframe = || keyframe::begins(sender.codec, &packet.payload);
        let passes = match sender.codec.kind() {
            Kind::Audio => unsent <= limits::AUDIO_UNSENT,
            Kind::Video => {
                let passes = sender.valve.passes(unsent, packet.timestamp, begins_keyframe);
                sender.filter.passes(sender.codec, track, packet) && passes
            }
        };
        if !passes {
            self.skip(now, lane, track, packet);
            return false;
        }
        let packet = &*sender.filter.shown(sender.codec, packet);
        match self.egress {
            Egress::Own => {
                let (Some(sink), Some(way)) = (&mut self.sink, way(&self.route)) else {
                    return false;
                };
                sender.pacer.sent(now, track, packet);
                sink.write(now, lane, track, packet, &way, out)
            }
            Egress::Str0m => self.queue(lane, track, packet),
        }
    }

    /// Whether a lane's packets may wait for their turn. A byte stream has a pace of its own, and
    /// the way to a downstream node, which waits for its viewers' sake, is a broad one.
    pub(super) fn paces(&self, lane: usize) -> bool {
        let sender = self.sends.get(lane);
        let is_video = sender.is_some_and(|sender| sender.codec.kind() == Kind::Video);
        is_video && self.answers() && self.takes_bursts()
    }

    /// Reads what the next packet on a lane will need. In a crowd, it is in no cache: so the reads
    /// overlap with each other, and with the sealing of the packet before.
    pub(crate) fn warm(&self, lane: usize) -> usize {
        let of = |sender: &Sender| usize::from(sender.first_sequence) ^ sender.pacer.warm();
        let sender = self.sends.get(lane).map_or(0, of);
        let sink = self.sink.as_ref().map_or(0, |sink| sink.warm(lane));
        let target = self.route.target().map_or(0, |(place, _)| place.peer.port());
        sender ^ sink ^ usize::from(target)
    }

    /// A packet does not go out. What is missing of sound shall be heard as missing.
    pub(super) fn skip(&mut self, now: Instant, lane: usize, track: SourceTrack, packet: &Packet) {
        let sender = &mut self.sends[lane];
        match &mut self.sink {
            _ if sender.codec.kind() == Kind::Audio => {}
            Some(sink) => sink.skip(now, lane, track, packet),
            None => {
                sender.numbering.skip(track, packet.sequence);
            }
        }
    }

    /// A lane gets another layer from its next packet on, whose RTP time is so much behind that of
    /// the present one, if that is known.
    pub(crate) fn turn(&mut self, now: Instant, lane: usize, behind: Option<u32>) {
        let Some(sender) = self.sends.get_mut(lane) else { return };
        sender.timing = Timing::after(&sender.numbering, behind);
        if let Some(sink) = &mut self.sink {
            sink.turn(now, lane, behind);
        }
    }

    /// What of its layer a lane gets, and at how many bits a second if it shall not be as it comes.
    pub(crate) fn set_share(&mut self, lane: usize, share: Share, rate: Option<u64>) {
        if let Some(sender) = self.sends.get_mut(lane) {
            let spatial = share.spatial.min(sender.spatial);
            sender.filter.set(Share { spatial, ..share });
            sender.pacer.set_rate(rate);
        }
    }

    /// Whether a lane waits for a keyframe to get higher spatial layers.
    pub(crate) fn is_rising(&self, lane: usize) -> bool {
        self.sends.get(lane).is_some_and(|sender| sender.filter.is_rising())
    }

    /// The highest spatial layer that a lane may get, if the layers of its track may come as one.
    pub(crate) fn spatial(&self, lane: usize) -> Option<u8> {
        let sender = self.sends.get(lane)?;
        matches!(sender.codec, Codec::Vp9 { .. } | Codec::Av1 { .. }).then_some(sender.spatial)
    }

    fn queue(&mut self, lane: usize, track: SourceTrack, packet: &Packet) -> bool {
        let sender = &mut self.sends[lane];
        let (at, kind) = (packet.arrived, sender.codec.kind());
        let playout = (kind == Kind::Video).then(|| self.playout.unwrap_or_default());
        let (number, time) = ((track, packet.sequence), packet.timestamp);
        let placed = sender.numbering.go_on(number, time, sender.timing, at);
        let Some((sequence, timestamp)) = placed else { return false };
        let payload = packet.payload.clone();
        let mut values = convert::extension_values(&packet.extensions, playout);
        if let Some(dependency) = packet.dependency.clone().filter(|_| sender.spatial > 0) {
            descriptor::attach(dependency, &mut values);
        }
        let write = RtpWrite::new(sender.pt, sequence.into(), timestamp, at, payload)
            .marker(packet.marker)
            .ext_vals(values)
            .nackable(kind == Kind::Video);
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(sender.mid, sender.rid) else { return false };
        stream.write_rtp(write);
        true
    }

    /// Whether the peer needs a keyframe on a lane, because its stream has drained.
    pub(crate) fn wishes_keyframe(&mut self, now: Instant, lane: usize) -> bool {
        let unsent = self.route.unsent();
        self.sends.get_mut(lane).is_some_and(|sender| sender.valve.wishes(now, unsent))
    }

    /// Whether a sender report is due.
    pub(crate) fn reports(&self, now: Instant) -> bool {
        self.sink.as_ref().is_some_and(|sink| sink.reports(now))
    }

    /// Sends a sender report. `clocks` are those of the lanes' sources.
    pub(crate) fn report(
        &mut self,
        now: Instant,
        clocks: impl Fn(usize) -> Option<SourceClock>,
        out: &mut Outbox,
    ) {
        let (Some(sink), Some(way)) = (&mut self.sink, way(&self.route)) else { return };
        sink.report(now, clocks, &way, out);
    }

    /// Whether this datagram is feedback on what we seal (RFC 7983 section 7).
    pub(crate) fn takes_feedback(&self, payload: &[u8]) -> bool {
        self.seals() && matches!(payload.first(), Some(128..=191))
    }

    /// Takes feedback, and adds what it asks of the hub.
    pub(crate) fn feedback(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        wishes: &mut Vec<Wish>,
    ) {
        let Some(sink) = &mut self.sink else { return };
        if sink.feedback(now, datagram.payload, wishes) {
            let place = Place::of(datagram);
            self.heard_at = now;
            self.route.heard(now, place, datagram.local);
        }
    }

    /// What goes to the peer on a lane of video for which any layer will do.
    pub(crate) fn adaptive(&self, lane: usize) -> Option<Outlet> {
        let sender = self.sends.get(lane).filter(|sender| sender.codec.kind() == Kind::Video)?;
        Some(sender.outlet).filter(|outlet| outlet.layer.is_none())
    }

    /// How many lanes of sound and of video go to the peer.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let sounds = self.sends.iter().filter(|s| s.codec.kind() == Kind::Audio).count();
        (sounds as u64, (self.sends.len() - sounds) as u64)
    }

    /// Whether a lane goes on, or gets more, with a keyframe only, although nothing stops it any
    /// more; once in a while, since it is to be asked for then.
    pub(crate) fn awaits_keyframe(&mut self, now: Instant, lane: usize) -> bool {
        self.sends.get_mut(lane).is_some_and(|sender| sender.filter.wishes(now))
    }

    /// What the peer's line takes, if it is known. A byte stream shows by itself when it is full.
    pub(crate) fn line(&mut self, now: Instant) -> Option<Line> {
        let (sink, way) = (self.sink.as_mut()?, way(&self.route)?);
        let line = sink.line(now, &way)?;
        Some(Line { is_limited: line.is_limited && way.carrier == Carrier::Udp, ..line })
    }

    /// What to send to find out whether it takes so many bits a second.
    pub(crate) fn probe(&mut self, now: Instant, wanted: u64) -> Option<Probe> {
        self.sink.as_mut()?.probe(now, wanted)
    }

    /// Sends a packet once more on a lane (to probe the line, if so), unless the peer's stream has
    /// enough to do.
    pub(crate) fn repeat(
        &mut self,
        now: Instant,
        lane: (usize, bool),
        track: SourceTrack,
        packet: &Packet,
        out: &mut Outbox,
    ) -> bool {
        let congested = self.route.unsent() > limits::VIDEO_UNSENT;
        let (Some(sink), Some(way)) = (&mut self.sink, way(&self.route)) else { return false };
        let Some(Sender { codec, filter, .. }) = self.sends.get(lane.0) else { return false };
        let packet = &*filter.shown(*codec, packet);
        !congested
            && match lane {
                (lane, false) => sink.repair(now, lane, track, packet, &way, out),
                probing => sink.repeat(now, probing, track, packet, &way, out),
            }
    }
}

/// Where media goes.
pub(super) fn way(route: &Route) -> Option<Way> {
    let (Place { carrier, peer }, local) = route.target()?;
    Some(Way { carrier, local, peer })
}
