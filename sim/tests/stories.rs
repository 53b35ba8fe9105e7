//! Every story that comes with the program keeps the laws, or breaks those that it names, in both
//! worlds.

use std::fs;
use std::thread;

use farcast_core::config::Egress;
use farcast_sim::COMMIT;
use farcast_sim::handshake::Dtls;
use farcast_sim::laws;
use farcast_sim::net::Net;
use farcast_sim::outcome::{self, Row};
use farcast_sim::plan::Plan;
use farcast_sim::story::{STORIES, Story};
use farcast_sim::told::Told;
use farcast_sim::{hosts, memory};

fn plan(name: &str, seed: u64) -> (Plan, Net) {
    concrete(Story::named(name).expect("it comes with the program"), seed)
}

fn concrete(story: Story, seed: u64) -> (Plan, Net) {
    let plan = Plan::new(story, seed).expect("it can be");
    let net = plan.net().expect("it can be");
    (plan, net)
}

fn in_memory(plan: &Plan) -> Told {
    memory::tell(plan, false, &|_| {}).expect("it can be told")
}

fn on_hosts(plan: &Plan, dtls: Dtls) -> Told {
    hosts::tell(plan, dtls, false, &|_| {}).expect("it can be told")
}

/// Panics with everything that is needed to see it again.
fn assert_good(name: &str, seed: u64, told: Told) {
    judge(&plan(name, seed).0, seed, &told);
}

fn judge(plan: &Plan, seed: u64, told: &Told) {
    let name = &plan.story.name;
    let verdict = laws::judge(plan, &told.evidence).expect("it can be judged");
    let broken: Vec<String> = verdict.broken.iter().map(ToString::to_string).collect();
    assert!(
        verdict.is_good(),
        "seed {seed}, commit {COMMIT}: {name}\nbroken: {broken:#?}\nkept after all: {:?}",
        verdict.overdue,
    );
}

#[test]
fn every_story_in_memory() {
    for (name, _) in STORIES {
        assert_good(name, 1, in_memory(&plan(name, 1).0));
    }
}

#[test]
fn stories_of_loss_and_crowds_with_str0ms_egress() {
    for name in ["lossy-last-mile", "flash-crowd", "slow-viewer"] {
        let (mut plan, _) = plan(name, 1);
        plan.nodes.iter_mut().for_each(|node| node.config.egress = Egress::Str0m);
        judge(&plan, 1, &in_memory(&plan));
    }
}

#[test]
fn every_story_with_three_cores_in_each_node() {
    for (name, _) in STORIES {
        let (mut plan, _) = plan(name, 1);
        plan.nodes.iter_mut().for_each(|node| node.config.cores = 3);
        judge(&plan, 1, &in_memory(&plan));
    }
}

#[test]
fn every_story_on_simulated_hosts() {
    let (memory_alone, both): (Vec<Plan>, Vec<Plan>) = STORIES
        .iter()
        .map(|(name, _)| plan(name, 1).0)
        .partition(|plan| plan.people.iter().any(|person| person.script.firewalled));
    for plan in both {
        judge(&plan, 1, &on_hosts(&plan, Dtls::Rehearsed));
    }
    for plan in memory_alone {
        let refusal = hosts::tell(&plan, Dtls::Rehearsed, false, &|_| {});
        assert!(refusal.is_err_and(|why| why.contains("--world memory")));
    }
}

#[test]
fn what_was_mended_stays_mended() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/regressions");
    let files = fs::read_dir(folder).expect("they are there").flatten();
    let stories: Vec<String> =
        files.map(|file| fs::read_to_string(file.path()).expect("a text")).collect();
    assert!(stories.len() >= 2);
    for story in stories {
        let (plan, _) = concrete(Story::parse(&story).expect("a story"), 1);
        judge(&plan, 1, &in_memory(&plan));
        judge(&plan, 1, &on_hosts(&plan, Dtls::Rehearsed));
    }
}

#[test]
fn fifty_seeds_of_random_faults() {
    for seed in 1..=50 {
        assert_good("random-faults", seed, in_memory(&plan("random-faults", seed).0));
    }
}

#[test]
fn the_handshake_that_ships_takes_as_many_round_trips() {
    let (plan, net) = plan("four-cities", 1);
    let rehearsed = outcome::rows(&plan, &on_hosts(&plan, Dtls::Rehearsed).evidence, &net);
    let told = on_hosts(&plan, Dtls::Real);
    let real = outcome::rows(&plan, &told.evidence, &net);
    assert_good("four-cities", 1, told);
    for (real, rehearsed) in real.iter().zip(&rehearsed) {
        assert_eq!(real.name, rehearsed.name);
        assert!((real.startup_ms - rehearsed.startup_ms).abs() < 60.0, "{real:?}");
    }
}

#[test]
fn both_worlds_see_the_same_cities() {
    let (plan, net) = plan("four-cities", 1);
    let rows = |told: Told| outcome::rows(&plan, &told.evidence, &net);
    let [memory, hosts] = [in_memory(&plan), on_hosts(&plan, Dtls::Rehearsed)].map(rows);
    let figures = |row: &Row| (row.name.clone(), row.floor_ms, row.p99_ms <= row.floor_ms + 5.0);
    let expected = [("edge1", 172.0), ("edge2", 289.5), ("origin", 90.0)]
        .map(|(node, floor)| (format!("home via {node}"), floor, true));
    assert_eq!(memory.iter().map(figures).collect::<Vec<_>>(), expected);
    assert_eq!(hosts.iter().map(figures).collect::<Vec<_>>(), expected);
}

#[test]
fn many_worlds_at_once_do_not_disturb_each_other() {
    let shown = |seed| in_memory(&plan("random-faults", seed).0).evidence.people[1].frames.clone();
    let alone = shown(3);
    let others: Vec<_> = (2..6).map(|seed| thread::spawn(move || shown(seed))).collect();
    let together: Vec<_> = others.into_iter().map(|other| other.join().expect("told")).collect();
    assert_eq!(together[1], alone);
    assert_ne!(together[0], alone);
}
