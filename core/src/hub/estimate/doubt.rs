//! Doubts an overuse for a moment: a line that only faltered brings what it held back faster than
//! it was sent, which a full one cannot. It does not know how overuse is noticed, nor what the
//! estimate becomes.

/// For how long, in microseconds.
const DOUBTED: i64 = 500_000;
/// The queue is over when packets wait for less than this or than usual, in microseconds.
const OVER: i64 = 10_000;
/// So many bytes have to come out of it: two packets tell of jitter rather than of a line.
const LEAST: u64 = 3_000;
/// They have to arrive so many times faster than packets left before.
const FASTER: f64 = 1.1;
/// Packets that arrived at once took so many microseconds at least.
const SPAN_LEAST: i64 = 1_000;

/// What comes out of one queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    since: i64,
    /// How fast packets left before, in bits per second.
    rate: f64,
    /// How long a packet waits that meets no queue, in microseconds.
    calm: i64,
    /// How long the packet waited that waited longest, and when it arrived, in microseconds.
    longest: (i64, i64),
    /// What has arrived after it.
    bytes: u64,
    is_refuted: bool,
}

impl Doubt {
    /// There seems to be overuse now, after so many bits per second had left, while packets usually
    /// waited for so long. The newest one waited `queued` and arrived `at`; in microseconds.
    pub(super) fn new(now: i64, rate: f64, usual: i64, (queued, at): (i64, i64)) -> Self {
        let (calm, longest) = (usual.max(OVER), (queued, at));
        Doubt { since: now, rate, calm, longest, bytes: 0, is_refuted: false }
    }

    /// A packet arrived after it had waited for so long; times in microseconds. The queue in doubt
    /// is that of packets from before.
    pub(super) fn arrival(&mut self, (sent, at): (i64, i64), queued: i64, bytes: u16) {
        let (longest, peak) = self.longest;
        if queued >= longest && sent <= self.since {
            (self.longest, self.bytes) = ((queued, at), 0);
            return;
        }
        self.bytes += u64::from(bytes);
        if queued < self.calm && self.bytes >= LEAST {
            let rate = self.bytes as f64 * 8e6 / (at - peak).max(SPAN_LEAST) as f64;
            self.is_refuted |= rate >= FASTER * self.rate;
        }
    }

    /// Whether the line was not full at all; `None`: that is not known yet.
    pub(super) fn verdict(&self, now: i64) -> Option<bool> {
        let is_over = self.is_refuted || now - self.since > DOUBTED;
        is_over.then_some(self.is_refuted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: f64 = 1_200_000.0;
    const PACKET: u16 = 1_250;

    /// Packets of 1,250 bytes left every `apart` ms while nothing came for 100 ms; then one comes
    /// every `comes` ms.
    fn drained(apart: i64, comes: i64) -> Option<bool> {
        let mut doubt = Doubt::new(0, USUAL, 0, (0, 0));
        for packet in 0..100 {
            let (sent, at) = (packet * apart, 100 + packet * comes);
            doubt.arrival((0, at * 1_000), (at - sent).max(0) * 1_000, PACKET);
        }
        doubt.verdict(400_000)
    }

    #[test]
    fn a_line_that_faltered_is_cleared() {
        assert_eq!(drained(8, 0), Some(true));
        assert_eq!(drained(8, 1), Some(true));
        assert_eq!(drained(8, 6), Some(true));
    }

    #[test]
    fn a_full_line_is_not() {
        assert_eq!(drained(50, 9), None, "it drains since little is sent");
        assert_eq!(drained(8, 12), None, "its queue grows");
    }

    #[test]
    fn doubts_end() {
        let doubt = Doubt::new(0, USUAL, 0, (0, 0));
        assert_eq!(doubt.verdict(DOUBTED), None);
        assert_eq!(doubt.verdict(DOUBTED + 1), Some(false));
    }
}
