//! Faults that a seed chooses: each begins, lasts for a while, and ends.

use std::time::Duration;

use farcast_core::seed::Seed;

use crate::atlas::Line;
use crate::plan::{Action, Plan};

/// Time before the first fault and after the last one, in seconds: for joining, and for healing.
const CALM: f64 = 6.0;

/// The faults that a story leaves to its seed.
pub(crate) fn random(plan: &mut Plan) -> Vec<(Duration, Action)> {
    let mut seed = plan.seed.fork();
    let count = plan.story.random_faults;
    (0..count).flat_map(|_| fault(plan, &mut seed)).collect()
}

fn fault(plan: &Plan, seed: &mut Seed) -> Vec<(Duration, Action)> {
    let room = (plan.story.seconds - 2.0 * CALM).max(0.0);
    let at = Duration::from_secs_f64(CALM + room * f64::from(seed.below(1000)) / 1000.0);
    let end = at + Duration::from_millis(500 + u64::from(seed.below(2_500)));
    let links: Vec<(usize, usize)> = (0..plan.nodes.len())
        .flat_map(|node| plan.nodes[node].edges.iter().map(move |edge| (node, *edge)))
        .collect();
    let link = (!links.is_empty()).then(|| links[seed.below(links.len() as u32) as usize]);
    let person = seed.below(plan.people.len() as u32) as usize;
    let node = seed.below(plan.nodes.len() as u32) as usize;
    match (seed.below(4), link) {
        (0, Some((one, other))) => {
            let (one, other) = (plan.nodes[one].ip, plan.nodes[other].ip);
            vec![(at, Action::Cut(one, other)), (end, Action::Heal(one, other))]
        }
        (1, Some((one, other))) => {
            let (one, other) = (plan.nodes[one].place.city, plan.nodes[other].place.city);
            let Some(line) = plan.line(one, other) else { return Vec::new() };
            let loss_percent = f64::from(5 + seed.below(25));
            let bad = Line { loss_percent, burst: 3.0, jitter_ms: 10.0, ..line };
            vec![(at, Action::Change(one, other, bad)), (end, Action::Change(one, other, line))]
        }
        (2, _) => vec![(at, Action::Kill(node)), (end, Action::Start(node))],
        _ => vec![(at, Action::Roam(person))],
    }
}

impl Plan {
    /// The line between two cities, out from the first one.
    fn line(&self, one: usize, other: usize) -> Option<Line> {
        self.atlas.links.iter().find_map(|link| {
            let ends = [0, 1].map(|end| self.atlas.city(&link.between[end]).ok());
            let turned = Line { longer_out_ms: -link.line.longer_out_ms, ..link.line };
            match ends {
                [Some(a), Some(b)] if (a, b) == (one, other) => Some(link.line),
                [Some(a), Some(b)] if (b, a) == (one, other) => Some(turned),
                _ => None,
            }
        })
    }
}
