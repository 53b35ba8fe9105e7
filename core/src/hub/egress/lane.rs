//! One track on its way to one peer: its numbers there, its packets and their repairs. It knows
//! neither the peer's other tracks nor where the peer is.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::header::{ExtensionIds, Header};
use super::pen::{Body, Pen};
use super::pictures::Pictures;
use super::rtcp::{ReportBlock, SenderInfo, ntp};
use super::srtp::{LineId, Sealer};
use crate::hub::numbering::{Numbering, SourceTrack, Timing};
use crate::limits;
use crate::media::codec::Codec;
use crate::media::packet::{Packet, SourceClock};
use crate::media::temporal::Picture;
use crate::media::track::Kind;

/// Bytes before the payload of a repair: the sequence number of what it repeats (RFC 4588
/// section 4).
const ORIGINAL: usize = 2;

/// What a peer and we have agreed on for one track.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What the packets hold.
    pub codec: Codec,
    /// `a=mid`.
    pub mid: String,
    /// What the layer is called that goes here, if the peer takes several.
    pub rid: Option<String>,
    /// How the peer calls the codec.
    pub payload_type: u8,
    /// How we call the stream.
    pub ssrc: u32,
    /// Payload type and SSRC of repairs (RFC 4588), if the peer takes them.
    pub repairs: Option<(u8, u32)>,
    /// Header extensions that the peer takes.
    pub extensions: ExtensionIds,
}

/// One track on its way to one peer.
pub(super) struct Lane {
    terms: Terms,
    line: LineId,
    repairs: Option<Repairs>,
    numbering: Numbering,
    /// How the times of the next source continue those of the present one.
    timing: Timing,
    pictures: Pictures,
    /// When the first packet was sent.
    began: Option<Instant>,
    /// Until then it counts as a line that loses packets.
    lossy_until: Option<Instant>,
    /// Whether the peer has said that it gets this stream: then it knows to which section it
    /// belongs.
    is_known: bool,
    packets: u32,
    octets: u32,
    /// The NTP time of the last report, and when it was sent.
    reported: Option<(u64, Instant)>,
}

struct Repairs {
    line: LineId,
    payload_type: u8,
    next: u64,
    /// What was repeated, the latest last.
    under_way: VecDeque<(u64, Instant)>,
}

impl Lane {
    /// `None` if one of its SSRCs is another lane's.
    pub(super) fn open(terms: Terms, first_sequence: u16, sealer: &mut Sealer) -> Option<Self> {
        let line = sealer.open_line(terms.ssrc)?;
        let repairs = match terms.repairs {
            None => None,
            Some((payload_type, ssrc)) => {
                let line = sealer.open_line(ssrc)?;
                Some(Repairs { line, payload_type, next: 1, under_way: VecDeque::new() })
            }
        };
        let numbering = Numbering::new(terms.codec.clock_rate(), first_sequence);
        let pictures = Pictures::new(terms.codec);
        Some(Lane {
            terms,
            line,
            repairs,
            numbering,
            timing: Timing::Elapsed,
            pictures,
            began: None,
            lossy_until: None,
            is_known: false,
            packets: 0,
            octets: 0,
            reported: None,
        })
    }

    /// Reads what the next packet will need.
    pub(super) fn warm(&self) -> usize {
        let rest = [self.lossy_until.is_some(), self.is_known, self.reported.is_some()];
        let rest = usize::from(rest.contains(&true));
        self.packets as usize ^ self.terms.ssrc as usize ^ self.numbering.warm() ^ rest
    }

