//! How a viewer begins, and that it goes on for long, with our own egress.

use std::time::Duration;

use farcast_core::config::Access;
use farcast_core::limits;
use farcast_sim::peer::Received;
use farcast_sim::wish::{Video, Wish};
use farcast_sim::world::{PeerIndex, World};
use str0m::media::MediaKind;

const DELAY: Duration = Duration::from_millis(20);
const PLAY: Wish = Wish { publishes: false, audio: true, video: Video::All };

/// A world with a publisher who was asked for a keyframe when it began, at about 0.3 s.
fn live(seed: u8) -> (World, PeerIndex) {
    let mut world = World::new(seed, DELAY);
    let node = world.add_node("node", &[], Access::Open);
    world.run_for(Duration::from_millis(100));
    let publish = Wish { publishes: true, audio: true, video: Video::Vp8 };
    let camera = world.join(node, "/whip/stream1", publish).expect("a free name");
    world.run_for(Duration::from_millis(1_500));
    (world, camera)
}

fn pictures(world: &World, viewer: PeerIndex) -> Vec<&Received> {
    let received = world.peer(viewer).received();
    received.iter().filter(|packet| packet.kind == MediaKind::Video).collect()
}

#[test]
fn a_viewer_begins_with_the_latest_keyframe_and_catches_up_without_asking_the_publisher() {
    let (mut world, camera) = live(1);
    let asked = world.peer(camera).keyframes_asked().len();
    let viewer = world.join(0, "/whep/stream1", PLAY).expect("live");
    let mut connected = None;
    for _ in 0..400 {
        world.run_for(Duration::from_millis(5));
        if connected.is_none() && world.peer(viewer).is_connected() {
            connected = Some(world.time());
        }
    }
    let connected = connected.expect("it connects");
    let start = world.origin();
    let pictures = pictures(&world, viewer);
    let first = pictures[0];
    assert!(first.stamp.keyframe && first.captured + DELAY < connected);
    let waited = (first.at - start).saturating_sub(connected);
    assert!(waited <= DELAY + Duration::from_millis(10), "{waited:?} after it was connected");
    assert!(pictures.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));

    let late =
        |packet: &&&Received| (packet.at - start) - packet.captured > DELAY * 2 + limits::PACE;
    let last_late = pictures.iter().rev().find(late).expect("it has begun in the past");
    assert!(last_late.at - first.at <= Duration::from_millis(500), "it catches up");
    let requests = world.peer(camera).keyframes_asked().len() - asked;
    assert!(requests <= 1, "{requests}: none to begin, one when the keyframe had got too old");
}

#[test]
fn whoever_begins_at_the_last_moment_misses_nothing() {
    for step in 0..12 {
        let (mut world, _) = live(step);
        world.run_for(Duration::from_millis(50) * u32::from(step));
        let viewer = world.join(0, "/whep/stream1", PLAY).expect("live");
        world.run_for(Duration::from_secs(2));
        let pictures = pictures(&world, viewer);
        assert!(pictures[0].stamp.keyframe, "step {step}");
        let frames: Vec<u32> = pictures.iter().map(|packet| packet.stamp.frame).collect();
        let hole = frames.windows(2).find(|pair| pair[1] > pair[0] + 1);
        assert_eq!(hole, None, "step {step}");
    }
}

#[test]
fn numbers_that_wrap_are_opened_like_all_others() {
    let (mut world, _) = live(2);
    let viewer = world.join(0, "/whep/stream1", PLAY).expect("live");
    let mut minutes = 0;
    while pictures(&world, viewer).last().is_none_or(|packet| packet.sequence < (1 << 16) + 5_000) {
        world.run_for(Duration::from_secs(60));
        minutes += 1;
        assert!(minutes < 10, "packets stopped at a wrap");
    }
    let pictures = pictures(&world, viewer);
    assert!(pictures[0].sequence < 1 << 15);
    assert!(pictures.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
}
