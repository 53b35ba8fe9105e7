//! How long it takes from a NACK to the repair, although neither says which one it belongs to. It
//! does not know what is missing.

use std::time::{Duration, Instant};

use crate::limits;

/// Answers in a row that contradict the measured round trip until it is given up. Source: on a
/// line that loses one in ten packets each way it happens by chance once in 770 repairs.
const CONTRADICTIONS: u8 = 4;

/// Doublings of the time to the next try at most. Source: from 10 ms to 320 ms, half of
/// [`limits::REPAIR_AGE`], so that even then a packet is asked for twice.
const DOUBLINGS: u8 = 5;

/// The time from a NACK to the repair: smoothed, and its deviation (RFC 6298).
#[derive(Debug)]
pub(crate) struct RoundTrip {
    smoothed: Duration,
    deviation: Duration,
    is_measured: bool,
    /// Packets in a row that came only after they had been asked for again: if it took longer than
    /// the time to the next try, there would be no others, and nothing to measure (Karn).
    late: u8,
    /// Answers in a row that came suspiciously fast and were not repeated.
    early: u8,
    probe: Option<Probe>,
}

/// A packet that arrived after it had been asked for once. If it arrives again, what came first
/// was the original, only late, and the second one is the repair.
#[derive(Debug, Clone, Copy)]
struct Probe {
    sequence: u64,
    asked: Instant,
    took: Duration,
}

impl Default for RoundTrip {
    fn default() -> Self {
        let (smoothed, deviation) = (limits::ROUND_TRIP, limits::ROUND_TRIP / 2);
        Self { smoothed, deviation, is_measured: false, late: 0, early: 0, probe: None }
    }
}

impl RoundTrip {
    #[cfg(test)]
    pub(crate) fn smoothed(&self) -> Duration {
        self.smoothed
    }

    /// How long after a NACK to send the next one.
    pub(crate) fn retry_after(&self) -> Duration {
        let doublings = (self.late / CONTRADICTIONS).min(DOUBLINGS);
        self.usual_retry() * (1 << doublings)
    }

    /// A packet arrived that had been asked for once.
    pub(crate) fn answered(&mut self, now: Instant, sequence: u64, asked: Instant) {
        let took = now.saturating_duration_since(asked);
        self.judge_probe(now);
        self.probe.get_or_insert(Probe { sequence, asked, took });
        if !self.is_suspicious(took) {
            self.measured(took);
        }
    }

    /// A packet arrived that had been asked for more than once: nobody knows which one it answers.
    pub(crate) fn answered_late(&mut self) {
        self.late = self.late.saturating_add(1);
    }

    /// A packet arrived that was there already.
    pub(crate) fn repeated(&mut self, now: Instant, sequence: u64) {
        let Some(probe) = self.probe.take_if(|probe| probe.sequence == sequence) else { return };
        let took = now.saturating_duration_since(probe.asked);
        // Senders may repeat packets on their own, too.
        if !self.is_suspicious(took) {
            self.measured(took);
        }
    }

    /// A repair does not come that fast: more likely the original was only late.
    fn is_suspicious(&self, took: Duration) -> bool {
        took < self.smoothed / 2
    }

    /// The deviation counts as far as three tenths of the round trip: the picture waits.
    fn usual_retry(&self) -> Duration {
        let spread = (self.deviation * 4).min(self.smoothed * 3 / 10);
        (self.smoothed + spread + limits::NACK_RETRY_MARGIN).max(limits::NACK_LEAST_RETRY)
    }

    fn judge_probe(&mut self, now: Instant) {
        let is_over =
            |probe: &mut Probe| now.saturating_duration_since(probe.asked) >= limits::REPAIR_AGE;
        let Some(probe) = self.probe.take_if(is_over) else { return };
        if !self.is_suspicious(probe.took) {
            return;
        }
        self.early += 1;
        if self.early >= CONTRADICTIONS {
            self.restart(probe.took);
        }
    }

    fn measured(&mut self, took: Duration) {
        let is_longer = self.late >= CONTRADICTIONS && took > self.usual_retry();
        if is_longer || !self.is_measured {
            return self.restart(took);
        }
        (self.late, self.early) = (0, 0);
        self.deviation = (self.deviation * 3 + self.smoothed.abs_diff(took)) / 4;
        self.smoothed = (self.smoothed * 7 + took) / 8;
    }

    /// What was measured before says nothing any more.
    fn restart(&mut self, took: Duration) {
        let (smoothed, deviation, probe) = (took, took / 2, self.probe);
        *self = Self { smoothed, deviation, is_measured: true, late: 0, early: 0, probe };
    }
}
