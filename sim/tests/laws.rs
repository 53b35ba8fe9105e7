//! No law is there for nothing: evidence that breaks it is found, and evidence that does not is
//! not.

use std::time::Duration;

use farcast_core::report::Report;
use farcast_sim::evidence::Evidence;
use farcast_sim::laws::{self, Law};
use farcast_sim::memory;
use farcast_sim::plan::Plan;
use farcast_sim::seals::Twice;
use farcast_sim::story::Story;

const SECOND: Duration = Duration::from_secs(1);

/// Two viewers of two edges, one of which dies.
const STORY: &str = r#"
    atlas = "four-cities"
    name = "two"
    seconds = 14
    [[node]]
    name = "origin"
    city = "Frankfurt"
    edges = ["edge1", "edge2"]
    [[node]]
    name = "edge1"
    city = "New York"
    [[node]]
    name = "edge2"
    city = "Singapore"
    [[publisher]]
    name = "camera"
    city = "Novosibirsk"
    [[viewer]]
    name = "viewer"
    city = "New York"
    node = "edge1"
    last_mile = { rtt_ms = 8 }
    [[viewer]]
    name = "late"
    city = "Novosibirsk"
    opens_s = 11
    [[event]]
    at_s = 7
    kill = "edge2"
"#;

fn tell() -> (Plan, Evidence) {
    let plan = Plan::new(Story::parse(STORY).expect("a story"), 1).expect("it can be");
    let told = memory::tell(&plan, false, &|_| {}).expect("it can be told");
    (plan, told.evidence)
}

fn broken(plan: &Plan, evidence: &Evidence) -> Vec<Law> {
    let verdict = laws::judge(plan, evidence).expect("it can be judged");
    let mut laws: Vec<Law> = verdict.broken.iter().map(|breach| breach.law).collect();
    laws.sort();
    laws.dedup();
    laws
}

type Tampering = fn(&mut Evidence);

const TAMPERINGS: &[(Law, Tampering)] = &[
    (Law::OnTime, |evidence| {
        let frame = evidence.people[1].frames.iter_mut().find(|f| f.captured > SECOND * 5);
        frame.expect("it watches").shown += Duration::from_millis(6);
    }),
    (Law::PictureReturns, |evidence| {
        evidence.people[1].frames.retain(|frame| frame.shown < SECOND * 9);
    }),
    (Law::PictureReturns, |evidence| {
        let gap = SECOND * 6..SECOND * 9;
        evidence.people[1].frames.retain(|frame| !gap.contains(&frame.shown));
    }),
    (Law::FirstFrame, |evidence| {
        let first = &mut evidence.people[1].attempts[0].first_frame;
        *first = first.map(|at| at + SECOND);
    }),
    (Law::KeyframeRequests, |evidence| {
        let asked = &mut evidence.people[0].keyframes_asked;
        asked.extend([8_000, 8_300, 8_600].map(Duration::from_millis));
        asked.sort();
    }),
    (Law::SealedOnce, |evidence| {
        evidence.sealed_twice.push(Twice { at: SECOND, what: String::new() });
    }),
    (Law::GoneWithOwner, |evidence| {
        let (publishers, viewers, relays, connections, streams) = (0, 1, 0, 0, 0);
        let report = Report::Population { publishers, viewers, relays, connections, streams };
        evidence.reports[1].push((SECOND * 30, report));
    }),
    (Law::GoneWithOwner, |evidence| evidence.quiet[1].wakes_per_second = Some(20.0)),
    (Law::DeadNotNamed, |evidence| {
        evidence.people[2].named.push((SECOND * 12, "edge2".to_owned()));
    }),
    (Law::DeadNotNamed, |evidence| {
        evidence.reports[0].retain(|(_, report)| !matches!(report, Report::EdgeDown { .. }));
    }),
];

#[test]
fn what_went_well_breaks_no_law() {
    let (plan, evidence) = tell();
    assert_eq!(broken(&plan, &evidence), []);
}

#[test]
fn every_tampering_breaks_its_law_alone() {
    let (plan, good) = tell();
    for (number, (law, tamper)) in TAMPERINGS.iter().enumerate() {
        let mut evidence = good.clone();
        tamper(&mut evidence);
        assert_eq!(broken(&plan, &evidence), [*law], "tampering {number}");
    }
}

#[test]
fn a_frame_that_is_a_second_late_breaks_two_laws() {
    let (plan, mut evidence) = tell();
    let frame = evidence.people[1].frames.iter_mut().find(|f| f.captured > SECOND * 5);
    frame.expect("it watches").shown += SECOND;
    let laws = broken(&plan, &evidence);
    assert!(laws.contains(&Law::OnTime) && laws.contains(&Law::WithinASecond), "{laws:?}");
}

#[test]
fn a_limit_of_the_story_is_a_law_of_its_own() {
    let impossible = format!("{STORY}\n[limits]\np99_above_floor_ms = -1\n");
    let plan = Plan::new(Story::parse(&impossible).expect("a story"), 1).expect("it can be");
    let (_, evidence) = tell();
    assert_eq!(broken(&plan, &evidence), [Law::P99]);
}

#[test]
fn an_expected_breach_is_excused_and_missed_when_it_does_not_come() {
    let expects = "[[expected_to_fail]]\nlaw = \"sealed-once\"\nmissing = \"care\"\n";
    let story = Story::parse(&format!("{STORY}\n{expects}")).expect("a story");
    let plan = Plan::new(story, 1).expect("it can be");
    let (_, mut evidence) = tell();
    let verdict = laws::judge(&plan, &evidence).expect("it can be judged");
    assert_eq!((verdict.is_good(), verdict.overdue), (false, vec![Law::SealedOnce]));
    evidence.sealed_twice.push(Twice { at: SECOND, what: String::new() });
    let verdict = laws::judge(&plan, &evidence).expect("it can be judged");
    assert!(verdict.is_good());
    assert_eq!(verdict.expected[0].1, "care");
}
