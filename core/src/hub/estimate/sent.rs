//! Remembers what was sent under the latest transport-wide sequence numbers, and what was told of
//! it already. It does not know what lines are, nor why packets are lost.

use crate::limits::SENT_PACKETS;

/// One packet. Eight bytes, so that eight of them share a cache line.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// The low bits of when it left, in microseconds. They suffice for 71 minutes.
    at: u32,
    /// How long it is, with its IP and UDP headers, in bytes.
    bytes: u16,
    state: State,
    /// The probe that it belongs to, or 0.
    probe: u8,
}

/// What was told of a packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Missing,
    Arrived,
}

/// A packet that arrived, as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet {
    /// When it left, in microseconds of the estimator's life.
    pub(super) at: i64,
    pub(super) bytes: u16,
    pub(super) probe: u8,
    /// Whether it was told to be missing before.
    pub(super) was_missing: bool,
}

/// The latest packets, by their numbers.
#[derive(Debug)]
pub(super) struct Sent {
    ring: Box<[Slot]>,
    /// The number of the next packet.
    next: u16,
    /// How many packets are remembered.
    held: u16,
}

impl Sent {
    /// Reads what the next packet will need.
    pub(super) fn warm(&self) -> usize {
        let place = usize::from(self.next) % SENT_PACKETS;
        self.ring.get(place).map_or(0, |slot| usize::from(slot.bytes))
    }

    pub(super) fn new() -> Self {
        let ring = vec![Slot::default(); SENT_PACKETS].into_boxed_slice();
        Sent { ring, next: 0, held: 0 }
    }

    /// Remembers a packet that leaves at `now` (in microseconds), and numbers it.
    pub(super) fn push(&mut self, now: i64, bytes: u16, probe: u8) -> u16 {
        let sequence = self.next;
        self.ring[index(sequence)] = Slot { at: now as u32, bytes, state: State::Open, probe };
        self.next = sequence.wrapping_add(1);
        self.held = (self.held + 1).min(SENT_PACKETS as u16);
        sequence
    }

    /// How many packets were sent after this one, if it is remembered.
    fn age(&self, sequence: u16) -> Option<u16> {
        let age = self.next.wrapping_sub(sequence).wrapping_sub(1);
        (age < self.held).then_some(age)
    }

    /// Notes that a packet arrived; `None` if it is not remembered or that was told before.
    pub(super) fn arrived(&mut self, now: i64, sequence: u16) -> Option<Packet> {
        self.age(sequence)?;
        let slot = &mut self.ring[index(sequence)];
        let was_missing = match slot.state {
            State::Open => false,
            State::Missing => true,
            State::Arrived => return None,
        };
        slot.state = State::Arrived;
        Some(Packet { at: whole(now, slot.at), bytes: slot.bytes, probe: slot.probe, was_missing })
    }

    /// Notes that a packet is missing, and returns its probe; `None` if it is not remembered or
    /// anything was told of it before.
    pub(super) fn missing(&mut self, sequence: u16) -> Option<u8> {
        self.age(sequence)?;
        let slot = &mut self.ring[index(sequence)];
        if slot.state != State::Open {
            return None;
        }
        slot.state = State::Missing;
        Some(slot.probe)
    }

    /// How many bits per second left in the latest `window` microseconds.
    pub(super) fn rate(&self, now: i64, window: i64) -> f64 {
        let latest = (1..=self.held).map(|age| self.ring[index(self.next.wrapping_sub(age))]);
        let of_window = latest.take_while(|slot| whole(now, slot.at) > now - window);
        let bytes: u64 = of_window.map(|slot| u64::from(slot.bytes)).sum();
        bytes as f64 * 8e6 / window as f64
    }

    /// How many bytes left after the packet `sequence` and until `until` (in microseconds).
    pub(super) fn behind(&self, now: i64, sequence: u16, until: i64) -> u32 {
        let Some(age) = self.age(sequence) else { return 0 };
        let later = (1..=age).map(|step| self.ring[index(sequence.wrapping_add(step))]);
        later
            .take_while(|slot| whole(now, slot.at) <= until)
            .map(|slot| u32::from(slot.bytes))
            .sum()
    }
}

/// Where a packet is kept.
fn index(sequence: u16) -> usize {
    usize::from(sequence) % SENT_PACKETS
}

/// The latest time until `now` that has these low bits.
fn whole(now: i64, low: u32) -> i64 {
    now - i64::from((now as u32).wrapping_sub(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_of_once() {
        let mut sent = Sent::new();
        assert_eq!(sent.arrived(0, 0), None);
        assert_eq!(sent.push(5, 100, 3), 0);
        assert_eq!(sent.missing(0), Some(3));
        assert_eq!(sent.missing(0), None);
        let packet = Packet { at: 5, bytes: 100, probe: 3, was_missing: true };
        assert_eq!(sent.arrived(9, 0), Some(packet));
        assert_eq!(sent.arrived(9, 0), None);
        assert_eq!(sent.missing(0), None);
        assert_eq!(sent.arrived(9, 1), None);
        assert_eq!(sent.arrived(9, u16::MAX), None);
    }

    #[test]
    fn numbers_and_times_wrap() {
        let mut sent = Sent::new();
        let start = i64::from(u32::MAX) - 1000;
        for step in 0..70_000 {
            assert_eq!(sent.push(start + step, 1, 0), step as u16);
        }
        let now = start + 70_000;
        let newest = 69_999_u32 as u16;
        let oldest = newest.wrapping_sub(SENT_PACKETS as u16 - 1);
        assert_eq!(sent.arrived(now, newest).map(|packet| packet.at), Some(now - 1));
        let at = now - SENT_PACKETS as i64;
        assert_eq!(sent.arrived(now, oldest).map(|packet| packet.at), Some(at));
        assert_eq!(sent.arrived(now, oldest.wrapping_sub(1)), None);
        assert_eq!(sent.behind(now, oldest, at + 10), 10);
        assert_eq!(sent.behind(now, newest, now), 0);
        assert_eq!(size_of::<Slot>(), 8);
    }
}
