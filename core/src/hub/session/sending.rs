//! What goes to the peer: by our own egress, or by str0m's. It knows the tracks' sections and
//! numbers there, not where the packets come from.

use std::time::Instant;

use str0m::format::PayloadParams;
use str0m::media::{Mid, Pt};
use str0m::rtp::{Extension, ExtensionMap, RtpWrite};

use crate::config::Egress;
use crate::hub::egress::{Exported, ExtensionIds, Sink, Terms, Wish};
use crate::hub::numbering::{Numbering, SourceTrack};
use crate::hub::session::entropy::Entropy;
use crate::hub::session::route::{Place, Route};
use crate::hub::session::valve::Valve;
use crate::hub::session::{Session, config, convert};
use crate::limits;
use crate::machine::{Carrier, Datagram};
use crate::media::codec::Codec;
use crate::media::keyframe;
use crate::media::packet::{Packet, SourceClock};
use crate::media::track::{Kind, Track};
use crate::outbox::{Outbox, Way};

/// One track that goes to the peer.
pub(super) struct Sender {
    slot: usize,
    codec: Codec,
    mid: Mid,
    pt: Pt,
    first_sequence: u16,
    /// Of what str0m sends.
    numbering: Numbering,
    valve: Valve,
}

impl Sender {
    pub(super) fn pt(&self) -> Pt {
        self.pt
    }

    pub(super) fn is_of(&self, mid: Mid) -> bool {
        self.mid == mid
    }

    pub(super) fn slot(&self) -> usize {
        self.slot
    }
}

impl Session {
    pub(super) fn add_sender(
        &mut self,
        slot: usize,
        track: Track,
        mid: Mid,
        entropy: &mut Entropy,
    ) -> Result<(), String> {
        let pt = self.accepted(track, mid)?.pt();
        let first_sequence = entropy.first_sequence();
        let numbering = Numbering::new(track.codec.clock_rate(), first_sequence);
        let (codec, valve) = (track.codec, Valve::default());
        self.sends.push(Sender { slot, codec, mid, pt, first_sequence, numbering, valve });
        if self.egress == Egress::Str0m {
            self.keep_repairs(mid);
        }
        Ok(())
    }

    /// What the peer has accepted for a track.
    pub(super) fn accepted(&self, track: Track, mid: Mid) -> Result<PayloadParams, String> {
        let media = self.rtc.media(mid).ok_or_else(|| format!("there is no section {mid}"))?;
        let spec = config::spec(track.codec);
        let accepted = self.rtc.codec_config().params().iter().find(|params| {
            params.spec().codec == spec.codec && media.remote_pts().contains(&params.pt())
        });
        accepted.copied().ok_or_else(|| format!("the peer refused {}", track.codec.name()))
    }

    /// How long sent packets can be repeated. No cap on their share: a burst of losses is just
    /// when they are needed, and the cache bounds them.
    fn keep_repairs(&mut self, mid: Mid) {
        let mut api = self.rtc.direct_api();
        if let Some(stream) = api.stream_tx_by_mid(mid, None) {
            stream.set_rtx_cache(limits::REPAIR_PACKETS, limits::REPAIR_AGE, None);
        }
    }

    /// The slots of the tracks that go to the peer, in the order of their lanes.
    pub(crate) fn sending(&self) -> impl Iterator<Item = usize> {
        self.sends.iter().map(Sender::slot)
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
    pub(super) fn open_sink(&mut self, exported: &Exported) {
        if self.seals() {
            let terms = (0..self.sends.len()).map(|lane| self.terms(lane)).collect::<Option<_>>();
            let cname = self.credentials.ufrag.clone();
            self.sink = terms.and_then(|terms| Sink::open(exported, terms, cname));
        }
    }

    fn terms(&mut self, lane: usize) -> Option<(Terms, u16)> {
        let Sender { codec, mid, first_sequence, .. } = self.sends.get(lane)?;
        let (codec, mid, first_sequence) = (*codec, *mid, *first_sequence);
        let params = self.accepted(Track { codec }, mid).ok()?;
        let extensions = extension_ids(self.rtc.media(mid)?.remote_extmap());
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None)?;
        let repairs = params.resend().zip(stream.rtx());
        let terms = Terms {
            kind: codec.kind(),
            clock_rate: codec.clock_rate(),
            mid: mid.to_string(),
            payload_type: *params.pt(),
            ssrc: *stream.ssrc(),
            repairs: repairs.map(|(pt, ssrc)| (*pt, *ssrc)),
            extensions,
        };
        Some((terms, first_sequence))
    }

