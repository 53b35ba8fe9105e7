//! Knows how long the queue on the line is: by how much the newest packet was later than the
//! fastest of late. It does not know rates, nor what the queue does next.

/// For how long the fastest packet counts, in microseconds: once to twice this. Clocks drift by
/// 100 ppm at most, so by 1 ms in that time; and a route that became longer is learnt after it.
const FASTEST: i64 = 5_000_000;
/// A packet that is later than the fastest by no more than this met no queue, in microseconds. It
/// is what a packet of 1,200 bytes takes at 1 Mbit/s, and common jitter.
const NO_QUEUE: i64 = 10_000;
/// How many packets the usual delay is the mean of, about: those of seconds, so that a line that
/// becomes slow does not move it much before that is noticed.
const USUAL: i64 = 512;

/// The delays of packets, in microseconds. The clocks' difference is part of each, so that only
/// their differences mean something.
#[derive(Debug)]
pub(super) struct Delay {
    /// The least one in this time and in the one before it.
    least: Option<(i64, i64)>,
    /// When this time began.
    since: i64,
    queued: i64,
    usual: i64,
    /// How many packets it is the mean of, up to [`USUAL`].
    packets: i64,
    busy: i64,
}

impl Delay {
    pub(super) fn new() -> Self {
        Delay { least: None, since: 0, queued: 0, usual: 0, packets: 0, busy: 0 }
    }

    /// A packet arrived; times in microseconds of both clocks.
    pub(super) fn arrival(&mut self, sent: i64, at: i64) {
        let delay = at - sent;
        let (mut now, mut before) = self.least.unwrap_or((delay, delay));
        if self.least.is_none() || at - self.since > FASTEST {
            (now, before) = (delay, now);
            self.since = at;
        }
        now = now.min(delay);
        self.least = Some((now, before));
        self.queued = delay - now.min(before);
        self.packets = (self.packets + 1).min(USUAL);
        self.usual += (self.queued - self.usual) / self.packets;
        if self.queued <= NO_QUEUE {
            self.busy = at;
        }
    }

    /// How long the newest packet waited.
    pub(super) fn queued(&self) -> i64 {
        self.queued
    }

    /// How long packets waited of late, on average.
    pub(super) fn usual(&self) -> i64 {
        self.usual
    }

    /// When the last packet arrived that met no queue. The line has been busy since, so what
    /// arrived since tells its whole rate.
    pub(super) fn busy(&self) -> i64 {
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_measured_and_routes_learnt() {
        let mut delay = Delay::new();
        delay.arrival(0, -5_000_000);
        delay.arrival(10_000, -4_990_000);
        assert_eq!((delay.queued(), delay.busy()), (0, -4_990_000));
        delay.arrival(20_000, -4_880_000);
        assert_eq!((delay.queued(), delay.busy()), (100_000, -4_990_000));
        for step in 0..30 {
            delay.arrival(step * 1_000_000, step * 1_000_000 - 4_900_000);
        }
        assert_eq!(delay.queued(), 0);
    }
}
