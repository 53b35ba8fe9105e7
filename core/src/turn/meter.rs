//! How much may pass in one direction of an allocation. It knows no packet.

use std::time::{Duration, Instant};

/// A bucket of bits that fills up steadily and holds as many as come in a second.
#[derive(Debug)]
pub(super) struct Meter {
    /// Bits a second; no limit if `None`.
    rate: Option<i64>,
    /// Less than none, if what could not be dropped was more than there were.
    bits: i64,
    filled: Instant,
}

impl Meter {
    pub(super) fn new(rate: Option<u64>, now: Instant) -> Self {
        // Nobody recovers at a rate of zero.
        let rate = rate.map(|rate| i64::try_from(rate).unwrap_or(i64::MAX).max(1));
        Meter { rate, bits: rate.unwrap_or(0), filled: now }
    }

    /// Whether so many bytes may pass now; then they count.
    pub(super) fn passes(&mut self, bytes: usize, now: Instant) -> bool {
        let Some(rate) = self.rate else { return true };
        self.fill(rate, now);
        let bits = bytes as i64 * 8;
        let passes = bits <= self.bits;
        if passes {
            self.bits -= bits;
        }
        passes
    }

    /// Counts bytes that pass in any case; when more may follow, if not now.
    pub(super) fn count(&mut self, bytes: usize, now: Instant) -> Option<Instant> {
        let rate = self.rate?;
        self.fill(rate, now);
        self.bits -= bytes as i64 * 8;
        let missing = self.bits.min(0).unsigned_abs();
        let nanos = (u128::from(missing) * NANOS).div_ceil(rate.unsigned_abs().into());
        (missing > 0).then(|| now + Duration::from_nanos(nanos as u64))
    }

    fn fill(&mut self, rate: i64, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        let more = u128::from(rate.unsigned_abs()) * passed.as_nanos() / NANOS;
        // Moments too short for a bit are left for the next time.
        if more > 0 {
            let more = i64::try_from(more).unwrap_or(i64::MAX);
            self.bits = self.bits.saturating_add(more).min(rate);
            self.filled = now;
        }
    }
}

/// Nanoseconds of a second.
const NANOS: u128 = 1_000_000_000;

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
    #[test]
    fn what_passes_in_any_case_is_paid_for_before_more_passes() {
        let start = Instant::now();
        let mut meter = Meter::new(Some(8_000), start);
        assert_eq!(meter.count(1_000, start), None, "a second's worth");
        let paid = start + Duration::from_secs(120);
        assert_eq!(meter.count(120_000, start), Some(paid));
        let before = paid - Duration::from_millis(1);
        assert!(!meter.passes(0, before));
        assert_eq!(meter.count(0, before), Some(paid));
        assert_eq!(meter.count(0, paid), None);
        assert_eq!(Meter::new(None, start).count(usize::MAX, start), None);
    }
}
