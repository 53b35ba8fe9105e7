//! Where lines lose packets, what is missing comes back within a round trip or two.

use std::time::Duration;

use farcast_core::report::Report;
use farcast_sim::memory;
use farcast_sim::plan::Plan;
use farcast_sim::story::Story;

/// The only viewer, after the publisher.
const VIEWER: usize = 1;
/// Both lines: the light path, what it wavers by, a round trip of one of them.
const PATH: Duration = Duration::from_millis(90);
const JITTER: Duration = Duration::from_millis(20);
const ROUND_TRIP: Duration = Duration::from_millis(90);

/// A publisher on the other side of the Earth, whom nobody watches: nobody asks for keyframes.
const FAR: &str = r#"
name = "far-camera"
atlas = "four-cities"
seconds = 60

[[node]]
name = "origin"
city = "Frankfurt"

[[publisher]]
name = "camera"
city = "Frankfurt"
video_kbps = 6000
last_mile = { rtt_ms = 300, loss_percent = LOSS }
"#;

/// How many packets its node has got.
fn received(loss_percent: &str) -> u64 {
    let story = Story::parse(&FAR.replace("LOSS", loss_percent)).expect("a story");
    let plan = Plan::new(story, 1).expect("it can be");
    let told = memory::tell(&plan, false, &|_| {}).expect("it can be told");
    let of_one = |(_, report): &(Duration, Report)| match report {
        Report::Received { packets, .. } => *packets,
        _ => 0,
    };
    told.evidence.reports[0].iter().map(of_one).sum()
}

#[test]
fn over_half_the_earth_repairs_are_taken_though_a_hundred_packets_came_meanwhile() {
    let (clean, lossy) = (received("0"), received("2"));
    assert!(clean > 15_000, "{clean} packets");
    let missing = clean.saturating_sub(lossy) as f64 / clean as f64;
    println!("{missing:.5} of {clean} packets never came");
    // Sound is not repaired.
    assert!(missing < 0.003, "{lossy} of {clean}");
}

/// How long each frame took until it was whole.
fn taken() -> Vec<Duration> {
    let mut all: Vec<Duration> = Vec::new();
    for seed in 1..=10 {
        let story = Story::named("lossy-both").expect("it comes with the program");
        let plan = Plan::new(story, seed).expect("it can be");
        let told = memory::tell(&plan, false, &|_| {}).expect("it can be told");
        let frames = &told.evidence.people[VIEWER].frames;
        let begun = frames[0].shown + Duration::from_millis(500);
        let live = frames.iter().filter(|frame| frame.captured > begun);
        all.extend(live.map(|frame| frame.complete - frame.captured));
    }
    all
}

fn within(all: &[Duration], limit: Duration) -> f64 {
    all.iter().filter(|took| **took <= limit).count() as f64 / all.len() as f64
}

#[test]
fn what_both_lines_lose_comes_back_within_a_round_trip_or_two() {
    let all = taken();
    let one = within(&all, PATH + JITTER + ROUND_TRIP + Duration::from_millis(20));
    let two = within(&all, PATH + JITTER + ROUND_TRIP * 2 + Duration::from_millis(45));
    println!("within a round trip {one:.4}, within two {two:.4}, of {} frames", all.len());
    assert!(all.len() > 14_000, "{} frames", all.len());
    assert!(one > 0.94, "{one}");
    assert!(two > 0.99, "{two}");
}
