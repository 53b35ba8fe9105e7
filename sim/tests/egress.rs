//! Our own egress beside str0m's: the same goes in, and viewers get the same out.

use std::time::{Duration, SystemTime};

use farcast_core::config::{Access, Egress};
use farcast_sim::peer::Received;
use farcast_sim::wish::{Video, Wish};
use farcast_sim::world::World;
use str0m::media::MediaKind;

/// When everybody has caught up: our own egress begins with what was filmed before somebody joined.
const LIVE: Duration = Duration::from_millis(4_000);

/// What a viewer is shown of one frame. How many packets it has depends on who has asked for
/// keyframes.
#[derive(Debug, PartialEq)]
struct Shown {
    at: Duration,
    timestamp: u32,
    captured: Duration,
    capture_time: Option<SystemTime>,
    playout_delay: Option<(u64, u64)>,
}

/// What two viewers are shown, each by its kinds of tracks, of whom one comes late.
fn shown(egress: Egress, video: Video, seed: u8) -> Vec<Vec<Shown>> {
    let mut world = World::new(seed, Duration::from_millis(15));
    let edge = world.add_node("edge", &[], Access::Open);
    let origin = world.add_node("origin", &[edge], Access::Open);
    for node in [edge, origin] {
        world.configure(node, |config| config.egress = egress);
    }
    world.run_for(Duration::from_millis(300));
    let publish = Wish { publishes: true, audio: true, video };
    world.join(origin, "/whip/stream1", publish).expect("a free name");
    world.run_for(Duration::from_secs(2));
    let play = Wish { publishes: false, audio: true, video: Video::All };
    let early = world.join(origin, "/whep/stream1", play).expect("live");
    world.run_for(Duration::from_secs(1));
    let late = world.join(edge, "/whep/stream1", play).expect("live");
    world.run_for(Duration::from_secs(3));
    let start = world.origin();
    let mut all = Vec::new();
    for viewer in [early, late] {
        let received = world.peer(viewer).received();
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let is_live = |packet: &&Received| packet.kind == kind && packet.captured >= LIVE;
            let track: Vec<_> = received.iter().filter(is_live).collect();
            assert!(track.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
            let show = |packet: &&Received| Shown {
                at: packet.at - start,
                timestamp: packet.timestamp,
                captured: packet.captured,
                capture_time: packet.capture_time,
                playout_delay: packet.playout_delay,
            };
            let mut frames: Vec<Shown> = track.iter().map(show).collect();
            // When a frame begins: what of it is more than a heap follows, as the pacer lets it.
            frames.dedup_by_key(|shown| (shown.timestamp, shown.captured));
            all.push(frames);
        }
    }
    all
}

#[test]
fn both_egresses_show_the_same() {
    for (video, seed) in [(Video::Vp8, 1), (Video::H264, 2), (Video::Vp9, 3), (Video::Av1, 4)] {
        let (own, oracle) = (shown(Egress::Own, video, seed), shown(Egress::Str0m, video, seed));
        for (own, oracle) in own.iter().zip(&oracle) {
            assert!(own.len() > 50, "{} frames", own.len());
            let differing = own.iter().zip(oracle).find(|(own, oracle)| own != oracle);
            assert_eq!((own.len(), differing), (oracle.len(), None), "seed {seed}");
        }
    }
}
