//! Wishes for keyframes are merged at every hop.

use std::time::Duration;

use farcast_core::config::Access;
use farcast_sim::wish::{Video, Wish};
use farcast_sim::world::World;

#[test]
fn a_crowd_of_joiners_costs_the_publisher_two_requests_a_second() {
    let mut world = World::new(5, Duration::from_millis(10));
    let edges = ["edge1", "edge2"].map(|name| world.add_node(name, &[], Access::Open));
    let origin = world.add_node("origin", &edges, Access::Open);
    let publish = Wish { publishes: true, audio: true, video: Video::Vp8 };
    let play = Wish { publishes: false, audio: true, video: Video::All };
    let camera = world.join(origin, "/whip/stream1", publish).expect("free");
    world.run_for(Duration::from_secs(2));
    let start = world.now();
    for n in 0..40 {
        world.join(edges[n % 2], "/whep/stream1", play).expect("live");
        world.run_for(Duration::from_millis(50));
    }
    let asked: Vec<_> =
        world.peer(camera).keyframes_asked().iter().filter(|at| **at >= start).collect();
    assert!((3..=5).contains(&asked.len()), "{} requests in two seconds", asked.len());
    let gap = asked.windows(2).map(|pair| *pair[1] - *pair[0]).min().expect("several");
    assert!(gap >= Duration::from_millis(499), "{gap:?}");
}
