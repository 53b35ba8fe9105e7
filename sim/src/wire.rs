//! One direction of a line as a machine: when a packet that enters it comes out, if it does. The
//! same seed gives the same fates.

use std::time::Duration;

use farcast_core::seed::Seed;

use crate::atlas::Way;

/// Between two values that jitter takes; it moves from one to the next evenly.
const WAVER: Duration = Duration::from_millis(40);
/// How far apart in time packets may be told of: more than any road is long.
const FORGOTTEN: Duration = Duration::from_secs(2);
/// Bytes that a datagram carries beside its payload: IPv4 and UDP (RFC 791, RFC 768).
const HEADERS: usize = 28;

/// A wire.
///
/// Packets may be told of in another order than they enter, as those are that come from near and
/// from far: each is treated by when it enters.
#[derive(Debug)]
pub struct Wire {
    way: Way,
    seed: Seed,
    lane: Lane,
    /// When the packet that entered last did so, and when it comes out: none that enters later
    /// overtakes it.
    last: (Duration, Duration),
    /// Whether the wire is losing a burst.
    losing: bool,
    /// What makes the jitter one's own.
    waver: u64,
}

impl Wire {
    /// A wire with its own stream of randomness.
    pub fn new(way: Way, mut seed: Seed) -> Self {
        let waver = seed.bits();
        let last = (Duration::ZERO, Duration::ZERO);
        Wire { way, seed, lane: Lane::default(), last, losing: false, waver }
    }

    /// What it is like.
    pub fn way(&self) -> &Way {
        &self.way
    }

    /// Makes it another wire from now on; what is under way stays under way.
    pub fn change(&mut self, way: Way) {
        self.way = way;
    }

    /// When a datagram of so many bytes comes out that enters at `now`; `None` if it is lost.
    /// Times are since the world's start.
    pub fn carry(&mut self, now: Duration, bytes: usize) -> Option<Duration> {
        if self.loses() {
            return None;
        }
        let on_the_wire = match self.way.rate {
            None => now,
            Some(rate) => {
                let bits = (bytes + HEADERS) as f64 * 8.0;
                self.lane.take(now, Duration::from_secs_f64(bits / rate), self.way.queue)?
            }
        };
        let arrival = on_the_wire + self.way.delay + self.jitter(on_the_wire);
        let (entered, arrived) = self.last;
        if now < entered {
            return Some(arrival);
        }
        self.last = (now, arrival.max(arrived));
        Some(self.last.1)
    }

    /// A chain of two states (Gilbert 1960): all is well, or everything is lost. In a burst of `b`
    /// packets on average, one in `b` ends it; it begins so often that the share is right.
    fn loses(&mut self) -> bool {
        let Way { loss, burst, .. } = self.way;
        if loss <= 0.0 {
            return false;
        }
        let chance = match self.losing {
            _ if burst <= 1.0 || loss >= 1.0 => loss,
            true => 1.0 - 1.0 / burst,
            false => loss / (burst * (1.0 - loss)),
        };
        self.losing = f64::from(self.seed.below(1 << 31)) / f64::from(1_u32 << 31) < chance;
        self.losing
    }

    /// Queues fill and drain, so packets that are close together are late together.
    fn jitter(&self, now: Duration) -> Duration {
        if self.way.jitter.is_zero() {
            return Duration::ZERO;
        }
        let stretch = (now.as_micros() / WAVER.as_micros()) as u64;
        let along = (now.as_micros() % WAVER.as_micros()) as f64 / WAVER.as_micros() as f64;
        let [start, end] = [stretch, stretch + 1].map(|knot| fraction(self.waver ^ knot));
        self.way.jitter.mul_f64(start + (end - start) * along)
    }
}

