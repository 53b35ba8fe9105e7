//! How long a frame may wait at a viewer until it is shown: not at all on a quiet line; long enough
//! for sound and picture to stay together on a line that wavers or loses packets; or as long as it
//! is told. It knows reports, not packets.

use std::time::{Duration, Instant};

use crate::config::PlayoutDelay;
use crate::limits;

/// What a viewer is told in the header extension playout-delay.
#[derive(Debug, Default)]
pub(super) struct Playout {
    /// What the operator wants it to be, whatever is reported.
    fixed: Option<PlayoutDelay>,
    /// Else it is from 0 to this.
    most: Duration,
    /// Until then it does not become less.
    until: Option<Instant>,
}

impl Playout {
    pub(super) fn new(fixed: Option<PlayoutDelay>) -> Self {
        Playout { fixed, ..Playout::default() }
    }

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

    /// The extension's value: 12 bits for the least and 12 for the most.
    pub(super) fn value(&self) -> [u8; 3] {
        let measured = || [0, (self.most.as_millis() / 10) as u16];
        let [least, most] = self.fixed.map_or_else(measured, PlayoutDelay::hundredths);
        let [_, first, second, third] = (u32::from(least) << 12 | u32::from(most)).to_be_bytes();
        [first, second, third]
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

    #[test]
    fn what_the_operator_wants_stays_whatever_the_line_does() {
        let wanted = PlayoutDelay::from_millis(2_570, 40_950).expect("it can be said");
        let mut playout = Playout::new(Some(wanted));
        assert_eq!(playout.value(), [0x10, 0x1f, 0xff]);
        playout.reported(Instant::now(), Duration::from_millis(30), None);
        assert_eq!(playout.value(), [0x10, 0x1f, 0xff]);
    }
}
