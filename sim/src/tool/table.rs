//! The routes of a story in a table for terminals; figures in milliseconds.

use std::collections::BTreeMap;

use super::runs::Run;
use crate::outcome::Row;

/// What stands above each column but the first.
const HEADS: [&str; 8] =
    ["viewers", "floor", "p50", "p99", "max", "overhead", "start-up", "freezes"];
/// Between two columns.
const GAP: &str = "  ";

/// The figures of a route, as `HEADS` names them. The overhead is what p99 is above the floor.
pub(super) fn cells(row: &Row) -> [String; 8] {
    let ms = |ms: f64| format!("{ms:.1}");
    [
        row.viewers.to_string(),
        ms(row.floor_ms),
        ms(row.p50_ms),
        ms(row.p99_ms),
        ms(row.max_ms),
        ms(row.p99_ms - row.floor_ms),
        ms(row.startup_ms),
        row.freezes.to_string(),
    ]
}

/// The heads of the columns.
pub(super) fn heads() -> impl Iterator<Item = &'static str> {
    ["route"].into_iter().chain(HEADS)
}

/// The table.
pub(super) fn text(rows: &[Row]) -> String {
    let head: Vec<String> = heads().map(str::to_owned).collect();
    let line = |row: &Row| [vec![shown(&row.name)], cells(row).to_vec()].concat();
    let lines: Vec<Vec<String>> = [head].into_iter().chain(rows.iter().map(line)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..=HEADS.len()).filter_map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let name = format!("{:<width$}", line[0], width = widths[0]);
        let figures = line.iter().zip(&widths).skip(1);
        let figures = figures.map(|(cell, width)| format!("{cell:>width$}"));
        let cells: Vec<String> = [name].into_iter().chain(figures).collect();
        text += &(cells.join(GAP) + "\n");
    }
    text
}

/// Who is in no row, because they never saw a picture; a sentence for each name.
pub(super) fn blind(runs: &[Run]) -> Vec<String> {
    let mut all: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, count) in runs.iter().flat_map(|run| &run.blind) {
        *all.entry(name).or_default() += count;
    }
    let sentence = |(name, count): (&str, usize)| {
        let s = if count == 1 { "" } else { "s" };
        format!("{}: {count} viewer{s} never saw a picture.", shown(name))
    };
    all.into_iter().map(sentence).collect()
}

/// A name as a terminal may see it: in one line.
pub(super) fn shown(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::Verdict;

    fn row(name: &str, floor_ms: f64) -> Row {
        Row {
            name: name.to_owned(),
            viewers: 1,
            floor_ms,
            p50_ms: floor_ms + 0.04,
            p99_ms: floor_ms + 3.21,
            max_ms: 1234.56,
            startup_ms: 870.0,
            freezes: 12,
            points: Vec::new(),
            cities: Vec::new(),
        }
    }

    #[test]
    fn figures_stand_below_each_other_with_one_decimal() {
        assert_eq!(
            text(&[row("home via edge1", 172.0), row("Zürich\n via b", 9.5)]),
            "\
route           viewers  floor    p50    p99     max  overhead  start-up  freezes
home via edge1        1  172.0  172.0  175.2  1234.6       3.2     870.0       12
Zürich  via b         1    9.5    9.5   12.7  1234.6       3.2     870.0       12
"
        );
    }

    #[test]
    fn who_saw_nothing_is_not_forgotten() {
        let run = |names: &[(&str, usize)]| Run {
            seed: 1,
            verdict: Verdict::default(),
            rows: Vec::new(),
            blind: names.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        };
        assert_eq!(
            blind(&[run(&[("slow", 1)]), run(&[]), run(&[("far", 1), ("slow", 2)])]),
            ["far: 1 viewer never saw a picture.", "slow: 3 viewers never saw a picture."]
        );
    }
}
