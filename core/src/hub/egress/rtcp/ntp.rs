//! NTP timestamps as RTCP has them (RFC 3550 section 4): seconds since 1900 in Q32.32. They begin
//! anew in 2036. It computes; it does not know what time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// From 1900 to 1970 (RFC 868).
const FROM_1900_TO_1970: Duration = Duration::from_secs(2_208_988_800);

/// The timestamp of calendar time since 1970.
pub fn since_1970(calendar: Duration) -> u64 {
    since_1900(FROM_1900_TO_1970.saturating_add(calendar))
}

/// The timestamp of a system's time. None is before 1900.
pub fn at(time: SystemTime) -> u64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => since_1970(after),
        Err(before) => since_1900(FROM_1900_TO_1970.saturating_sub(before.duration())),
    }
}

fn since_1900(elapsed: Duration) -> u64 {
    let fraction = (u64::from(elapsed.subsec_nanos()) << 32) / 1_000_000_000;
    elapsed.as_secs() << 32 | fraction
}

/// The middle 32 bits, seconds in Q16.16: what a report block says of a sender report (RFC 3550
/// section 6.4.1, LSR).
pub fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// How long it took to a peer and back, by the LSR and DLSR of its report block that arrived `now`
/// (RFC 3550 section 6.4.1). `None` if the peer had heard no report, or claims to have kept it for
/// longer than it can have.
pub fn round_trip(now: u64, last_report: u32, delay_since: u32) -> Option<Duration> {
    if last_report == 0 {
        return None;
    }
    let units = middle(now).wrapping_sub(last_report).wrapping_sub(delay_since);
    let units = u64::try_from(units.cast_signed()).ok()?;
    Some(Duration::from_nanos((units * 1_000_000_000) >> 16))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn calendars_meet() {
        assert_eq!(since_1970(Duration::ZERO), 0x83aa_7e80_0000_0000);
        assert_eq!(since_1970(Duration::from_millis(1_500)), 0x83aa_7e81_8000_0000);
        assert_eq!(at(UNIX_EPOCH), 0x83aa_7e80_0000_0000);
        assert_eq!(at(UNIX_EPOCH - Duration::from_millis(250)), 0x83aa_7e7f_c000_0000);
        assert_eq!(at(UNIX_EPOCH - FROM_1900_TO_1970), 0);
        // 2036-02-07 06:28:16 UTC (RFC 5905 section 6, figure 4).
        let era = Duration::from_secs(2_085_978_496);
        assert_eq!(since_1970(era), 0);
        assert_eq!(since_1970(era - Duration::from_nanos(1)), u64::MAX - 4);
    }

    #[test]
    fn the_round_trip_of_the_rfc() {
        // RFC 3550 figure 2.
        let sent = 0xb44d_b705_2000_0000;
        assert_eq!(middle(sent), 0xb705_2000);
        let now = 0xb44d_b710_8000_0000;
        let round_trip = round_trip(now, middle(sent), 0x0005_4000);
        assert_eq!(round_trip, Some(Duration::from_millis(6_125)));
    }

    #[test]
    fn no_round_trip_is_made_up() {
        let now = 0xb44d_b710_8000_0000;
        assert_eq!(round_trip(now, 0, 0), None, "no report was heard");
        assert_eq!(round_trip(now, 0xb710_8000, 0), Some(Duration::ZERO));
        assert_eq!(round_trip(now, 0xb710_8000, 1), None, "kept for longer than it is old");
        assert_eq!(round_trip(now, 0xb710_8001, 0), None, "sent in the future");
    }

    proptest! {
        #[test]
        fn round_trips_survive_every_wrap(
            sent: u64, kept in 0..1_u32 << 30, way in 0..1_u32 << 30,
        ) {
            prop_assume!(middle(sent) != 0);
            let now = sent.wrapping_add((u64::from(kept) + u64::from(way)) << 16);
            let expected = Duration::from_secs_f64(f64::from(way) / 65_536.0);
            let found = round_trip(now, middle(sent), kept).expect("a report was heard");
            prop_assert!(found.abs_diff(expected) <= Duration::from_nanos(1));
        }
    }
}
