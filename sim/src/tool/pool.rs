//! The routes of many runs in one table: the frames of all runs together, in tenths of a
//! millisecond, which is what tables show. It takes as much memory for a hundred thousand runs as
//! for one.

use std::collections::BTreeMap;

use crate::outcome::Row;

/// Rows of many runs, by their names.
#[derive(Debug, Default)]
pub(super) struct Pool {
    routes: BTreeMap<String, Pooled>,
}

#[derive(Debug)]
struct Pooled {
    /// What was the same, the worst, or is added up.
    row: Row,
    /// How many frames took so many tenths of a millisecond.
    frames: BTreeMap<u64, u64>,
}

impl Pool {
    /// Another run.
    pub(super) fn add(&mut self, rows: &[Row]) {
        for row in rows {
            let pooled = self.routes.entry(row.name.clone()).or_insert_with(|| Pooled::new(row));
            pooled.add(row);
        }
    }

    /// Viewers and freezes of all runs, percentiles of all frames, the longest start-up.
    pub(super) fn rows(self) -> Vec<Row> {
        self.routes.into_values().map(Pooled::row).collect()
    }
}

impl Pooled {
    fn new(row: &Row) -> Pooled {
        let row = Row {
            viewers: 0,
            max_ms: 0.0,
            startup_ms: 0.0,
            freezes: 0,
            points: Vec::new(),
            ..row.clone()
        };
        Pooled { row, frames: BTreeMap::new() }
    }

    fn add(&mut self, row: &Row) {
        self.row.viewers += row.viewers;
        self.row.freezes += row.freezes;
        self.row.max_ms = self.row.max_ms.max(row.max_ms);
        self.row.startup_ms = self.row.startup_ms.max(row.startup_ms);
        for (_, latency) in &row.points {
            *self.frames.entry((latency * 10.0).round() as u64).or_default() += 1;
        }
    }

    fn row(self) -> Row {
        let all: u64 = self.frames.values().sum();
        let at = |percent: u64| {
            let place = (all * percent).div_ceil(100);
            let mut passed = 0;
            let reached = |(_, count): &(&u64, &u64)| {
                passed += **count;
                passed >= place
            };
            self.frames.iter().find(reached).map_or(0.0, |(tenths, _)| *tenths as f64 / 10.0)
        };
        Row { p50_ms: at(50), p99_ms: at(99), ..self.row }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, latencies: impl IntoIterator<Item = u32>) -> Row {
        let points: Vec<_> = latencies.into_iter().map(|ms| (0.0, f64::from(ms))).collect();
        let max_ms = points.iter().map(|(_, ms)| *ms).fold(0.0, f64::max);
        Row {
            name: name.to_owned(),
            viewers: 2,
            floor_ms: 90.0,
            p50_ms: 0.0,
            p99_ms: 0.0,
            max_ms,
            startup_ms: max_ms * 2.0,
            freezes: 1,
            points,
            cities: vec![0, 1],
        }
    }

    #[test]
    fn percentiles_are_those_of_all_frames_together() {
        let mut pool = Pool::default();
        pool.add(&[row("a", 1..=60), row("b", [7])]);
        pool.add(&[row("a", 61..=200)]);
        let rows = pool.rows();
        let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let a = &rows[0];
        assert_eq!((a.p50_ms, a.p99_ms, a.max_ms), (100.0, 198.0, 200.0));
        assert_eq!((a.viewers, a.freezes, a.startup_ms, a.floor_ms), (4, 2, 400.0, 90.0));
        assert_eq!((rows[1].p50_ms, rows[1].p99_ms), (7.0, 7.0));
    }

    #[test]
    fn a_route_that_nobody_saw_a_settled_frame_of_has_no_percentiles() {
        let mut pool = Pool::default();
        pool.add(&[row("a", [])]);
        assert_eq!(pool.rows()[0].p99_ms, 0.0);
    }
}
