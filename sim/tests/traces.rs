//! The same seed gives the same bytes on the wire, line by line.

use farcast_sim::handshake::Dtls;
use farcast_sim::plan::Plan;
use farcast_sim::story::Story;
use farcast_sim::{hosts, memory};

fn plan(story: &str, seed: u64) -> Plan {
    Plan::new(Story::named(story).expect("it comes with the program"), seed).expect("it can be")
}

fn in_memory(story: &str, seed: u64) -> String {
    memory::tell(&plan(story, seed), true, &|_| {}).expect("it can be told").trace
}

fn on_hosts(story: &str, seed: u64) -> String {
    let told = hosts::tell(&plan(story, seed), Dtls::Rehearsed, true, &|_| {});
    told.expect("it can be told").trace
}

/// Where two traces part, if they do: whole traces are too long to be shown.
fn parting(one: &str, other: &str) -> Option<(usize, String, String)> {
    let lines = one.lines().zip(other.lines()).enumerate();
    let parting = lines.into_iter().find(|(_, (one, other))| one != other);
    let found = parting.map(|(line, (one, other))| (line, one.to_owned(), other.to_owned()));
    let lengths = || (one.len() != other.len()).then(|| (0, one.len().to_string(), String::new()));
    found.or_else(lengths)
}

fn assert_kinds(trace: &str, http: &str) {
    for kind in ["stun", "dtls", "rtp", "rtcp", http] {
        let with_kind = |line: &str| line.split(' ').nth(3) == Some(kind);
        assert!(trace.lines().any(with_kind), "{kind}");
    }
}

#[test]
fn in_memory_the_same_seed_gives_the_same_trace_and_another_one_another() {
    for story in ["lossy-last-mile", "random-faults", "publisher-roams", "uplink"] {
        let trace = in_memory(story, 7);
        assert_kinds(&trace, "http");
        assert_eq!(parting(&trace, &in_memory(story, 7)), None, "{story}");
    }
    let [one, other] = [7, 8].map(|seed| in_memory("lossy-last-mile", seed));
    assert!(parting(&one, &other).is_some());
}

#[test]
fn on_hosts_the_same_seed_gives_the_same_trace_and_another_one_another() {
    for story in ["lossy-last-mile", "random-faults", "publisher-roams", "uplink"] {
        let trace = on_hosts(story, 7);
        assert_kinds(&trace, "tcp");
        assert_eq!(parting(&trace, &on_hosts(story, 7)), None, "{story}");
    }
    let [one, other] = [7, 8].map(|seed| on_hosts("lossy-last-mile", seed));
    assert!(parting(&one, &other).is_some());
}
