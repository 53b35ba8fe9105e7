//! How long a frame may wait at a viewer until it is shown: not at all on a quiet line; long enough
//! for sound and picture to stay together on a line that wavers or loses packets. It knows reports,
//! not packets.

use std::time::{Duration, Instant};

use crate::limits;

/// What a viewer is told in the header extension playout-delay: from 0 to this.
#[derive(Debug, Default)]
pub(super) struct Playout {
    most: Duration,
    /// Until then it does not become less.
    until: Option<Instant>,
}

impl Playout {
    /// The viewer reports how much its packets waver, and how long a repair takes if any are lost.
    pub(super) fn reported(&mut self, now: Instant, jitter: Duration, repair: Option<Duration>) {
        let is_quiet = jitter < limits::QUIET_JITTER && repair.is_none();
        // Browsers buffer sound by a few times its jitter, and the picture has to wait for it.
        let wanted = match is_quiet {
            true => Duration::ZERO,
            false => limits::PLAYOUT_MARGIN + jitter * 4 + repair.unwrap_or_default(),
        };
        let is_over = self.until.is_none_or(|until| until <= now);
        if wanted > self.most || is_over {
            (self.most, self.until) = (wanted.min(limits::PLAYOUT), Some(now + limits::LOSSY));
        }
    }

    /// The extension's value: 12 bits for the least and 12 for the most, in hundredths of a second
    /// (<http://www.webrtc.org/experiments/rtp-hdrext/playout-delay>).
    pub(super) fn value(&self) -> [u8; 3] {
        let [high, low] = ((self.most.as_millis() / 10) as u16).to_be_bytes();
        [0, high & 0x0f, low]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_wait_where_packets_waver_and_not_where_they_do_not() {
        let (mut playout, start) = (Playout::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let ms = Duration::from_millis;
        assert_eq!(playout.value(), [0; 3]);
        playout.reported(at(0), ms(2), None);
        assert_eq!(playout.value(), [0; 3]);
        playout.reported(at(1), ms(30), None);
        assert_eq!(playout.value(), [0, 0, 16]);
        playout.reported(at(2), ms(30), Some(ms(100)));
        assert_eq!(playout.value(), [0, 0, 26]);
        playout.reported(at(3), ms(1), None);
        assert_eq!(playout.value(), [0, 0, 26], "one quiet report is not enough");
        playout.reported(at(2) + limits::LOSSY, ms(1), None);
        assert_eq!(playout.value(), [0; 3]);
        playout.reported(at(20), ms(10_000), None);
        assert_eq!(playout.value(), [0, 0, 100]);
    }
}
