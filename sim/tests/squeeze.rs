//! A viewer whose line gets narrow gets a smaller layer, keeps its picture, and gets the best one
//! back; whoever shares its node notices nothing.

use std::time::Duration;

use farcast_sim::camera::Svc;
use farcast_sim::memory;
use farcast_sim::plan::Plan;
use farcast_sim::story::Story;
use farcast_sim::viewer::{Frame, gaps};

const SECOND: Duration = Duration::from_secs(1);
/// People of the story, and the packets that a frame of the best layer has at least.
const SQUEEZED: usize = 1;
const FAST: usize = 2;
const LARGE: u16 = 4;

#[test]
fn a_squeezed_viewer_gets_a_smaller_layer_and_the_best_one_back() {
    a_smaller_layer_and_the_best_one_back(None);
}

#[test]
fn the_same_where_layers_come_as_one() {
    a_smaller_layer_and_the_best_one_back(Some(Svc::Vp9));
    a_smaller_layer_and_the_best_one_back(Some(Svc::Av1));
}

fn a_smaller_layer_and_the_best_one_back(svc: Option<Svc>) {
    for seed in 1..=5 {
        let mut story = Story::named("squeeze").expect("it comes with the program");
        story.publishers[0].svc = svc;
        let plan = Plan::new(story, seed).expect("it can be");
        let told = memory::tell(&plan, false, &|_| {}).expect("it can be told");
        let [(squeezed, _), (released, _)] = plan.events[..] else { panic!("{:?}", plan.events) };
        let frames = &told.evidence.people[SQUEEZED].frames;
        let large = |frame: &&Frame| frame.parts >= LARGE;
        let before = frames.iter().filter(|frame| frame.captured < squeezed);
        let best = before.clone().find(large).expect("the best layer").shown;
        assert!(best < frames[0].shown + SECOND * 3, "seed {seed}: the best layer at {best:?}");
        let last = frames.iter().filter(|frame| frame.captured < released).rfind(large);
        let lowered = last.expect("it had it").captured - squeezed;
        assert!(lowered < SECOND, "seed {seed}: a lower layer after {lowered:?}");
        let back = frames.iter().filter(|frame| frame.captured >= released).find(large);
        let raised = back.expect("it gets it back").captured - released;
        assert!(raised < SECOND * 5, "seed {seed}: the best layer back after {raised:?}");
        let longest = gaps(frames).map(|(_, gap)| gap).max().expect("some");
        assert!(longest < Duration::from_millis(200), "seed {seed}: {longest:?} without a frame");
        let oldest = frames.iter().map(Frame::latency).max().expect("some");
        assert!(oldest < SECOND, "seed {seed}: {oldest:?}");
        println!(
            "{svc:?}, seed {seed}: lower after {lowered:?}, back after {raised:?}, {longest:?} \
             without a frame at most, oldest {oldest:?}"
        );
        let others = &told.evidence.people[FAST].frames;
        let unharmed = gaps(others).map(|(_, gap)| gap).max().expect("some");
        assert!(unharmed < Duration::from_millis(50), "seed {seed}: {unharmed:?}");
        let steady = others.iter().filter(|frame| frame.captured > others[0].captured + SECOND * 3);
        assert!(steady.clone().count() > 1_000 && steady.clone().all(|frame| frame.parts >= LARGE));
    }
}
