//! What a story's routes were like, in a row for each: floors, percentiles, start-up, freezes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use crate::atlas::CityIndex;
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
    #[serde(skip)]
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
    /// The cities on the way: the publisher's, each node's, the viewers'.
    #[serde(skip)]
    pub cities: Vec<CityIndex>,
}

/// Viewers of one name in different cities are on different routes.
type Key = (String, Vec<CityIndex>);

#[derive(Default)]
struct Collected {
    viewers: BTreeSet<usize>,
    floor: Duration,
    latencies: Vec<Duration>,
    points: Vec<(f64, f64)>,
    startup: Duration,
    freezes: usize,
}

/// The rows of a story, in order of their names. What a viewer saw while it caught up is left out.
pub fn rows(plan: &Plan, evidence: &Evidence, net: &Net) -> Vec<Row> {
    let mut routes: BTreeMap<Key, Collected> = BTreeMap::new();
    for (person, seen) in evidence.people.iter().enumerate() {
        for (attempt, frames) in seen.watched() {
            let Some(at) = attempt.node.filter(|_| plan.people[person].script.film.is_none())
            else {
                continue;
            };
            let Some(route) = Route::new(plan, net, person, at) else { continue };
            let Some(first) = attempt.first_frame else { continue };
            let Some(key) = key(plan, person, at) else { continue };
            let collected = routes.entry(key).or_default();
            collected.viewers.insert(person);
            collected.floor = route.floor;
            collected.startup = collected.startup.max(first.saturating_sub(attempt.asked));
            // From the last picture of the try before, since a break is a freeze to who watches.
            let before = attempt.frames_before.saturating_sub(1);
            let end = attempt.frames_before + frames.len();
            let screen = seen.frames.get(before..end).unwrap_or_default();
            collected.freezes += viewer::freezes(screen);
            for frame in frames.iter().filter(|frame| frame.captured >= first + CATCH_UP) {
                let latency = frame.latency();
                collected.latencies.push(latency);
                collected.points.push((frame.captured.as_secs_f64(), ms(latency)));
            }
        }
    }
    let names: Vec<String> = routes.keys().map(|(name, _)| name.clone()).collect();
    let shared = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    let row = |((name, cities), collected): (Key, Collected)| {
        let city = cities.last().map_or("", |city| plan.atlas.cities[*city].name.as_str());
        let name = if shared(&name) { format!("{name} to {city}") } else { name };
        collected.row(name, cities)
    };
    routes.into_iter().map(row).collect()
}

/// Who watched and never saw a picture: how many of each name.
pub fn blind(plan: &Plan, evidence: &Evidence) -> BTreeMap<String, usize> {
    let mut blind = BTreeMap::new();
    for (person, seen) in plan.people.iter().zip(&evidence.people) {
        if person.script.film.is_none() && seen.frames.is_empty() {
            *blind.entry(person.name.clone()).or_default() += 1;
        }
    }
    blind
}

fn key(plan: &Plan, person: usize, at: SocketAddr) -> Option<Key> {
    let (publisher, first) = plan.publisher(person)?;
    let node = plan.node_at(at)?;
    let nodes = plan.chain(first, node)?.into_iter().map(|node| plan.nodes[node].place.city);
    let [from, to] = [publisher, person].map(|person| plan.people[person].place.city);
    let cities = [from].into_iter().chain(nodes).chain([to]).collect();
    Some((format!("{} via {}", plan.people[person].name, plan.nodes[node].name), cities))
}

impl Collected {
    fn row(mut self, name: String, cities: Vec<CityIndex>) -> Row {
        self.latencies.sort();
        let at = |share: f64| {
            let place = (self.latencies.len() as f64 * share).ceil() as usize;
            self.latencies.get(place.saturating_sub(1)).copied().map_or(0.0, ms)
        };
        Row {
            name,
            viewers: self.viewers.len(),
            floor_ms: ms(self.floor),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: at(1.0),
            startup_ms: ms(self.startup),
            freezes: self.freezes,
            points: self.points,
            cities,
        }
    }
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
