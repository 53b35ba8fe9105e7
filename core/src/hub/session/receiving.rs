//! What the peer sends: which layer of which track a packet belongs to, and what is missing. It
//! knows the sections and names in which the peer sends, not who wants them.

use std::time::Instant;

use str0m::Event;
use str0m::media::{KeyframeRequestKind, Mid, Rid};
use str0m::rtp::{RawPacket, RtpHeader, RtpPacket, Ssrc};

use crate::config::Egress;
use crate::hub::egress::rtcp::ntp;
use crate::hub::egress::{Asker, Exported};
use crate::hub::recovery::Recovery;
use crate::hub::session::negotiate::Use;
use crate::hub::session::{SHORTEST_SLEEP, Session, SessionEvent, convert, sending};
use crate::limits;
use crate::media::av1::Templates;
use crate::media::codec::Codec;
use crate::media::packet::{Packet, SourceClock};
use crate::outbox::Outbox;

/// One layer that the peer sends.
#[derive(Debug)]
pub(super) struct Receiver {
    mid: Mid,
    rid: Option<Rid>,
    /// As its latest packet called it.
    ssrc: Option<Ssrc>,
    /// `None` if the peer repeats nothing, or str0m asks for it.
    recovery: Option<Recovery>,
    /// When its latest packet came, and the highest sequence number so far.
    last: Option<(Instant, u64)>,
    /// Which layers descriptors name, if it is AV1.
    templates: Option<Templates>,
}

impl Receiver {
    fn is_it(&self, mid: Mid, rid: Option<Rid>) -> bool {
        self.mid == mid && (self.rid.is_none() || self.rid == rid)
    }

    /// Whether a packet is new.
    fn takes(&mut self, packet: &Packet) -> bool {
        let Some(recovery) = &mut self.recovery else { return true };
        let (now, sequence) = (packet.arrived, packet.sequence);
        if let Some((at, last)) = self.last {
            // After a pause the present is wanted, not what was missed.
            let paused = now.saturating_duration_since(at) >= limits::PAUSE;
            if paused && sequence > last + limits::REORDERED {
                recovery.forget_below(sequence);
            }
        }
        self.last = Some((now, self.last.map_or(sequence, |(_, last)| last.max(sequence))));
        recovery.arrived(now, sequence)
    }
}

impl Session {
    /// The peer sends a track in this section, in layers of these names.
    pub(super) fn add_receivers(&mut self, mid: Mid, rids: &[String], taken: Use, repeats: bool) {
        let (layers, asks) = (taken.layers, repeats && self.egress == Egress::Own);
        let receiver = |rid| {
            let recovery = asks.then(Recovery::default);
            let templates = matches!(taken.codec, Codec::Av1 { .. }).then(Templates::default);
            Receiver { mid, rid, ssrc: None, recovery, last: None, templates }
        };
        if layers > 1 {
            let names = rids.iter().take(layers);
            self.receives.extend(names.map(|rid| receiver(Some(Rid::from(rid.as_str())))));
        } else {
            self.receives.push(receiver(None));
        }
    }

    /// Asks the peer for a keyframe of this layer; [`Session::advance`] sends it.
    pub(crate) fn ask_keyframe(&mut self, layer: usize) {
        let Some(Receiver { mid, rid, .. }) = self.receives.get(layer) else { return };
        let (mid, rid) = (*mid, *rid);
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, rid) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    /// What str0m tells of what the peer sends.
    pub(super) fn translate_received(&mut self, event: Event, events: &mut Vec<SessionEvent>) {
        match event {
            Event::RtpPacket(packet) => {
                let Some(layer) = self.layer_of(&packet) else { return };
                let receiver = &mut self.receives[layer];
                let packet = convert::packet(packet, receiver.templates.as_mut());
                if receiver.takes(&packet) {
                    events.push(SessionEvent::Packet { layer, packet });
                }
            }
            Event::RawPacket(raw) => {
                if let RawPacket::RtpRx(header, body) = *raw {
                    let late = self.late_repair(&header, &body);
                    let late = late.filter(|(layer, packet)| self.receives[*layer].takes(packet));
                    let event = |(layer, packet)| SessionEvent::Packet { layer, packet };
                    events.extend(late.map(event));
                }
            }
            Event::SenderFeedback(feedback) => {
                let info = &feedback.sender_info;
                let is_it = |known: &Receiver| known.is_it(feedback.mid, feedback.rid);
                let layer = self.receives.iter().position(is_it);
                // Who has sent nothing yet does not know what time it is in the stream.
                if let Some(layer) = layer.filter(|_| info.sender_packet_count > 0) {
                    let (ntp, rtp) = (ntp::at(info.ntp_time), info.rtp_time.numer() as u32);
                    let clock = SourceClock { ntp, rtp, heard: feedback.received_at };
                    events.push(SessionEvent::Clock { layer, clock });
                }
            }
            _ => {}
        }
    }

