//! One direction of a line as a machine: when a packet that enters it comes out, if it does. The
//! same seed gives the same fates.

use std::time::Duration;

use farcast_core::seed::Seed;

use crate::atlas::Way;

/// Between two values that jitter takes; it moves from one to the next evenly.
const WAVER: Duration = Duration::from_millis(40);
/// Bytes that a datagram carries beside its payload: IPv4 and UDP (RFC 791, RFC 768).
const HEADERS: usize = 28;

/// A wire.
#[derive(Debug)]
pub struct Wire {
    way: Way,
    seed: Seed,
    /// When the last packet that entered has been put on the wire, if there is a rate.
    free: Duration,
    /// When the last packet comes out: none overtakes another.
    last: Duration,
    /// Whether the wire is losing a burst.
    losing: bool,
    /// The number of the current stretch of jitter, and its values at both ends, from 0 to 1.
    waver: (u128, [f64; 2]),
}

impl Wire {
    /// A wire with its own stream of randomness.
    pub fn new(way: Way, seed: Seed) -> Self {
        Wire {
            way,
            seed,
            free: Duration::ZERO,
            last: Duration::ZERO,
            losing: false,
            waver: (0, [0.0; 2]),
        }
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
                let turn = self.free.max(now);
                if turn - now > self.way.queue {
                    return None;
                }
                let bits = (bytes + HEADERS) as f64 * 8.0;
                self.free = turn + Duration::from_secs_f64(bits / rate);
                self.free
            }
        };
        let arrival = on_the_wire + self.way.delay + self.jitter(on_the_wire);
        self.last = self.last.max(arrival);
        Some(self.last)
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
        self.losing = self.fraction() < chance;
        self.losing
    }

    /// Queues fill and drain, so packets that are close together are late together.
    fn jitter(&mut self, now: Duration) -> Duration {
        if self.way.jitter.is_zero() {
            return Duration::ZERO;
        }
        let stretch = now.as_micros() / WAVER.as_micros() + 1;
        if stretch != self.waver.0 {
            let follows = stretch == self.waver.0 + 1;
            let start = if follows { self.waver.1[1] } else { self.fraction() };
            self.waver = (stretch, [start, self.fraction()]);
        }
        let [start, end] = self.waver.1;
        let along = (now.as_micros() % WAVER.as_micros()) as f64 / WAVER.as_micros() as f64;
        self.way.jitter.mul_f64(start + (end - start) * along)
    }

    /// From 0 to just below 1.
    fn fraction(&mut self) -> f64 {
        f64::from(self.seed.below(1 << 31)) / f64::from(1_u32 << 31)
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
        let fates: Vec<_> = (0..6).map(|_| took(wire.carry(Duration::ZERO, 1_200))).collect();
        assert_eq!(fates, [Some(55), Some(65), Some(75), Some(85), None, None]);
        assert_eq!(took(wire.carry(Duration::from_millis(100), 1_200)), Some(155));
    }

    #[test]
    fn a_changed_wire_keeps_the_order() {
        let mut wire = wire(Way::plain(DELAY), 1);
        wire.carry(Duration::ZERO, 100);
        wire.change(Way::plain(Duration::from_millis(1)));
        assert_eq!(wire.carry(GAP, 100), Some(DELAY));
    }
}