    /// Sends a packet of track number `slot`, or queues it (see [`Session::queues`]). `false` if
    /// the packet is from before the peer joined, or too much waits on the peer's stream.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        slot: usize,
        track: SourceTrack,
        packet: &Packet,
        out: &mut Outbox,
    ) -> bool {
        if !self.connected {
            return false;
        }
        let sender = self.sends.iter_mut().enumerate().find(|(_, sender)| sender.slot == slot);
        let Some((lane, sender)) = sender else { return false };
        let unsent = self.route.unsent();
        let begins_keyframe = || keyframe::begins(sender.codec, &packet.payload);
        let passes = match sender.codec.kind() {
            Kind::Audio => unsent <= limits::AUDIO_UNSENT,
            Kind::Video => sender.valve.passes(unsent, packet.timestamp, begins_keyframe),
        };
        if !passes {
            return false;
        }
        match self.egress {
            Egress::Own => {
                let (Some(sink), Some(way)) = (&mut self.sink, way(&self.route)) else {
                    return false;
                };
                sink.write(now, lane, track, packet, &way, out)
            }
            Egress::Str0m => self.queue(lane, track, packet),
        }
    }

    fn queue(&mut self, lane: usize, track: SourceTrack, packet: &Packet) -> bool {
        let sender = &mut self.sends[lane];
        let (at, kind) = (packet.arrived, sender.codec.kind());
        let placed = sender.numbering.place(track, packet.sequence, packet.timestamp, at);
        let Some((sequence, timestamp)) = placed else { return false };
        let payload = packet.payload.clone();
        let write = RtpWrite::new(sender.pt, sequence.into(), timestamp, at, payload)
            .marker(packet.marker)
            .ext_vals(convert::extension_values(&packet.extensions, kind))
            .nackable(kind == Kind::Video);
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(sender.mid, None) else { return false };
        stream.write_rtp(write);
        true
    }

    /// Whether the peer needs a keyframe of track number `slot`, because its stream has drained.
    pub(crate) fn wishes_keyframe(&mut self, now: Instant, slot: usize) -> bool {
        let unsent = self.route.unsent();
        let sender = self.sends.iter_mut().find(|sender| sender.slot == slot);
        sender.is_some_and(|sender| sender.valve.wishes(now, unsent))
    }

    /// Whether a sender report is due.
    pub(crate) fn reports(&self, now: Instant) -> bool {
        self.sink.as_ref().is_some_and(|sink| sink.reports(now))
    }

    /// Sends a sender report. `clocks` are those of the tracks' sources, by their number.
    pub(crate) fn report(
        &mut self,
        now: Instant,
        clocks: impl Fn(usize) -> Option<SourceClock>,
        out: &mut Outbox,
    ) {
        let (Some(sink), Some(way)) = (&mut self.sink, way(&self.route)) else { return };
        let sends = &self.sends;
        sink.report(now, |lane| clocks(sends.get(lane)?.slot), &way, out);
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

    /// Sends a packet once more, unless the peer's stream has enough to do.
    pub(crate) fn repeat(
        &mut self,
        lane: usize,
        track: SourceTrack,
        packet: &Packet,
        out: &mut Outbox,
    ) -> bool {
        let congested = self.route.unsent() > limits::VIDEO_UNSENT;
        let (Some(sink), Some(way)) = (&mut self.sink, way(&self.route)) else { return false };
        !congested && sink.repeat(lane, track, packet, &way, out)
    }
}

/// Where media goes.
pub(super) fn way(route: &Route) -> Option<Way> {
    let (Place { carrier, peer }, local) = route.target()?;
    Some(Way { carrier, local, peer })
}

fn extension_ids(map: &ExtensionMap) -> ExtensionIds {
    let id = |extension| map.id_of(extension).unwrap_or(0);
    ExtensionIds {
        mid: id(Extension::RtpMid),
        playout_delay: id(Extension::PlayoutDelay),
        captured: id(Extension::AbsoluteCaptureTime),
        audio_level: id(Extension::AudioLevel),
        rotation: id(Extension::VideoOrientation),
    }
}
