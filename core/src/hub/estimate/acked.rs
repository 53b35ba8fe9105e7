//! Measures how fast acknowledged packets arrived (draft-ietf-rmcat-gcc-02 section 5.5: `R_hat`).
//! It does not know what was sent, nor why it arrived at that pace.

use crate::limits::{ARRIVAL_RUN_MICROS, ARRIVAL_RUNS};

/// A pause of so many microseconds begins the measurement anew.
const PAUSE: i64 = 2_000_000;

/// Packets that arrived within one run.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    /// When the last of them arrived: low bits of microseconds.
    last: u32,
    bytes: u32,
}

/// The latest arrivals.
#[derive(Debug)]
pub(super) struct Acked {
    runs: [Run; ARRIVAL_RUNS],
    /// Where the newest run is, and how many there are.
    newest: u8,
    held: u8,
    /// When the newest run began, and when its last packet arrived, in microseconds.
    began: i64,
    last: i64,
}

impl Acked {
    pub(super) fn new() -> Self {
        Acked { runs: [Run::default(); ARRIVAL_RUNS], newest: 0, held: 0, began: 0, last: 0 }
    }

    /// When the newest packet arrived, in microseconds.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// So many bytes arrived at this time, in microseconds.
    pub(super) fn arrival(&mut self, at: i64, bytes: u16) {
        if self.held == 0 || at - self.last > PAUSE {
            self.held = 0;
            self.begin(at);
        } else if at - self.began >= ARRIVAL_RUN_MICROS {
            self.begin(at);
        }
        self.last = self.last.max(at);
        let run = &mut self.runs[usize::from(self.newest)];
        run.last = self.last as u32;
        run.bytes = run.bytes.saturating_add(bytes.into());
    }

    fn begin(&mut self, at: i64) {
        self.newest = ((usize::from(self.newest) + 1) % ARRIVAL_RUNS) as u8;
        self.runs[usize::from(self.newest)] = Run::default();
        self.held = (self.held + 1).min(ARRIVAL_RUNS as u8);
        (self.began, self.last) = (at, at);
    }

    /// Bits per second since `from` (in microseconds), and of so many bytes at least, between the
    /// ends of two runs; `None` if arrivals do not reach back so far.
    pub(super) fn rate(&self, from: i64, least: u64) -> Option<f64> {
        let mut bytes = 0_u64;
        for step in 0..usize::from(self.held) {
            let run = self.runs[(usize::from(self.newest) + ARRIVAL_RUNS - step) % ARRIVAL_RUNS];
            let span = i64::from((self.last as u32).wrapping_sub(run.last));
            if step > 0 && bytes >= least && self.last - span <= from {
                return Some(bytes as f64 * 8e6 / span.max(1) as f64);
            }
            bytes += u64::from(run.bytes);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_arrivals_have_their_rate() {
        let mut acked = Acked::new();
        for step in 0..1000 {
            acked.arrival(step * 2_000, 1000);
        }
        let rate = acked.rate(acked.last() - 500_000, 0).expect("a second of arrivals");
        assert!((rate - 4_000_000.0).abs() < 100_000.0, "{rate}");
        assert_eq!(acked.rate(acked.last() - 1_500_000, 0), None);
        acked.arrival(10_000_000, 1000);
        assert_eq!(acked.rate(9_000_000, 0), None);
    }
}
