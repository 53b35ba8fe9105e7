//! What a story's routes were like, in a row for each: floors, percentiles, start-up, freezes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::evidence::{CATCH_UP, Evidence, Route};
use crate::net::Net;
use crate::plan::Plan;
use crate::viewer;

/// One route: what viewers of one name saw over one node. Times in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The viewers and the node.
    pub name: String,
    /// How many they were.
    pub viewers: usize,
    /// What the light path takes.
    pub floor_ms: f64,
    /// What half of the frames took no longer than.
    pub p50_ms: f64,
    /// What 99 of 100 frames took no longer than.
    pub p99_ms: f64,
    /// What the latest frame took.
    pub max_ms: f64,
    /// From opening the page to the first picture; the longest of all.
    pub startup_ms: f64,
    /// How often the picture stood still.
    pub freezes: usize,
    /// Every latency, by when it was captured: for charts.
    #[serde(skip)]
    pub points: Vec<(f64, f64)>,
}

#[derive(Default)]
struct Collected {
    viewers: usize,
    floor: Duration,
    latencies: Vec<Duration>,
    points: Vec<(f64, f64)>,
    startup: Duration,
    freezes: usize,
}

/// The rows of a story, in order of their names. What a viewer saw while it caught up is left out.
pub fn rows(plan: &Plan, evidence: &Evidence, net: &Net) -> Vec<Row> {
    let mut routes: BTreeMap<String, Collected> = BTreeMap::new();
    for (person, seen) in evidence.people.iter().enumerate() {
        for (attempt, frames) in seen.watched() {
            let Some(at) = attempt.node.filter(|_| plan.people[person].script.film.is_none())
            else {
                continue;
            };
            let Some(route) = Route::new(plan, net, person, at) else { continue };
            let Some(first) = attempt.first_frame else { continue };
            let node = plan.node_at(at).map_or("?", |node| plan.nodes[node].name.as_str());
            let name = format!("{} via {node}", plan.people[person].name);
            let collected = routes.entry(name).or_default();
            collected.viewers += 1;
            collected.floor = route.floor;
            collected.startup = collected.startup.max(first.saturating_sub(attempt.asked));
            collected.freezes += viewer::freezes(frames);
            for frame in frames.iter().filter(|frame| frame.captured >= first + CATCH_UP) {
                let latency = frame.latency();
                collected.latencies.push(latency);
                collected.points.push((frame.captured.as_secs_f64(), ms(latency)));
            }
        }
    }
    routes.into_iter().map(|(name, collected)| collected.row(name)).collect()
}

impl Collected {
    fn row(mut self, name: String) -> Row {
        self.latencies.sort();
        let at = |share: f64| {
            let place = (self.latencies.len() as f64 * share).ceil() as usize;
            self.latencies.get(place.saturating_sub(1)).copied().map_or(0.0, ms)
        };
        Row {
            name,
            viewers: self.viewers,
            floor_ms: ms(self.floor),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: at(1.0),
            startup_ms: ms(self.startup),
            freezes: self.freezes,
            points: self.points,
        }
    }
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
