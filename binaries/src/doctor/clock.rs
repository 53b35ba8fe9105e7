//! Is the clock right? Tokens and certificates live by it. It compares what it is told.

use std::time::Duration;

use super::finding::Finding;

/// Clocks that differ by more make tokens end too early or begin too late: a node makes its own
/// for a minute, and people make theirs for an event.
const TOO_FAR: Duration = Duration::from_secs(5);

const SET_IT: &str = "sudo timedatectl set-ntp true   (then look: timedatectl timesync-status)";

/// When this program was built, since the Unix epoch.
pub(super) fn built() -> Duration {
    Duration::from_secs(env!("FARCAST_BUILT").parse().unwrap_or(0))
}

/// Looks at the clock alone: it cannot stand before the day on which this program was built.
pub(super) fn alone(now: Duration, built: Duration) -> Finding {
    match now < built {
        true => {
            let days = (built - now).as_secs().div_ceil(86_400);
            Finding::bad(
                format!("this machine's clock is {days} days behind the making of this program"),
                SET_IT,
            )
        }
        false => Finding::good("the clock stands after the day on which this program was built"),
    }
}

/// Compares the clock with a neighbour's at one moment.
pub(super) fn against(name: &str, theirs: Duration, ours: Duration) -> Finding {
    let apart = theirs.abs_diff(ours);
    if apart < TOO_FAR {
        let millis = apart.as_millis();
        return Finding::good(format!("the clocks here and at {name} agree within {millis} ms"));
    }
    let seconds = apart.as_secs();
    let side = if theirs > ours { "behind" } else { "ahead of" };
    Finding::bad(
        format!("this machine's clock is {seconds} s {side} that of {name}: tokens will fail"),
        format!("{SET_IT}, here or at {name}"),
    )
}

/// A neighbour's clock from the field Date (RFC 9110 section 6.6.1), which has whole seconds.
pub(super) fn of_date(field: &str) -> Option<Duration> {
    let date = httpdate::parse_http_date(field).ok()?;
    let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(since + Duration::from_millis(500))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(1_800_000_000_000 + millis)
    }

    #[test]
    fn five_seconds_are_too_many() {
        let verdict = |theirs, ours| against("edge1", at(theirs), at(ours)).verdict;
        assert_eq!(verdict(4_999, 0), Verdict::Good);
        assert_eq!(verdict(0, 4_999), Verdict::Good);
        assert_eq!(verdict(5_000, 0), Verdict::Bad);
        assert_eq!(verdict(0, 5_000), Verdict::Bad);
    }

    #[test]
    fn it_is_said_who_is_behind() {
        let what = |theirs, ours| against("edge1", at(theirs), at(ours)).what;
        assert!(what(7_000, 0).contains("clock is 7 s behind that of edge1"));
        assert!(what(0, 7_000).contains("clock is 7 s ahead of that of edge1"));
    }

    #[test]
    fn a_clock_from_before_the_build_is_wrong() {
        assert_eq!(alone(at(0), at(0)).verdict, Verdict::Good);
        let finding = alone(at(0), at(86_400_000));
        assert_eq!(finding.verdict, Verdict::Bad);
        assert!(finding.what.contains("1 days behind"));
        assert!(built() > Duration::from_secs(1_700_000_000));
    }

    #[test]
    fn a_date_field_is_read_to_half_a_second() {
        let date = of_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(date, Duration::from_millis(784_111_777_500));
        assert_eq!(of_date("yesterday"), None);
    }
}