    /// What a repair (RFC 4588 section 4) repeats, and of which layer, if it comes too late for
    /// str0m: over a long line, a second's media is on its way before a first repair can be here.
    fn late_repair(&mut self, header: &RtpHeader, body: &[u8]) -> Option<(usize, Packet)> {
        let (original, payload) = body.split_first_chunk()?;
        let mut api = self.rtc.direct_api();
        let mut is_of = |receiver: &Receiver| {
            let main = receiver.ssrc.filter(|_| receiver.recovery.is_some());
            let repairs = main.and_then(|main| api.stream_rx(&main)?.rtx());
            repairs == Some(header.ssrc)
        };
        let layer = self.receives.iter().position(&mut is_of)?;
        let (_, newest) = self.receives[layer].last?;
        let behind = (newest as u16).wrapping_sub(u16::from_be_bytes(*original));
        let is_late = (limits::LATE..=limits::LATE_MOST).contains(&behind);
        let sequence = newest.checked_sub(u64::from(behind)).filter(|_| is_late)?;
        let templates = self.receives[layer].templates.as_mut();
        let at = self.heard_at;
        let packet = convert::assemble(header, sequence, at, payload.into(), templates);
        Some((layer, packet))
    }

    /// The layer of a packet, which names it at first, and is known by its SSRC later.
    fn layer_of(&mut self, packet: &RtpPacket) -> Option<usize> {
        let ssrc = packet.header.ssrc;
        if let Some(known) = self.receives.iter().position(|known| known.ssrc == Some(ssrc)) {
            return Some(known);
        }
        let values = &packet.header.ext_vals;
        let mut api = self.rtc.direct_api();
        let mut stream = api.stream_rx(&ssrc);
        let mid = values.mid.or_else(|| Some(stream.as_ref()?.mid()))?;
        let rid = values.rid.or_else(|| stream.as_ref()?.rid());
        let layer = self.receives.iter().position(|known| known.is_it(mid, rid))?;
        let receiver = &mut self.receives[layer];
        receiver.ssrc = Some(ssrc);
        if let Some(stream) = stream.as_mut().filter(|_| receiver.recovery.is_some()) {
            stream.suppress_nack(true);
        }
        Some(layer)
    }

    /// The handshake has made keys.
    pub(super) fn open_asker(&mut self, exported: &Exported) {
        if self.receives.iter().any(|receiver| receiver.recovery.is_some()) {
            let ssrc = self.rtc.direct_api().new_ssrc();
            self.asker = Asker::open(exported, *ssrc);
        }
    }

    /// Asks the peer for what is missing, if it is time to. str0m would do so within 33 ms.
    pub(super) fn ask(&mut self, now: Instant, events: &mut Vec<SessionEvent>, out: &mut Outbox) {
        let (Some(asker), Some(way)) = (&mut self.asker, sending::way(&self.route)) else { return };
        for (layer, Receiver { ssrc, recovery, .. }) in self.receives.iter_mut().enumerate() {
            let (Some(ssrc), Some(recovery)) = (ssrc, recovery) else { continue };
            if recovery.deadline().is_some_and(|at| at <= now) {
                self.missing.clear();
                recovery.due(now, &mut self.missing);
                asker.nack(**ssrc, &self.missing, limits::NACK_COPIES, &way, out);
                let lost = recovery.take_lost();
                events.extend(lost.map(|sequence| SessionEvent::Lost { layer, sequence }));
            }
            if let Some(at) = recovery.deadline() {
                self.deadline = self.deadline.min(at.max(now + SHORTEST_SLEEP));
            }
        }
    }
}
