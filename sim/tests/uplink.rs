//! A publisher whose uplink gets narrow gives up its better layers before its sound, and gets them
//! back.

use std::time::Duration;

use farcast_sim::memory;
use farcast_sim::plan::Plan;
use farcast_sim::story::Story;
use farcast_sim::viewer::{Frame, gaps};

const SECOND: Duration = Duration::from_secs(1);
/// People of the story, and the packets that a frame of the best layer has at least.
const VIEWERS: [usize; 2] = [1, 2];
const LARGE: u16 = 4;
/// How much the uplink queues, in milliseconds: a usual line, and a bad one.
const QUEUES: [f64; 2] = [300.0, 800.0];
/// Between two sounds that arrived, by when they were made; libwebrtc conceals two that are missing
/// between them. When they arrive says nothing of holes: with the line's delay, the time between
/// two arrivals steps once by what lies between them in the queue.
const HOLE: Duration = Duration::from_millis(60);
/// Until the publisher's congestion control has come down from 3 to 0.3 megabits a second, what it
/// sends is lost, and then a keyframe has to wait in its queue.
const WITHOUT_PICTURE: Duration = Duration::from_millis(3_500);

#[test]
fn a_squeezed_publisher_keeps_its_sound_and_gets_its_best_layer_back() {
    for (queue_ms, seed) in QUEUES.into_iter().flat_map(|queue| (1..=5).map(move |n| (queue, n))) {
        let mut story = Story::named("uplink").expect("it comes with the program");
        story.publishers[0].last_mile.as_mut().expect("it is narrow").queue_ms = queue_ms;
        let plan = Plan::new(story, seed).expect("it can be");
        let told = memory::tell(&plan, false, &|_| {}).expect("it can be told");
        let [(squeezed, _), (released, _)] = plan.events[..] else { panic!("{:?}", plan.events) };
        for viewer in VIEWERS {
            let seen = &told.evidence.people[viewer];
            let (frames, sounds) = (&seen.frames, &seen.sounds);
            let is_small = |frame: &&Frame| frame.parts < LARGE;
            let before = |frame: &&Frame| frame.captured + SECOND > squeezed;
            let first = frames.iter().find(before).expect("it is shown all the time");
            assert!(!is_small(&first), "seed {seed}: {first:?}");
            let apart = |pair: &[Frame]| pair[1].captured.saturating_sub(pair[0].captured);
            let hole = sounds.windows(2).map(apart).max().expect("some");
            let oldest = frames.iter().chain(sounds).map(Frame::latency).max().expect("some");
            let still = gaps(frames).map(|(_, gap)| gap).max().expect("some");
            let during = |frame: &&Frame| (squeezed..released).contains(&frame.captured);
            let small = frames.iter().filter(during).find(is_small).expect("a smaller layer");
            let lowered = small.shown - squeezed;
            let small = frames.iter().rfind(is_small).expect("at first");
            let back = small.captured.saturating_sub(released);
            println!(
                "queue {queue_ms} ms, seed {seed}, {viewer}: sound misses {hole:?} at most, oldest \
                 {oldest:?}, still for {still:?}, smaller after {lowered:?}, best after {back:?}"
            );
            assert!(hole <= HOLE && oldest <= SECOND);
            assert!(still < WITHOUT_PICTURE);
            assert!(back < SECOND * 10);
        }
    }
}
