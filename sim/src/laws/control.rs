//! Laws about what nodes do: keyframes, seals, what they leave behind, whom they name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use farcast_core::report::Report;

use super::{Breach, Case, Law};
use crate::plan::Action;
use crate::script::Door;

/// Two requests for keyframes of one layer in this time are enough, but for the jitter of their
/// way.
const REQUESTS: Duration = Duration::from_millis(980);
/// A dead node is noticed so soon: two polls are missed, a second apart, each for up to 0.9 s.
const NOTICED: Duration = Duration::from_millis(3_000);
/// An answer's way back is known to the tick of a simulated host.
const TICKS: Duration = Duration::from_millis(10);
/// Wakes a second of a node without guests: a few for each edge that it polls.
const IDLE_WAKES: f64 = 1.0;
const WAKES_PER_EDGE: f64 = 5.0;

impl Case<'_> {
    /// Publishers that were asked for too many keyframes. A node that starts again does not know
    /// what it asked before.
    pub(super) fn keyframe_requests(&self) -> Vec<Breach> {
        let starts = |from: Duration, to: Duration| {
            let mut events = self.plan.events.iter();
            events
                .any(|(at, action)| matches!(action, Action::Start(_)) && (from..=to).contains(at))
        };
        let mut breaches = Vec::new();
        for (person, seen) in self.evidence.people.iter().enumerate() {
            let Some(film) = self.plan.people[person].script.film else { continue };
            let too_many = 2 * usize::from(film.layers) + 1;
            let took = |asked: &[Duration]| asked[too_many - 1] - asked[0];
            let often = seen
                .keyframes_asked
                .windows(too_many)
                .find(|asked| took(asked) < REQUESTS && !starts(asked[0], asked[too_many - 1]));
            breaches.extend(often.map(|asked| Breach {
                law: Law::KeyframeRequests,
                at: asked[0],
                who: self.plan.people[person].name.clone(),
                what: format!("asked for {too_many} keyframes in {:?}", took(asked)),
            }));
        }
        breaches
    }

    /// Packets that were sealed twice.
    pub(super) fn sealed_twice(&self) -> Vec<Breach> {
        let breach = |twice: &crate::seals::Twice| Breach {
            law: Law::SealedOnce,
            at: twice.at,
            who: "the wire".to_owned(),
            what: twice.what.clone(),
        };
        self.evidence.sealed_twice.iter().take(3).map(breach).collect()
    }

    /// Nodes that keep something of guests who left long ago.
    pub(super) fn left_behind(&self) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for (index, quiet) in self.evidence.quiet.iter().enumerate().filter(|(_, q)| q.alive) {
            let node = &self.plan.nodes[index];
            let reports = self.evidence.reports[index].iter().rev().map(|(_, report)| report);
            let mut populations = reports.filter(|r| matches!(r, Report::Population { .. }));
            let breach = |what: String| Breach {
                law: Law::GoneWithOwner,
                at: self.plan.length(),
                who: node.name.clone(),
                what,
            };
            if let Some(report @ Report::Population { publishers, viewers, relays, streams, .. }) =
                populations.next()
                && publishers + viewers + relays + streams > 0
            {
                breaches.push(breach(format!("it still has {report}")));
            }
            let most = IDLE_WAKES + WAKES_PER_EDGE * node.edges.len() as f64;
            if let Some(wakes) = quiet.wakes_per_second.filter(|wakes| *wakes > most) {
                breaches.push(breach(format!("it wakes {wakes} times a second for nobody")));
            }
        }
        breaches
    }

    /// Balancers that do not notice a death, or name the dead after they did.
    pub(super) fn named_dead(&self) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for (index, node) in self.plan.nodes.iter().enumerate() {
            let reports = &self.evidence.reports[index];
            for edge in &node.edges {
                let name = &self.plan.nodes[*edge].name;
                let is_down = |report: &Report| match report {
                    Report::EdgeDown { edge, .. } if edge == name => Some(true),
                    Report::EdgeUp { edge } if edge == name => Some(false),
                    _ => None,
                };
                let changes = reports.iter().filter_map(|(at, r)| Some((*at, is_down(r)?)));
                let changes: Vec<(Duration, bool)> = changes.collect();
                breaches.extend(self.unnoticed(index, *edge, &changes));
                breaches.extend(self.named_after_all(node.ip, name, &changes));
            }
        }
        breaches
    }

    fn unnoticed(&self, node: usize, edge: usize, down: &[(Duration, bool)]) -> Option<Breach> {
        let events = &self.plan.events;
        let lives = |who: usize, from: Duration, to: Duration| {
            !events.iter().any(|(at, action)| {
                let same = [Action::Kill(who), Action::Start(who)].contains(action);
                same && *at > from && *at <= to
            })
        };
        let (died, _) = events.iter().find(|(at, action)| {
            let stays_dead = lives(edge, *at, *at + NOTICED);
            *action == Action::Kill(edge)
                && stays_dead
                && lives(node, Duration::ZERO, *at + NOTICED)
                && *at + NOTICED < self.plan.length()
        })?;
        let state = down.iter().rev().find(|(at, _)| *at <= *died + NOTICED);
        let noticed = state.is_some_and(|(_, down)| *down);
        (!noticed).then(|| Breach {
            law: Law::DeadNotNamed,
            at: *died + NOTICED,
            who: self.plan.nodes[node].name.clone(),
            what: format!("it has not noticed that {} died", self.plan.nodes[edge].name),
        })
    }

    fn named_after_all(
        &self,
        balancer: IpAddr,
        name: &str,
        down: &[(Duration, bool)],
    ) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for (person, seen) in self.evidence.people.iter().enumerate() {
            let script = &self.plan.people[person].script;
            let Door::Balancer(at) = script.door else { continue };
            if at.ip() != balancer {
                continue;
            }
            let way = self.net.delay(SocketAddr::new(balancer, 0), self.plan.people[person].at);
            for (heard, _) in seen.named.iter().filter(|(_, named)| named == name) {
                let said = heard.saturating_sub(way + TICKS);
                let state = down.iter().rev().find(|(at, _)| *at <= said);
                if state.is_some_and(|(_, down)| *down) {
                    breaches.push(Breach {
                        law: Law::DeadNotNamed,
                        at: said,
                        who: self.plan.people[person].name.clone(),
                        what: format!("was sent to {name}, which is down"),
                    });
                }
            }
        }
        breaches
    }
}
