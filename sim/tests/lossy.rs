//! Where both lines lose packets, what is missing comes back within a round trip or two.

use std::time::Duration;

use farcast_sim::memory;
use farcast_sim::plan::Plan;
use farcast_sim::story::Story;

/// The only viewer, after the publisher.
const VIEWER: usize = 1;
/// Both lines: the light path, what it wavers by, a round trip of one of them.
const PATH: Duration = Duration::from_millis(90);
const JITTER: Duration = Duration::from_millis(20);
const ROUND_TRIP: Duration = Duration::from_millis(90);

#[test]
fn what_both_lines_lose_comes_back_within_a_round_trip_or_two() {
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
    let within = |limit| {
        let count = all.iter().filter(|took| **took <= limit).count();
        count as f64 / all.len() as f64
    };
    let one = within(PATH + JITTER + ROUND_TRIP + Duration::from_millis(20));
    let two = within(PATH + JITTER + ROUND_TRIP * 2 + Duration::from_millis(45));
    println!("within a round trip {one:.4}, within two {two:.4}, of {} frames", all.len());
    assert!(all.len() > 14_000, "{} frames", all.len());
    // str0m, which plays the viewer, asks within 33 ms only.
    assert!(one > 0.9, "{one}");
    assert!(two > 0.99, "{two}");
}
