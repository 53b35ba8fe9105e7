//! The counts that are committed, and what was counted now beside them. It does not know how
//! instructions are counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// How far a count may be from the committed one, either way.
pub const TOLERANCE: f64 = 0.03;

/// Counts of instructions.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// What made the code: version and target.
    pub compiler: String,
    /// By the name of the work.
    pub instructions: BTreeMap<String, u64>,
}

impl Baseline {
    /// What was counted now, beside this.
    pub fn table(&self, now: &Baseline) -> String {
        let mut text = "| work | baseline | now | change |\n|---|---|---|---|\n".to_owned();
        for (name, count) in &now.instructions {
            let _ = match self.instructions.get(name) {
                Some(before) => {
                    let percent = 100.0 * change(*before, *count);
                    writeln!(text, "| {name} | {before} | {count} | {percent:+.2} % |")
                }
                None => writeln!(text, "| {name} | - | {count} | new |"),
            };
        }
        text
    }

    /// Which counts are too far from these, or are there only once.
    pub fn far(&self, now: &Baseline) -> Vec<String> {
        let names = self.instructions.keys().chain(now.instructions.keys());
        let mut far: Vec<String> = names
            .filter(|name| match (self.instructions.get(*name), now.instructions.get(*name)) {
                (Some(before), Some(now)) => change(*before, *now).abs() > TOLERANCE,
                _ => true,
            })
            .cloned()
            .collect();
        far.sort();
        far.dedup();
        far
    }
}

fn change(before: u64, now: u64) -> f64 {
    now as f64 / before as f64 - 1.0
}

/// The compiler that is installed: its version, commit and date, and the target.
pub fn compiler() -> Option<String> {
    let output = Command::new("rustc").arg("-vV").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "))?;
    Some(format!("{}, {host}", text.lines().next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> Baseline {
        let instructions = counts.iter().map(|(name, count)| ((*name).to_owned(), *count));
        Baseline { compiler: "1".into(), instructions: instructions.collect() }
    }

    #[test]
    fn counts_may_be_three_percent_away_and_must_be_the_same_ones() {
        let before = counts(&[("a", 1_000), ("b", 1_000)]);
        let none: [&str; 0] = [];
        assert_eq!(before.far(&counts(&[("a", 1_029), ("b", 971)])), none);
        assert_eq!(before.far(&counts(&[("a", 1_031), ("b", 1_000)])), ["a"]);
        assert_eq!(before.far(&counts(&[("a", 1_000), ("b", 969)])), ["b"]);
        assert_eq!(before.far(&counts(&[("a", 1_000), ("b", 1_000), ("c", 1)])), ["c"]);
        assert_eq!(before.far(&counts(&[("a", 1_000)])), ["b"]);
    }

    #[test]
    fn a_table_shows_changes() {
        let table = counts(&[("a", 1_000)]).table(&counts(&[("a", 1_040), ("b", 7)]));
        assert!(table.ends_with("| a | 1000 | 1040 | +4.00 % |\n| b | - | 7 | new |\n"), "{table}");
    }
}
