//! The main job: a publisher at the origin, viewers at two edges.

use std::time::{Duration, SystemTime};

use farcast_core::config::{Access, Egress, PlayoutDelay, Stream};
use farcast_core::http::Method;
use farcast_core::limits;
use farcast_core::report::Report;
use farcast_sim::wish::{Video, Wish};
use farcast_sim::world::{NodeIndex, World};
use str0m::format::Codec;
use str0m::media::MediaKind;

const DELAY: Duration = Duration::from_millis(20);

fn publish(video: Video) -> Wish {
    Wish { publishes: true, audio: true, video }
}

fn play() -> Wish {
    Wish { publishes: false, audio: true, video: Video::All }
}

fn three_nodes() -> (World, NodeIndex, [NodeIndex; 2]) {
    let mut world = World::new(1, DELAY);
    let edges = ["edge1", "edge2"].map(|name| world.add_node(name, &[], Access::Open));
    let origin = world.add_node("origin", &edges, Access::Open);
    world.run_for(Duration::from_millis(200));
    (world, origin, edges)
}

#[test]
fn viewers_at_both_edges_see_what_the_origin_gets() {
    for (video, name) in [
        (Video::Vp8, Codec::Vp8),
        (Video::H264, Codec::H264),
        (Video::Vp9, Codec::Vp9),
        (Video::Av1, Codec::Av1),
    ] {
        let (mut world, origin, edges) = three_nodes();
        world.join(origin, "/whip/stream1", publish(video)).expect("a free name");
        world.run_for(Duration::from_secs(2));
        let viewers = edges.map(|edge| world.join(edge, "/whep/stream1", play()).expect("live"));
        world.run_for(Duration::from_secs(3));
        for viewer in viewers {
            let received = world.peer(viewer).received();
            for (kind, codec, least) in
                [(MediaKind::Video, name, 500), (MediaKind::Audio, Codec::Opus, 60)]
            {
                let track: Vec<_> = received.iter().filter(|p| p.kind == kind).collect();
                assert!(track.len() > least, "{codec}: {} packets", track.len());
                assert!(track.iter().all(|packet| packet.codec == codec), "{codec}");
                assert!(track[0].sequence < 65_536);
                assert!(track.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
            }
            let video = received.iter().find(|p| p.kind == MediaKind::Video).expect("video");
            assert_eq!(video.playout_delay, Some((0, 0)));
            for packet in received.iter().filter(|packet| packet.stamp.part == 0) {
                let carried = packet.capture_time.expect("it goes from hop to hop");
                let apart = carried.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
                // The wire's fractions of a second are powers of two.
                assert!(apart.abs_diff(packet.captured) < Duration::from_micros(2));
            }
        }
    }
}

#[test]
fn an_operator_says_how_long_the_frames_of_a_stream_wait() {
    for egress in [Egress::Own, Egress::Str0m] {
        let (mut world, origin, edges) = three_nodes();
        let wanted = |name: &str, most| Stream {
            name: name.parse().expect("a pattern"),
            playout_delay: PlayoutDelay::from_millis(50, most).ok(),
        };
        world.configure(edges[0], |config| {
            config.egress = egress;
            config.streams = vec![wanted("race-1", 200), wanted("race-*", 40_950)];
        });
        let mut told = |edge, name: &str| {
            world.join(origin, &format!("/whip/{name}"), publish(Video::Vp8)).expect("a free name");
            world.run_for(Duration::from_secs(2));
            let viewer = world.join(edge, &format!("/whep/{name}"), play()).expect("live");
            world.run_for(Duration::from_secs(1));
            let received = world.peer(viewer).received();
            let mut told: Vec<_> = received.iter().map(|packet| packet.playout_delay).collect();
            told.sort();
            told.dedup();
            told
        };
        // Sound does not wait.
        assert_eq!(told(edges[0], "race-1"), [None, Some((5, 20))]);
        assert_eq!(told(edges[0], "race-2"), [None, Some((5, 4_095))]);
        assert_eq!(told(edges[0], "quiz"), [None, Some((0, 0))]);
        assert_eq!(told(edges[1], "race-3"), [None, Some((0, 0))], "each node has its own say");
    }
}

#[test]
fn a_packet_is_late_by_its_three_wires_alone() {
    let (mut world, origin, edges) = three_nodes();
    let start = world.origin();
    let camera = world.join(origin, "/whip/stream1", publish(Video::Vp8)).expect("a free name");
    world.run_for(Duration::from_secs(2));
    let viewer = world.join(edges[0], "/whep/stream1", play()).expect("live");
    world.run_for(Duration::from_secs(2));
    assert!(world.peer(camera).is_connected());
    let received = world.peer(viewer).received();
    assert!(!received.is_empty());
    // It begins in the past, and catches up.
    let live = received[0].at - start + Duration::from_millis(500);
    let mut frame = None;
    for packet in received.iter().filter(|packet| packet.captured > live) {
        let late = packet.at - start - packet.captured;
        // Capture times travel in whole microseconds.
        let added = late.as_micros() - (DELAY * 3).as_micros();
        let is_first = frame.replace(packet.timestamp) != Some(packet.timestamp);
        // A large frame comes here in one heap, and does not leave in one.
        let most = if is_first { Duration::ZERO } else { limits::PACE };
        assert!(added <= most.as_micros(), "{added} us");
    }
}

#[test]
fn the_balancer_names_living_edges_in_turn() {
    let (mut world, origin, edges) = three_nodes();
    let ask = |world: &mut World| {
        let reply = world.ask(origin, Method::Get, "/?action=server_list", &[], "");
        let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        (reply.status, body)
    };
    let names: Vec<_> = (0..4).map(|_| ask(&mut world).1["name"].clone()).collect();
    assert_eq!(names, ["edge1", "edge2", "edge1", "edge2"]);
    let (_, answer) = ask(&mut world);
    assert_eq!(answer["server"], "10.77.1.1");
    assert_eq!(answer["ws"], "8080");
    world.kill(edges[0]);
    world.run_for(Duration::from_secs(3));
    for _ in 0..3 {
        assert_eq!(ask(&mut world).1["name"], "edge2");
    }
    world.kill(edges[1]);
    world.run_for(Duration::from_secs(3));
    assert_eq!(ask(&mut world).0, 503);
    world.start(edges[0]);
    world.run_for(Duration::from_millis(1_500));
    assert_eq!(ask(&mut world).1["name"], "edge1");
}

#[test]
fn a_restarted_edge_gets_the_stream_again() {
    let (mut world, origin, edges) = three_nodes();
    world.join(origin, "/whip/stream1", publish(Video::Vp8)).expect("a free name");
    world.run_for(Duration::from_secs(2));
    world.kill(edges[0]);
    world.run_for(Duration::from_millis(300));
    world.start(edges[0]);
    world.run_for(Duration::from_secs(4));
    let viewer = world.join(edges[0], "/whep/stream1", play()).expect("live again");
    world.run_for(Duration::from_secs(1));
    assert!(!world.peer(viewer).received().is_empty());
}

#[test]
fn relays_stop_when_the_publisher_leaves() {
    let (mut world, origin, edges) = three_nodes();
    let camera = world.join(origin, "/whip/stream1", publish(Video::Vp8)).expect("a free name");
    world.run_for(Duration::from_secs(2));
    world.close_peer(camera);
    world.run_for(Duration::from_secs(2));
    let stopped = |report: &&Report| matches!(report, Report::RelayStopped { .. });
    assert_eq!(world.reports(origin).filter(stopped).count(), 2);
    let refused = world.join(edges[0], "/whep/stream1", play()).expect_err("gone");
    assert_eq!(refused.status, 404);
    assert_eq!(refused.header("retry-after"), Some("1"));
}
