//! Tells a story in the in-memory world.

use std::time::Duration;

use crate::browser::Browser;
use crate::evidence::{Evidence, Quiet, Seen};
use crate::handshake::Dtls;
use crate::plan::{Action, PersonPlan, Plan};
use crate::told::{Progress, QUIET, Told};
use crate::world::World;

/// How long nodes are watched at the end, when nobody is left.
const WATCHED: Duration = Duration::from_secs(5);
/// Between two words about the progress.
const STEP: Duration = Duration::from_secs(1);

/// Tells a story; `trace`: whether every packet is written down.
pub fn tell(plan: &Plan, trace: bool, progress: &Progress<'_>) -> Result<Told, String> {
    let mut seed = plan.seed.clone();
    let mut net = plan.net()?;
    if trace {
        net.trace.start();
    }
    let mut world = World::on(net, seed.fork(), Dtls::Rehearsed);
    for node in &plan.nodes {
        let index = world.add_host(node.config.clone(), node.place.clone(), node.calendar);
        world.start(index);
    }
    for person in &plan.people {
        let (script, start) = (person.script.clone(), world.origin());
        let browser = Browser::new(script, start, person.at, person.seed.clone(), Dtls::Rehearsed);
        world.add_browser(browser, person.place.clone());
    }
    for (at, action) in &plan.events {
        run_until(&mut world, *at, progress);
        act(&mut world, plan, action);
    }
    run_until(&mut world, plan.length() + QUIET - WATCHED, progress);
    let before: Vec<u64> = (0..plan.nodes.len()).map(|node| world.wakes(node)).collect();
    run_until(&mut world, plan.length() + QUIET, progress);
    let quiet = |(node, before): (usize, u64)| Quiet {
        alive: world.is_alive(node),
        wakes_per_second: Some((world.wakes(node) - before) as f64 / WATCHED.as_secs_f64()),
    };
    let quiet = before.into_iter().enumerate().map(quiet).collect();
    Ok(told(&mut world, plan, quiet))
}

fn run_until(world: &mut World, end: Duration, progress: &Progress<'_>) {
    while world.time() < end {
        world.run_for(STEP.min(end - world.time()));
        progress(world.time());
    }
}

fn act(world: &mut World, plan: &Plan, action: &Action) {
    match action {
        Action::Kill(node) => world.kill(*node),
        Action::Stop(node) => world.stop(*node),
        Action::Start(node) => world.start(*node),
        Action::Cut(one, other) => world.net().cut((*one, 0).into(), (*other, 0).into()),
        Action::Heal(one, other) => world.net().heal((*one, 0).into(), (*other, 0).into()),
        Action::Roam(person) => world.roam(*person),
        Action::Change(one, other, line) => world.net().change(*one, *other, *line),
        Action::Squeeze(person, kbps) => {
            let PersonPlan { script, at, .. } = &plan.people[*person];
            match script.firewalled {
                true => world.squeeze(*person, kbps.map(|kbps| f64::from(kbps) * 1000.0)),
                false => world.net().squeeze(*at, kbps.map(|kbps| f64::from(kbps) / 1000.0)),
            }
        }
    }
}

fn told(world: &mut World, plan: &Plan, quiet: Vec<Quiet>) -> Told {
    let start = world.origin();
    let seen = |person| world.browser(person).map(Seen::by).unwrap_or_default();
    let people = (0..plan.people.len()).map(seen).collect();
    let reports = |node| {
        let timed = world.timed_reports(node).iter();
        timed.map(|(at, report)| (*at - start, report.clone())).collect()
    };
    let reports = (0..plan.nodes.len()).map(reports).collect();
    let trace = &world.net().trace;
    let sealed_twice = trace.seals.twice().to_vec();
    let trace = trace.text().to_owned();
    Told { evidence: Evidence { people, reports, sealed_twice, quiet }, trace }
}
