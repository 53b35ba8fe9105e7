//! Trees of nodes, and relays that should not be believed.

use std::time::Duration;

use farcast_core::config::Access;
use farcast_core::http::Method;
use farcast_sim::wish::{Video, Wish};
use farcast_sim::world::World;

const DELAY: Duration = Duration::from_millis(5);
const PUBLISH: Wish = Wish { publishes: true, audio: true, video: Video::Vp8 };
const PLAY: Wish = Wish { publishes: false, audio: true, video: Video::All };

#[test]
fn a_tree_of_three_levels_carries_the_stream_and_heals_in_the_middle() {
    let mut world = World::new(20, DELAY);
    let leaf = world.add_node("leaf", &[], Access::Open);
    let middle = world.add_node("middle", &[leaf], Access::Open);
    let root = world.add_node("root", &[middle], Access::Open);
    world.join(root, "/whip/stream1", PUBLISH).expect("free");
    world.run_for(Duration::from_secs(2));
    let viewer = world.join(leaf, "/whep/stream1", PLAY).expect("live");
    world.run_for(Duration::from_secs(2));
    assert!(world.peer(viewer).received().len() > 100);
    world.kill(middle);
    world.run_for(Duration::from_millis(500));
    world.start(middle);
    world.run_for(Duration::from_secs(6));
    let before = world.peer(viewer).received().len();
    world.run_for(Duration::from_secs(2));
    assert!(world.peer(viewer).received().len() > before + 100, "the picture is back");
}

#[test]
fn two_nodes_that_list_each_other_do_not_chase_a_stream_in_a_circle() {
    let mut world = World::new(21, DELAY);
    let one = world.add_node("one", &[], Access::Open);
    let two = world.add_node("two", &[one], Access::Open);
    world.add_edge(one, two);
    world.join(one, "/whip/stream1", PUBLISH).expect("free");
    world.run_for(Duration::from_secs(3));
    let viewer = world.join(two, "/whep/stream1", PLAY).expect("live");
    world.run_for(Duration::from_secs(3));
    assert!(world.peer(viewer).received().len() > 300, "nobody threw the publisher out");
}

#[test]
fn a_stranger_who_claims_to_be_a_relay_does_not_take_a_stream() {
    let mut world = World::new(22, DELAY);
    let edge = world.add_node("edge1", &[], Access::Open);
    let origin = world.add_node("origin", &[edge], Access::Open);
    world.join(origin, "/whip/stream1", PUBLISH).expect("free");
    world.run_for(Duration::from_secs(2));
    let (_, offer) = world.new_peer(PUBLISH);
    let (late, never) = ("1767225700000", "18446744073709551615");
    for (node, stream, epoch, status) in [
        (edge, "stream1", late, 409),
        (edge, "stream1", never, 400),
        (origin, "stream1", late, 409),
        // What claims to come from this node itself went in a circle.
        (origin, "stream2", late, 409),
    ] {
        let headers = [
            ("content-type", "application/sdp"),
            ("farcast-node", "origin"),
            ("farcast-sender", "origin"),
            ("farcast-epoch", epoch),
        ];
        let path = format!("/whip/{stream}");
        let reply = world.ask(node, Method::Post, &path, &headers, &offer);
        assert_eq!(reply.status, status, "{stream} {epoch}");
    }
}
