//! What was sent over a network, line by line: two runs are the same if their traces are.

use std::fmt::Write;
use std::time::Duration;

use crate::seals::Seals;

/// What was sent.
#[derive(Debug, Default)]
pub struct Trace {
    lines: Option<String>,
    /// Which packets have been sealed.
    pub seals: Seals,
}

impl Trace {
    /// Keeps lines from now on.
    pub fn start(&mut self) {
        self.lines.get_or_insert_default();
    }

    /// Whether lines are kept.
    pub fn wants(&self) -> bool {
        self.lines.is_some()
    }

    /// The lines: seconds since the start, from, to, kind, size in bytes.
    pub fn text(&self) -> &str {
        self.lines.as_deref().unwrap_or_default()
    }

    /// A datagram left.
    pub fn sent(&mut self, now: Duration, names: [String; 2], payload: &[u8]) {
        self.line(now, names, kind(payload), payload.len());
    }

    /// Something left that is no datagram.
    pub fn line(&mut self, now: Duration, [from, to]: [String; 2], kind: &str, size: usize) {
        if let Some(lines) = &mut self.lines {
            let (seconds, micros) = (now.as_secs(), now.subsec_micros());
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "{seconds}.{micros:06} {from} {to} {kind} {size}");
        }
    }
}

/// What a datagram is, by its first bytes (RFC 7983 section 7, RFC 5761 section 4).
pub fn kind(payload: &[u8]) -> &'static str {
    match payload {
        [0..=3, ..] => "stun",
        [20..=63, ..] => "dtls",
        [128..=191, 192..=223, ..] => "rtcp",
        [128..=191, ..] => "rtp",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_time_ends_kind_and_size() {
        let names = || ["camera:5000".to_owned(), "origin:8080".to_owned()];
        let mut trace = Trace::default();
        trace.sent(Duration::ZERO, names(), &[0; 20]);
        assert_eq!(trace.text(), "");
        trace.start();
        for first in [[0, 1], [22, 0], [128, 111], [144, 200], [255, 0]] {
            trace.sent(Duration::from_micros(1_000_045), names(), &first);
        }
        let kinds: Vec<_> = trace.text().lines().map(|line| line.split(' ').nth(3)).collect();
        assert_eq!(kinds, ["stun", "dtls", "rtp", "rtcp", "other"].map(Some));
        assert!(trace.text().starts_with("1.000045 camera:5000 origin:8080 stun 2\n"));
    }
}
