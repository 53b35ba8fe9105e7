//! Bounds the estimate by the share of packets that are lost (draft-ietf-rmcat-gcc-02 section 6).
//! It does not know delays.

/// Up to this share the bound grows (section 6).
const FEW: f64 = 0.02;
/// Above this share it falls (section 6).
const MANY: f64 = 0.10;
/// By what it grows each time (section 6).
const GROWTH: f64 = 1.05;
/// How much of the share is taken off (section 6).
const FALL: f64 = 0.5;
/// A share is taken of so many packets at least: of 50 packets, with 2 % lost at random, more than
/// 10 % are lost once in 2,000 times only.
const PACKETS: u32 = 50;
/// And over so long at least, and a round trip, in microseconds (libwebrtc `kBweDecreaseInterval`).
const INTERVAL: i64 = 300_000;
/// A bound that is so many times the estimate binds it no more.
const LOOSE: f64 = 2.0;

/// The controller.
#[derive(Debug)]
pub(super) struct Loss {
    /// In bits per second, if there is one.
    bound: Option<f64>,
    arrived: u32,
    missing: u32,
    /// When the count began, in microseconds.
    began: i64,
    many: bool,
}

impl Loss {
    pub(super) fn new() -> Self {
        Loss { bound: None, arrived: 0, missing: 0, began: 0, many: false }
    }

    pub(super) fn bound(&self) -> Option<f64> {
        self.bound
    }

    /// Whether many packets were lost when it was last counted.
    pub(super) fn is_many(&self) -> bool {
        self.many
    }

    /// A packet arrived; one that was told to be missing before was only late.
    pub(super) fn arrived(&mut self, was_missing: bool) {
        self.arrived = self.arrived.saturating_add(1);
        if was_missing {
            self.missing = self.missing.saturating_sub(1);
        }
    }

    pub(super) fn missing(&mut self) {
        self.missing = self.missing.saturating_add(1);
    }

    /// Follows one report; `estimate` is what the delays allow, in bits per second. Returns whether
    /// the bound fell.
    pub(super) fn update(&mut self, now: i64, estimate: f64, trip: i64) -> bool {
        let count = self.arrived.saturating_add(self.missing);
        if count < PACKETS || now - self.began < INTERVAL + trip {
            return false;
        }
        let share = f64::from(self.missing) / f64::from(count);
        (self.arrived, self.missing, self.began) = (0, 0, now);
        self.many = share > MANY;
        if self.many {
            let bound = self.bound.unwrap_or(estimate).min(estimate);
            self.bound = Some(bound * (1.0 - FALL * share));
        } else if share < FEW {
            let grown = self.bound.map(|bound| bound * GROWTH);
            self.bound = grown.filter(|bound| *bound < LOOSE * estimate);
        }
        self.many
    }

    /// The line was shown to take this rate without many losses.
    pub(super) fn raise(&mut self, bitrate: f64) {
        self.bound = self.bound.map(|bound| bound.max(bitrate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts so many packets out of a hundred as lost.
    fn lose(loss: &mut Loss, now: i64, missing: u32) -> bool {
        (0..missing).for_each(|_| loss.missing());
        (missing..100).for_each(|_| loss.arrived(false));
        loss.update(now, 1_000_000.0, 100_000)
    }

    #[test]
    fn the_bound_follows_the_share() {
        let mut loss = Loss::new();
        assert!(!lose(&mut loss, 1_000_000, 5));
        assert_eq!(loss.bound(), None);
        assert!(lose(&mut loss, 2_000_000, 40));
        assert_eq!(loss.bound(), Some(800_000.0));
        assert!(!lose(&mut loss, 2_100_000, 0));
        assert!(!lose(&mut loss, 3_000_000, 5));
        assert_eq!(loss.bound(), Some(800_000.0));
        assert!(!lose(&mut loss, 4_000_000, 0));
        assert_eq!(loss.bound(), Some(840_000.0));
        (5..40).for_each(|second| _ = lose(&mut loss, second * 1_000_000, 0));
        assert_eq!(loss.bound(), None);
    }

    #[test]
    fn late_packets_are_not_lost() {
        let mut loss = Loss::new();
        (0..60).for_each(|_| loss.missing());
        (0..60).for_each(|_| loss.arrived(true));
        assert!(!loss.update(1_000_000, 1_000_000.0, 100_000));
        assert_eq!(loss.bound(), None);
    }
}
