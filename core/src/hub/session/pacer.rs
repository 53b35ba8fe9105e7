//! How the video of one lane is spread over time. What comes in one heap does not leave in one,
//! which the small buffers on the way would drop, but within milliseconds; and where a line has no
//! room for more than keyframes, each goes out as slowly as the line takes it, so that sound does
//! not wait behind it. Packets wait in their track's history; this knows their numbers alone.

use std::time::{Duration, Instant};

use crate::hub::numbering::SourceTrack;
use crate::hub::session::Session;
use crate::limits;
use crate::media::packet::Packet;
use crate::outbox::Outbox;

/// Spreads the packets of one lane.
#[derive(Debug)]
pub(super) struct Pacer {
    /// The number of the next packet, if some wait.
    next: Option<u64>,
    /// The track and the number of the newest packet that has gone.
    newest: Option<(SourceTrack, u64)>,
    /// When the present heap began, and its bytes.
    began: Option<Instant>,
    bytes: usize,
    /// Bits a second, if packets shall go at the line's pace.
    rate: Option<u64>,
    /// When the line has room again, at that pace.
    free_at: Option<Instant>,
    /// What one packet may take at most, or the last one would come too late.
    longest: Duration,
    /// Whether everything waits.
    held: bool,
    /// When it was let go last.
    let_go: Option<Instant>,
}

impl Default for Pacer {
    fn default() -> Self {
        let longest = limits::TRICKLE;
        Pacer {
            next: None,
            newest: None,
            began: None,
            bytes: 0,
            rate: None,
            free_at: None,
            longest,
            held: false,
            let_go: None,
        }
    }
}

impl Pacer {
    /// Reads what the next packet will need.
    pub(super) fn warm(&self) -> usize {
        self.newest.map_or(0, |(_, number)| number as usize)
    }

    /// Packets shall go at so many bits a second, or as they come.
    pub(super) fn set_rate(&mut self, rate: Option<u64>) {
        self.rate = rate;
    }

    /// Everything waits, or goes on.
    pub(super) fn hold(&mut self, now: Instant, held: bool) {
        if self.held && !held {
            self.let_go = Some(now);
        }
        self.held = held;
    }

    /// Whether a packet that has just come may go on now; else it waits, and all that follow.
    fn takes(&mut self, now: Instant, track: SourceTrack, packet: &Packet) -> bool {
        if let Some(next) = self.next {
            return packet.sequence < next;
        }
        // If it is late, those that came before it have gone, and must not wait with it.
        let is_late = |(its, number)| its == track && number > packet.sequence;
        if self.newest.is_some_and(is_late) {
            return true;
        }
        let goes = match self.rate {
            _ if self.held => false,
            Some(_) => self.is_free(now),
            None => {
                if self.began.is_none_or(|began| now >= began + limits::PACE) {
                    (self.began, self.bytes) = (Some(now), 0);
                }
                self.bytes + packet.payload.len() <= limits::PACE_BURST
            }
        };
        if !goes {
            self.next = Some(packet.sequence);
        }
        goes
    }

    fn is_free(&self, now: Instant) -> bool {
        self.free_at.is_none_or(|at| at <= now)
    }

    /// A packet goes.
    pub(super) fn sent(&mut self, now: Instant, track: SourceTrack, packet: &Packet) {
        self.newest = match self.newest {
            Some((its, number)) if its == track => Some((track, number.max(packet.sequence))),
            _ => Some((track, packet.sequence)),
        };
        let bytes = packet.payload.len() + limits::PACKET_OVERHEAD;
        self.bytes += bytes;
        if let Some(rate) = self.rate {
            let takes = Duration::from_nanos(bytes as u64 * 8 * 1_000_000_000 / rate.max(1));
            let takes = takes.min(self.longest);
            // What it did not use in the last steps is lost.
            let since = now.checked_sub(limits::PACE_STEP * 2).unwrap_or(now);
            self.free_at = Some(self.free_at.map_or(since, |at| at.max(since)) + takes);
        }
    }

    /// How many of so many packets go in one step, so that the first of them, which came at
    /// `oldest`, does not wait longer than it may; at a line's pace, how fast they must go.
    fn share(&mut self, now: Instant, waiting: usize, oldest: Instant) -> usize {
        let slowest = (oldest + limits::TRICKLE).saturating_duration_since(now);
        self.longest = slowest / u32::try_from(waiting).unwrap_or(u32::MAX).max(1);
        let due = match self.let_go.filter(|at| *at > oldest) {
            Some(at) => at + limits::HELD_PACE,
            None => oldest + limits::PACE,
        };
        let left = due.saturating_duration_since(now);
        let steps = left.as_micros() / limits::PACE_STEP.as_micros();
        waiting.div_ceil(steps.max(1) as usize)
    }
}

