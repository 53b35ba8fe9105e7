//! A line that wavers looks like a full one now and then; whoever is taken for slow gets the
//! picture back all the same, although nobody else needs a keyframe.

use std::time::Duration;

use farcast_sim::memory;
use farcast_sim::plan::Plan;
use farcast_sim::story::Story;
use farcast_sim::viewer::gaps;

const STORY: &str = r#"
name = "wavering-viewer"
atlas = "four-cities"
seconds = 40

[[node]]
name = "origin"
city = "Frankfurt"

[[publisher]]
name = "camera"
city = "Frankfurt"
last_mile = { rtt_ms = 40 }

[[viewer]]
name = "wavering"
city = "Frankfurt"
node = "origin"
opens_s = 3
last_mile = { rtt_ms = 40, jitter_ms = JITTER }
"#;

/// How many frames the viewer sees, and the longest time without one.
fn seen(jitter_ms: &str, seed: u64) -> (usize, Duration) {
    let story = Story::parse(&STORY.replace("JITTER", jitter_ms)).expect("a story");
    let plan = Plan::new(story, seed).expect("it can be");
    let told = memory::tell(&plan, false, &|_| {}).expect("it can be told");
    let frames = &told.evidence.people[1].frames;
    let longest = gaps(frames).map(|(_, gap)| gap).max().unwrap_or(Duration::MAX);
    println!("{jitter_ms} ms, seed {seed}: {} frames, the longest gap {longest:?}", frames.len());
    (frames.len(), longest)
}

#[test]
fn a_line_that_wavers_is_not_taken_for_a_full_one() {
    for (jitter_ms, seed) in ["40", "60", "80"].into_iter().flat_map(|ms| [(ms, 1), (ms, 2)]) {
        let (frames, longest) = seen(jitter_ms, seed);
        let is_fluent = frames > 1_090 && longest < Duration::from_millis(200);
        assert!(is_fluent, "{jitter_ms} ms, seed {seed}: {frames} frames, {longest:?}");
    }
}

#[test]
fn who_was_taken_for_slow_gets_the_picture_back() {
    for seed in 1..=4 {
        let (frames, longest) = seen("100", seed);
        assert!(longest < Duration::from_secs(8), "seed {seed}: {longest:?} without a picture");
        assert!(frames > 600, "seed {seed}: {frames} frames");
    }
}