    /// Writes a packet. `false`: it is from before the peer
    /// joined, or was sent already; then nothing is written.
    pub(super) fn write(&mut self, track: SourceTrack, packet: &Packet, pen: &mut Pen<'_>) -> bool {
        let (number, time) = ((track, packet.sequence), packet.timestamp);
        let placed = self.numbering.go_on(number, time, self.timing, packet.arrived);
        let Some((index, timestamp)) = placed else { return false };
        let picture = self.picture(packet);
        self.pictures.write(track, picture, pen.now);
        let (payload_type, name) = (self.terms.payload_type, self.terms.extensions.rid);
        let mut header = self.header(payload_type, packet, timestamp, pen.playout);
        if !self.is_known {
            self.introduce(&mut header, name);
        }
        let shown = |numbers: &mut [u8]| self.pictures.show(track, picture, numbers);
        let body = Body { prefix: &[], payload: &packet.payload };
        if !pen.put((self.line, index), header, body, shown) {
            return false;
        }
        self.began.get_or_insert(pen.now);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.payload.len() as u32);
        true
    }

    /// A packet is left out: what comes later closes up.
    pub(super) fn skip(&mut self, now: Instant, track: SourceTrack, packet: &Packet) {
        self.numbering.skip(track, packet.sequence);
        self.pictures.skip(track, self.picture(packet), now);
    }

    /// How a packet's picture is numbered, if that reaches the peer.
    fn picture(&self, packet: &Packet) -> Option<Picture> {
        let is_told = self.terms.extensions.dependency > 0;
        packet.picture(self.terms.codec).filter(|picture| !picture.is_reference() || is_told)
    }

    /// Another layer goes on, whose RTP time is so much behind that of the present one.
    pub(super) fn turn(&mut self, now: Instant, behind: Option<u32>) {
        self.timing = Timing::after(&self.numbering, behind);
        self.pictures.begin(now);
    }

    /// How old a packet may be that is repeated: what the peer has begun with was sent to it just
    /// now, however old it is.
    pub(super) fn oldest_repair(&self, now: Instant) -> Duration {
        let just_begun = |at| now < at + limits::CATCH_UP + limits::REPAIR_AGE;
        if self.began.is_some_and(just_begun) { limits::START_KEPT } else { limits::REPAIR_AGE }
    }

    /// The source's number of the packet that went out under this one, if it shall be repeated
    /// now; then it counts as repeated.
    pub(super) fn repeats(
        &mut self,
        now: Instant,
        shown: u16,
        pause: Duration,
    ) -> Option<(SourceTrack, u64)> {
        let repairs = self.repairs.as_mut()?;
        let (track, sequence) = self.numbering.origin(shown)?;
        while repairs.under_way.front().is_some_and(|(_, at)| *at + pause <= now) {
            repairs.under_way.pop_front();
        }
        let is_under_way = repairs.under_way.iter().any(|(other, _)| *other == sequence);
        if is_under_way || repairs.under_way.len() >= limits::REPAIRS_UNDER_WAY {
            return None;
        }
        repairs.under_way.push_back((sequence, now));
        Some((track, sequence))
    }

    /// Writes a repair of a packet.
    pub(super) fn repair(
        &mut self,
        track: SourceTrack,
        packet: &Packet,
        pen: &mut Pen<'_>,
    ) -> bool {
        let Some((index, timestamp)) =
            self.numbering.find(track, packet.sequence, packet.timestamp)
        else {
            return false;
        };
        let Some(Repairs { line, payload_type, next, .. }) = &mut self.repairs else {
            return false;
        };
        let (place, payload_type) = ((*line, *next), *payload_type);
        *next += 1;
        let original: [u8; ORIGINAL] = (index as u16).to_be_bytes();
        let mut header = self.header(payload_type, packet, timestamp, pen.playout);
        // No report tells whether the peer knows whose repairs these are.
        if !self.is_known || self.terms.rid.is_some() {
            self.introduce(&mut header, self.terms.extensions.repaired);
        }
        let picture = self.picture(packet);
        let shown = |numbers: &mut [u8]| self.pictures.show(track, picture, numbers);
        pen.put(place, header, Body { prefix: &original, payload: &packet.payload }, shown)
    }

    /// Says which section and which layer a packet belongs to; `name` is the extension for that.
    fn introduce(&self, header: &mut Header<'_>, name: u8) {
        let Terms { extensions, mid, rid, .. } = &self.terms;
        header.element(extensions.mid, mid.as_bytes());
        header.element(name, rid.as_deref().unwrap_or_default().as_bytes());
    }

    fn header<'p>(
        &self,
        payload_type: u8,
        packet: &'p Packet,
        timestamp: u32,
        playout: [u8; 3],
    ) -> Header<'p> {
        let Terms { extensions, codec, .. } = &self.terms;
        let descriptor = packet.dependency.as_ref().map_or(&[][..], |found| &found.bytes);
        let mut header =
            Header::new(extensions, payload_type, packet.marker, timestamp, descriptor);
        if codec.kind() == Kind::Video {
            header.element(extensions.playout_delay, &playout);
        }
        header.extensions(extensions, &packet.extensions);
        header
    }

    /// What a sender report says now (RFC 3550 section 6.4.1): the source's own clocks go on, so
    /// that audio and video of one source fit. `None` if nothing was sent.
    pub(super) fn report(&mut self, now: Instant, clock: &SourceClock) -> Option<SenderInfo> {
        let shift = self.numbering.shift()?;
        let since = now.saturating_duration_since(clock.heard);
        let ticks = since.as_nanos() * u128::from(self.terms.codec.clock_rate()) / 1_000_000_000;
        let ntp = clock.ntp.wrapping_add(ntp::span(since));
        self.reported = Some((ntp, now));
        Some(SenderInfo {
            ssrc: self.terms.ssrc,
            ntp,
            rtp: clock.rtp.wrapping_add(ticks as u32).wrapping_add(shift),
            packets: self.packets,
            octets: self.octets,
        })
    }

    /// The peer says how it gets this stream. Returns how long a round trip took, if it was the
    /// last report that it has answered (RFC 3550 section 6.4.1).
    pub(super) fn received(&mut self, now: Instant, block: &ReportBlock) -> Option<Duration> {
        self.is_known = true;
        if block.fraction_lost > 0 {
            self.lossy_until = Some(now + limits::LOSSY);
        }
        let is_answer = |(ntp, _): &(u64, Instant)| ntp::middle(*ntp) == block.last_report;
        let (ntp, at) = self.reported.filter(is_answer)?;
        let since = ntp::span(now.saturating_duration_since(at));
        ntp::round_trip(ntp.wrapping_add(since), block.last_report, block.delay_since)
    }

    /// The jitter of sound that a report tells (RFC 3550 section 6.4.1), as a time. That of video
    /// is none of the line's: frames are bursts, and a beginning is sent faster than it was filmed.
    pub(super) fn jitter(&self, block: &ReportBlock) -> Duration {
        match self.terms.codec.kind() {
            Kind::Audio => Duration::from_secs(block.jitter.into()) / Codec::Opus.clock_rate(),
            Kind::Video => Duration::ZERO,
        }
    }

    /// Whether the peer has lost packets of this stream lately, and takes repairs.
    pub(super) fn is_lossy(&self, now: Instant) -> bool {
        self.repairs.is_some() && self.lossy_until.is_some_and(|until| now < until)
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.terms.ssrc
    }
}