/// From 0 to just below 1, and as good as random (Steele, Lea and Flood 2014: SplitMix).
fn fraction(seed: u64) -> f64 {
    let mut bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// When a wire is busy putting packets on itself.
#[derive(Debug, Default)]
struct Lane {
    /// From when until when, in order; those that touch are one.
    busy: Vec<(Duration, Duration)>,
}

impl Lane {
    /// When a packet has been put on the wire that enters at `now` and takes so long; `None` if the
    /// queue has no room for it. Queues are so many bytes long: where they are full, small packets
    /// get in, and large ones do not.
    fn take(&mut self, now: Duration, takes: Duration, queue: Duration) -> Option<Duration> {
        self.busy.retain(|(_, end)| *end + FORGOTTEN > now);
        let mut turn = now;
        let mut place = 0;
        for (index, (start, end)) in self.busy.iter().enumerate() {
            if *start >= turn + takes {
                break;
            }
            turn = turn.max(*end);
            place = index + 1;
        }
        let end = turn + takes;
        if turn > now && end - now > queue {
            return None;
        }
        match self.busy.get_mut(place.wrapping_sub(1)).filter(|before| before.1 == turn) {
            Some(before) => before.1 = end,
            None => self.busy.insert(place, (turn, end)),
        }
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(45);
    const GAP: Duration = Duration::from_millis(1);

    fn wire(way: Way, seed: u8) -> Wire {
        Wire::new(way, Seed::new([seed; 32]))
    }

    /// What became of many packets, one a millisecond: when each came out after it went in.
    fn fates(way: Way, seed: u8) -> Vec<Option<Duration>> {
        let mut wire = wire(way, seed);
        let carry = |n| {
            let now = GAP * n;
            wire.carry(now, 1_200).map(|at| at - now)
        };
        (0..20_000).map(carry).collect()
    }

    #[test]
    fn a_plain_wire_takes_its_delay() {
        assert!(fates(Way::plain(DELAY), 1).iter().all(|fate| *fate == Some(DELAY)));
    }

    #[test]
    fn jitter_stays_in_its_bounds_keeps_the_order_and_depends_on_the_seed_alone() {
        let way = Way { jitter: Duration::from_millis(10), ..Way::plain(DELAY) };
        let took: Vec<Duration> = fates(way, 1).into_iter().flatten().collect();
        assert_eq!(took.len(), 20_000);
        assert!(took.iter().all(|took| *took >= DELAY && *took <= DELAY + way.jitter));
        assert!(took.iter().any(|took| *took > DELAY + way.jitter / 2));
        assert!(took.windows(2).all(|pair| pair[1] + GAP >= pair[0]), "none overtakes another");
        assert_eq!(fates(way, 1), fates(way, 1));
        assert_ne!(fates(way, 1), fates(way, 2));
    }

    #[test]
    fn loss_has_its_share_and_its_bursts() {
        for (loss, burst) in [(0.02, 1.0), (0.02, 5.0), (0.3, 1.0), (0.3, 10.0)] {
            let lost: Vec<bool> = fates(Way { loss, burst, ..Way::plain(DELAY) }, 3)
                .iter()
                .map(Option::is_none)
                .collect();
            let share = lost.iter().filter(|lost| **lost).count() as f64 / lost.len() as f64;
            assert!((share / loss - 1.0).abs() < 0.25, "{loss} {burst}: {share}");
            let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
            let mean = share * lost.len() as f64 / bursts;
            let expected = if burst > 1.0 { burst } else { 1.0 / (1.0 - loss) };
            assert!((mean / expected - 1.0).abs() < 0.25, "{loss} {burst}: {mean} in a row");
        }
        assert!(fates(Way { loss: 1.0, ..Way::plain(DELAY) }, 1).iter().all(Option::is_none));
        assert!(
            fates(Way { loss: 1.0, burst: 9.0, ..Way::plain(DELAY) }, 1)
                .iter()
                .all(Option::is_none)
        );
    }

    #[test]
    fn a_rate_makes_packets_wait_and_a_full_queue_loses_them() {
        // 1,228 bytes at 982,400 bits a second: 10 ms each.
        let way =
            Way { rate: Some(982_400.0), queue: Duration::from_millis(35), ..Way::plain(DELAY) };
        let mut wire = wire(way, 1);
        let took = |fate: Option<Duration>| fate.map(|at| at.as_millis());
        let fates: Vec<_> = (0..5).map(|_| took(wire.carry(Duration::ZERO, 1_200))).collect();
        assert_eq!(fates, [Some(55), Some(65), Some(75), None, None]);
        assert_eq!(took(wire.carry(Duration::ZERO, 586)), Some(80), "there is room for half of it");
        assert_eq!(took(wire.carry(Duration::ZERO, 586)), None);
        assert_eq!(took(wire.carry(Duration::from_millis(100), 1_200)), Some(155));
    }

    #[test]
    fn a_changed_wire_keeps_the_order() {
        let mut wire = wire(Way::plain(DELAY), 1);
        wire.carry(Duration::ZERO, 100);
        wire.change(Way::plain(Duration::from_millis(1)));
        assert_eq!(wire.carry(GAP, 100), Some(DELAY));
    }

    #[test]
    fn who_enters_earlier_does_not_wait_for_who_was_told_of_earlier() {
        let mut plain = wire(Way::plain(DELAY), 1);
        assert_eq!(plain.carry(GAP * 100, 1_200), Some(GAP * 100 + DELAY));
        assert_eq!(plain.carry(GAP, 1_200), Some(GAP + DELAY));
        // 10 ms a packet, as above.
        let queue = Duration::from_millis(35);
        let mut slow = wire(Way { rate: Some(982_400.0), queue, ..Way::plain(DELAY) }, 1);
        let mut took = |at: u32| slow.carry(GAP * at, 1_200).map(|out| out.as_millis());
        assert_eq!(took(100), Some(155));
        assert_eq!(took(0), Some(55));
        assert_eq!(took(95), Some(165), "there is no room before the one at 100");
        assert_eq!(took(20), Some(75));
    }
}
