//! Follows the receiver's clock, whose beginning means nothing and which may jump. It does not know
//! what its times are used for.

/// Microseconds in a unit of arrival times (draft-holmer-rmcat-transport-wide-cc-extensions-01
/// section 3.1.5).
const UNIT: i64 = 250;
/// The clock jumped if it went so much faster or slower than the sender's between two packets, in
/// microseconds. No queue is so long.
const JUMP: i64 = 10_000_000;

/// The receiver's clock.
#[derive(Debug, Default)]
pub(super) struct Clock(Option<Seen>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    /// What the clock showed first, in its units.
    first: i64,
    /// When the newest packet left and arrived, in microseconds of both clocks.
    sent: i64,
    at: i64,
}

impl Clock {
    /// What the clock shows, in microseconds since the first packet. `None` if that is this one, or
    /// if the clock jumped: it shows 0 and what was derived from it before means nothing.
    pub(super) fn read(&mut self, sent: i64, at: i64) -> Option<i64> {
        let now = self.0.and_then(|seen| {
            let now = at.checked_sub(seen.first)?.checked_mul(UNIT)?;
            let ahead = now.checked_sub(seen.at)?.checked_sub(sent - seen.sent)?;
            (-JUMP..=JUMP).contains(&ahead).then_some(Seen { sent, at: now, ..seen })
        });
        self.0 = now.or(Some(Seen { first: at, sent, at: 0 }));
        now.map(|seen| seen.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_told() {
        let mut clock = Clock::default();
        assert_eq!(clock.read(0, 7_000), None);
        assert_eq!(clock.read(1_000, 7_004), Some(1_000));
        assert_eq!(clock.read(60_001_000, 247_004), Some(60_001_000));
        assert_eq!(clock.read(60_002_000, 247_000), Some(60_000_000));
        assert_eq!(clock.read(60_002_000, 7_000), None);
        for at in [i64::MIN, i64::MAX, 0, i64::MIN] {
            assert_eq!(clock.read(60_002_000, at), None);
        }
        assert_eq!(clock.read(60_003_000, i64::MIN + 4), Some(1_000));
    }
}
