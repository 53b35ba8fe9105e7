//! How much may pass in one direction of an allocation. It knows no packet.

use std::time::{Duration, Instant};

/// A bucket of bits that fills up steadily and holds as many as come in a second.
#[derive(Debug)]
pub(super) struct Meter {
    /// Bits a second; no limit if `None`.
    rate: Option<u64>,
    bits: u64,
    filled: Instant,
}

impl Meter {
    pub(super) fn new(rate: Option<u64>, now: Instant) -> Self {
        Meter { rate, bits: rate.unwrap_or(0), filled: now }
    }

    /// Whether so many bytes may pass now; then they count.
    pub(super) fn passes(&mut self, bytes: usize, now: Instant) -> bool {
        let Some(rate) = self.rate else { return true };
        self.fill(rate, now);
        let bits = bytes as u64 * 8;
        let passes = bits <= self.bits;
        if passes {
            self.bits -= bits;
        }
        passes
    }

    fn fill(&mut self, rate: u64, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).min(Duration::from_secs(1));
        let more = (u128::from(rate) * passed.as_nanos() / 1_000_000_000) as u64;
        // Moments too short for a bit are left for the next time.
        if more > 0 {
            self.bits = rate.min(self.bits + more);
            self.filled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_ten_seconds_no_more_passes_than_the_rate_and_one_burst() {
        let start = Instant::now();
        let mut meter = Meter::new(Some(1_000_000), start);
        let at = |ms| start + Duration::from_millis(ms);
        let passed = (0..10_000).filter(|ms| meter.passes(1_000, at(*ms))).count() as u64;
        assert!((1_370..=1_375).contains(&passed), "{passed} of 11 Mbit in packets of 8 kbit");
        assert!(Meter::new(None, start).passes(usize::MAX, start));
    }
}
