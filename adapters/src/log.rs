//! Reports as lines for people, with a timestamp, on standard error. It decides nothing about what
//! is worth reporting.

use std::io::{self, Write};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use farcast_core::report::{Level, Report};

use crate::observer::{Observer, Traffic};

/// Prints reports from a level on.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    /// The lowest level that is printed.
    pub from: Level,
}

impl Observer for Log {
    fn report(&mut self, _: Instant, report: &Report) {
        if report.level() < self.from {
            return;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = line(since.as_secs(), since.subsec_millis(), report);
        // A closed standard error is no reason to end.
        io::stderr().write_all(line.as_bytes()).ok();
    }

    fn traffic(&mut self, _: &Traffic) {}
}

fn line(seconds: u64, millis: u32, report: &Report) -> String {
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let level = match report.level() {
        Level::Trace => "TRACE",
        Level::Debug => "DEBUG",
        Level::Info => "INFO ",
        Level::Warn => "WARN ",
    };
    // What peers say may hold line breaks; one report is one line.
    let text = report.to_string().replace(|c: char| c.is_control(), " ");
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z \
         {level} {text}\n"
    )
}

/// Year, month and day of a day since the Unix epoch in the Gregorian calendar. Years are counted
/// from March, so that the leap day comes last.
fn date(days: u64) -> (u64, u64, u64) {
    // From the 1st of March of the year 0 to the Unix epoch.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + carry, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_with_its_time() {
        let why = "connection\nrefused".to_owned();
        let report = Report::EdgeDown { edge: "edge1".into(), why };
        assert_eq!(
            line(1_709_210_096, 7, &report),
            "2024-02-29T12:34:56.007Z WARN  edge edge1 is down, gets no viewers: \
             connection refused\n"
        );
    }

    #[test]
    fn dates_are_right_at_the_edges_of_years() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(10_956), (1999, 12, 31));
        assert_eq!(date(11_017), (2000, 3, 1));
        assert_eq!(date(20_088), (2024, 12, 31));
    }
}
