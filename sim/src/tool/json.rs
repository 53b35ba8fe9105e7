//! What came of a story, for machines.

use serde::Serialize;

use super::runs::Run;
use super::verdict;
use crate::laws::Law;
use crate::outcome::Row;

/// One run.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    story: &'a str,
    seed: u64,
    /// The names of broken laws that the story does not expect.
    laws_broken: Vec<&'static str>,
    routes: &'a [Row],
}

impl<'a> Document<'a> {
    /// What came of this run.
    pub(super) fn new(story: &'a str, run: &'a Run) -> Self {
        let laws_broken = verdict::broken(&run.verdict).into_iter().map(Law::name).collect();
        Document { story, seed: run.seed, laws_broken, routes: &run.rows }
    }
}

/// One document, or a list of them.
pub(crate) fn text(value: &impl Serialize) -> Result<String, String> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::laws::{Breach, Verdict};

    #[test]
    fn a_document_has_the_shape_that_machines_expect() {
        let breach = |law| Breach {
            law,
            at: Duration::from_secs(3),
            who: "home".to_owned(),
            what: "late".to_owned(),
        };
        let broken = [Law::P99, Law::OnTime, Law::P99].map(breach).to_vec();
        let expected = vec![(breach(Law::PictureReturns), "healing".to_owned())];
        let row = Row {
            name: "home via edge1".to_owned(),
            viewers: 1,
            floor_ms: 172.0,
            p50_ms: 172.1,
            p99_ms: 172.2,
            max_ms: 172.3,
            startup_ms: 870.5,
            freezes: 2,
            points: vec![(0.0, 1.0)],
            cities: vec![0],
        };
        let verdict = Verdict { broken, expected, overdue: Vec::new() };
        let run = Run { seed: 7, verdict, rows: vec![row], blind: Default::default() };
        let text = text(&Document::new("four-cities", &run)).expect("it can be written");
        let value: serde_json::Value = serde_json::from_str(&text).expect("it can be read");
        let expected = serde_json::json!({
            "story": "four-cities",
            "seed": 7,
            "laws_broken": ["on-time", "p99"],
            "routes": [{
                "name": "home via edge1",
                "floor_ms": 172.0,
                "p50_ms": 172.1,
                "p99_ms": 172.2,
                "max_ms": 172.3,
                "startup_ms": 870.5,
                "freezes": 2,
            }],
        });
        assert_eq!(value, expected);
    }
}
