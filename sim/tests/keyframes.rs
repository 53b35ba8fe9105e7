//! Wishes for keyframes are merged at every hop.

use std::time::{Duration, Instant};

use farcast_core::config::{Access, Egress};
use farcast_sim::wish::{Video, Wish};
use farcast_sim::world::World;

/// When the publisher is asked for keyframes while twenty viewers a second join for two seconds.
fn asked_by_a_crowd(egress: Egress) -> Vec<Instant> {
    let mut world = World::new(5, Duration::from_millis(10));
    let edges = ["edge1", "edge2"].map(|name| world.add_node(name, &[], Access::Open));
    let origin = world.add_node("origin", &edges, Access::Open);
    for node in edges.into_iter().chain([origin]) {
        world.configure(node, |config| config.egress = egress);
    }
    world.run_for(Duration::from_millis(300));
    let publish = Wish { publishes: true, audio: true, video: Video::Vp8 };
    let play = Wish { publishes: false, audio: true, video: Video::All };
    let camera = world.join(origin, "/whip/stream1", publish).expect("free");
    world.run_for(Duration::from_secs(2));
    let start = world.now();
    for n in 0..40 {
        world.join(edges[n % 2], "/whep/stream1", play).expect("live");
        world.run_for(Duration::from_millis(50));
    }
    world.peer(camera).keyframes_asked().iter().copied().filter(|at| *at >= start).collect()
}

#[test]
fn a_crowd_that_needs_keyframes_costs_the_publisher_two_requests_a_second() {
    let asked = asked_by_a_crowd(Egress::Str0m);
    assert!((3..=5).contains(&asked.len()), "{} requests in two seconds", asked.len());
    let gap = asked.windows(2).map(|pair| pair[1] - pair[0]).min().expect("several");
    assert!(gap >= Duration::from_millis(499), "{gap:?}");
}

#[test]
fn a_crowd_that_begins_in_the_past_costs_a_request_every_two_seconds() {
    let asked = asked_by_a_crowd(Egress::Own);
    // One for the first, perhaps one that was wished before it had come, one after two seconds.
    assert!((1..=3).contains(&asked.len()), "{} requests in two seconds", asked.len());
}
