//! Sessions over byte streams: viewers and relay links without UDP, and lines that are too slow.

use std::time::Duration;

use farcast_core::config::Access;
use farcast_core::http::Method;
use farcast_core::report::Report;
use farcast_sim::peer::Received;
use farcast_sim::viewer::{Frame, Viewer, gaps};
use farcast_sim::wish::{Video, Wish};
use farcast_sim::world::{NodeIndex, PeerIndex, World};
use str0m::media::MediaKind;

const DELAY: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);
/// How long a peer made of str0m may take to nominate another way: its longest pause.
const NOMINATION: Duration = Duration::from_secs(3);
const PUBLISH: Wish = Wish { publishes: true, audio: true, video: Video::Vp8 };
const PLAY: Wish = Wish { publishes: false, audio: true, video: Video::All };

/// A node that takes ICE over TCP, with a stream.
fn live(seed: u8) -> (World, NodeIndex) {
    let mut world = World::new(seed, DELAY);
    let node = world.add_node("origin", &[], Access::Open);
    world.listen(node);
    world.join(node, "/whip/stream1", PUBLISH).expect("a free name");
    world.run_for(SECOND);
    (world, node)
}

/// A viewer behind a firewall that lets nothing but TCP pass.
fn behind_tcp(world: &mut World, node: NodeIndex) -> PeerIndex {
    let viewer = world.join(node, "/whep/stream1", PLAY).expect("live");
    world.block_udp(viewer);
    world.dial(viewer, node);
    viewer
}

/// The pictures that somebody saw since `start`.
fn frames(world: &World, viewer: PeerIndex, start: Duration) -> Vec<Frame> {
    let mut screen = Viewer::default();
    for packet in world.peer(viewer).received().iter().filter(|p| p.kind == MediaKind::Video) {
        let at = packet.at - world.origin();
        let Received { sequence, timestamp, stamp, marker, .. } = *packet;
        screen.take(at, sequence, timestamp, stamp, marker);
    }
    screen.shown().iter().filter(|frame| frame.shown >= start).copied().collect()
}

fn sounds(world: &World, viewer: PeerIndex) -> usize {
    world.peer(viewer).received().iter().filter(|p| p.kind == MediaKind::Audio).count()
}

#[test]
fn a_viewer_over_ice_tcp_alone_gets_pictures_and_sound() {
    let (mut world, node) = live(1);
    let viewer = behind_tcp(&mut world, node);
    let start = world.time();
    world.run_for(SECOND * 3);
    let frames = frames(&world, viewer, start);
    assert!(frames.len() > 60, "{} frames", frames.len());
    assert!(sounds(&world, viewer) > 100);
    let live = frames.iter().filter(|frame| frame.captured > start + SECOND);
    let worst = live.map(Frame::latency).max().expect("some");
    assert!(worst < DELAY * 5, "{worst:?}");
    world.close_peer(viewer);
    world.run_for(SECOND);
    let ended = |report: &Report| matches!(report, Report::SessionEnded { role: "viewer", .. });
    assert!(world.reports(node).any(ended));
    assert_eq!(world.open_streams(), 0, "a session that ends takes its streams along");
}

#[test]
fn a_squeezed_stream_freezes_the_picture_but_latency_does_not_grow() {
    let (mut world, node) = live(2);
    let viewer = behind_tcp(&mut world, node);
    let other = world.join(node, "/whep/stream1", PLAY).expect("live");
    world.run_for(SECOND * 2);
    let start = world.time();
    world.squeeze(viewer, Some(1_150_000.0));
    world.run_for(SECOND * 10);
    world.squeeze(viewer, None);
    let end = world.time();
    world.run_for(SECOND * 4);
    let seen = frames(&world, viewer, start);
    let worst = seen.iter().map(Frame::latency).max().expect("some");
    assert!(worst < SECOND, "{worst:?}");
    let during = seen.iter().filter(|frame| frame.shown < end).count();
    assert!(during > 15, "{during} frames while it was slow");
    let back = seen.iter().filter(|frame| frame.shown > end + SECOND).count();
    assert!(back > 85, "{back} frames afterwards");
    let unharmed = frames(&world, other, start);
    let longest = gaps(&unharmed).map(|(_, gap)| gap).max().expect("some");
    assert!(longest < Duration::from_millis(100), "{longest:?}");
    let asked = |report: &&Report| matches!(report, Report::KeyframeAsked { .. });
    let keyframes = world.reports(node).filter(asked).count();
    assert!(keyframes <= 18, "{keyframes} keyframes in 17 seconds");
}

#[test]
fn a_viewer_whose_udp_dies_goes_on_over_tcp() {
    let (mut world, node) = live(3);
    let viewer = world.join(node, "/whep/stream1", PLAY).expect("live");
    world.dial(viewer, node);
    world.run_for(SECOND * 2);
    let died = world.time();
    assert!(frames(&world, viewer, died - SECOND).len() > 25);
    world.block_udp(viewer);
    world.run_for(SECOND * 3);
    assert!(frames(&world, viewer, died + DELAY * 2).is_empty());
    world.forsake_udp(viewer);
    world.run_for(SECOND * 5);
    let frames = frames(&world, viewer, died + SECOND * 3);
    let pause = frames[0].shown - (died + SECOND * 3);
    assert!(pause < NOMINATION + DELAY * 5, "{pause:?}");
    assert!(frames.len() > 55, "{} frames", frames.len());
    let ended = |report: &Report| matches!(report, Report::SessionEnded { .. });
    assert!(!world.reports(node).any(ended));
}

#[test]
fn a_relay_link_without_udp_connects_over_tcp_and_says_so() {
    let mut world = World::new(4, DELAY);
    let edge = world.add_node("edge1", &[], Access::Open);
    world.listen(edge);
    let origin = world.add_node("origin", &[edge], Access::Open);
    world.block_udp_at(edge);
    world.join(origin, "/whip/stream1", PUBLISH).expect("free");
    world.run_for(SECOND * 3);
    let told = world.reports(origin).find_map(|report| match report {
        Report::RelayOverTcp { .. } => Some(report.to_string()),
        _ => None,
    });
    assert_eq!(told.as_deref(), Some("link to edge1 runs over TCP (stream1): is UDP blocked?"));
    let viewer = world.join(edge, "/whep/stream1", PLAY).expect("the edge has it");
    world.dial(viewer, edge);
    let start = world.time();
    world.run_for(SECOND * 3);
    assert!(frames(&world, viewer, start).len() > 60);
    let load = world.ask(origin, Method::Get, "/v1/load", &[], "");
    let load: serde_json::Value = serde_json::from_slice(&load.body).expect("JSON");
    assert_eq!(load["relays_over_tcp"], 1);
}

#[test]
fn a_relay_link_with_udp_makes_no_stream() {
    let mut world = World::new(5, DELAY);
    let edge = world.add_node("edge1", &[], Access::Open);
    world.listen(edge);
    let origin = world.add_node("origin", &[edge], Access::Open);
    world.join(origin, "/whip/stream1", PUBLISH).expect("free");
    world.run_for(SECOND * 3);
    let is = |wanted: &str| world.reports(origin).any(|report| report.name() == wanted);
    assert!(is("relay_up") && !is("relay_over_tcp"));
    assert_eq!(world.open_streams(), 0);
}