impl Session {
    /// Sends a packet that has just come on a lane, as [`Session::write`] does, unless packets wait
    /// there or have to now (see [`Session::waits`]).
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        lane: usize,
        track: SourceTrack,
        packet: &Packet,
        out: &mut Outbox,
    ) -> bool {
        let waits = self.paces(lane) && !self.sends[lane].pacer.takes(now, track, packet);
        !waits && self.write(now, lane, track, packet, out)
    }

    /// The number of the first packet that waits for a lane's turn.
    pub(crate) fn waits(&self, lane: usize) -> Option<u64> {
        self.sends.get(lane).and_then(|sender| sender.pacer.next)
    }

    /// Sends what may go of the packets that wait for a lane, from [`Session::waits`] on; those
    /// below `begin` are not wanted any more. How many packets and bytes that were.
    pub(crate) fn pace<'p>(
        &mut self,
        now: Instant,
        (lane, track): (usize, SourceTrack),
        begin: u64,
        packets: impl Iterator<Item = &'p Packet> + Clone,
        out: &mut Outbox,
    ) -> (u64, u64) {
        let sent = &mut (0, 0);
        let Some(oldest) = packets.clone().next().map(|packet| packet.arrived) else {
            self.sends[lane].pacer.next = None;
            return *sent;
        };
        let mut share = self.sends[lane].pacer.share(now, packets.clone().count(), oldest);
        for packet in packets {
            if packet.sequence < begin {
                self.skip(now, lane, track, packet);
                continue;
            }
            let pacer = &mut self.sends[lane].pacer;
            let goes = if pacer.rate.is_some() { pacer.is_free(now) } else { share > 0 };
            if !goes {
                pacer.next = Some(packet.sequence);
                return *sent;
            }
            if self.write(now, lane, track, packet, out) {
                *sent = (sent.0 + 1, sent.1 + packet.payload.len() as u64);
                share = share.saturating_sub(1);
            }
        }
        self.sends[lane].pacer.next = None;
        *sent
    }

    /// The video of a lane waits, or goes on.
    pub(crate) fn hold(&mut self, now: Instant, lane: usize, held: bool) {
        if let Some(sender) = self.sends.get_mut(lane) {
            sender.pacer.hold(now, held);
        }
    }

    /// The same if the turn comes: nothing is held.
    pub(crate) fn due(&self, lane: usize) -> Option<u64> {
        self.waits(lane).filter(|_| !self.is_held(lane))
    }

    /// Whether the video of a lane waits until it is let go.
    pub(crate) fn is_held(&self, lane: usize) -> bool {
        self.sends.get(lane).is_some_and(|sender| sender.pacer.held)
    }

    /// Nothing waits for a lane any more.
    pub(crate) fn release(&mut self, lane: usize) {
        if let Some(sender) = self.sends.get_mut(lane) {
            sender.pacer.next = None;
        }
    }

    /// Whether packets of a lane go at the line's pace, however long that takes.
    pub(crate) fn trickles(&self, lane: usize) -> bool {
        self.sends.get(lane).is_some_and(|sender| sender.pacer.rate.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::packet::Extensions;

    fn packet(sequence: u64, arrived: Instant) -> Packet {
        Packet {
            sequence,
            timestamp: 0,
            marker: false,
            arrived,
            extensions: Extensions::default(),
            dependency: None,
            payload: [0; 1000].into(),
        }
    }

    #[test]
    fn what_is_more_than_a_heap_leaves_within_milliseconds() {
        let (mut pacer, start) = (Pacer::default(), Instant::now());
        let mut at_once = 0;
        for n in 0..60 {
            let packet = packet(n, start);
            if pacer.takes(start, 1, &packet) {
                pacer.sent(start, 1, &packet);
                at_once += 1;
            }
        }
        assert!((15..=20).contains(&at_once), "{at_once} at once");
        let mut waiting = 60 - at_once;
        let mut steps = Vec::new();
        for step in 1..=4 {
            let now = start + limits::PACE_STEP * step;
            let share = pacer.share(now, waiting, start);
            steps.push(share);
            waiting -= share;
        }
        assert_eq!(waiting, 0, "{steps:?}");
        assert!(steps.iter().all(|share| *share <= 20), "{steps:?}");
    }

    #[test]
    fn what_comes_frame_by_frame_never_waits() {
        let (mut pacer, start) = (Pacer::default(), Instant::now());
        for n in 0..300 {
            let packet = packet(n, start + Duration::from_millis(33) * (n as u32 / 10));
            assert!(pacer.takes(packet.arrived, 1, &packet));
            pacer.sent(packet.arrived, 1, &packet);
        }
    }

    #[test]
    fn at_a_lines_pace_a_second_takes_a_second() {
        let (mut pacer, start) = (Pacer::default(), Instant::now());
        pacer.set_rate(Some(400_000));
        let mut bytes = 0;
        for ms in 0..1000 {
            let now = start + Duration::from_millis(ms);
            while pacer.is_free(now) {
                let packet = packet(0, start);
                pacer.sent(now, 1, &packet);
                bytes += packet.payload.len() + limits::PACKET_OVERHEAD;
            }
        }
        assert!((48_000..=52_500).contains(&bytes), "{bytes} bytes of 50,000");
    }

    #[test]
    fn a_late_packet_does_not_wait_since_what_follows_it_has_gone() {
        let (mut pacer, start) = (Pacer::default(), Instant::now());
        for n in 0..60 {
            let packet = packet(n, start);
            if n != 5 && pacer.takes(start, 1, &packet) {
                pacer.sent(start, 1, &packet);
            }
        }
        assert!(pacer.next.is_some());
        assert!(pacer.takes(start, 1, &packet(5, start)));
        pacer.next = None;
        assert!(pacer.takes(start, 1, &packet(5, start)), "though the heap is too large");
        assert!(!pacer.takes(start, 2, &packet(5, start)), "of another layer it is the first");
    }
}
