//! What many viewers of one node get, and in what order it leaves.

use std::time::Duration;

use farcast_core::config::Access;
use farcast_core::limits;
use farcast_core::report::Report;
use farcast_sim::peer::Received;
use farcast_sim::wish::{Video, Wish};
use farcast_sim::world::World;
use str0m::media::MediaKind;

const VIEWERS: usize = 40;
/// A frame for one viewer, at most.
const FRAME: u64 = 32 * 1024;

#[test]
fn a_burst_leaves_viewer_by_viewer_and_reaches_everybody_once() {
    let mut world = World::new(1, Duration::from_millis(10));
    let node = world.add_node("node", &[], Access::Open);
    world.run_for(Duration::from_millis(100));
    let publish = Wish { publishes: true, audio: false, video: Video::Vp8 };
    world.join(node, "/whip/stream1", publish).expect("a free name");
    world.run_for(Duration::from_secs(1));
    let play = Wish { publishes: false, audio: false, video: Video::All };
    let mut join = || world.join(node, "/whep/stream1", play).expect("live");
    let viewers: Vec<_> = (0..VIEWERS).map(|_| join()).collect();
    world.run_for(Duration::from_secs(2));
    let live = world.now();
    world.run_for(Duration::from_secs(1));

    let of_viewer = |viewer| {
        let received = world.peer(viewer).received();
        let is_live = |packet: &&Received| packet.kind == MediaKind::Video && packet.at > live;
        let seen = |packet: &Received| (packet.stamp.frame, packet.stamp.part, packet.at);
        received.iter().filter(is_live).map(seen).collect::<Vec<_>>()
    };
    let first = of_viewer(viewers[0]);
    assert!(first.len() > 100, "{} packets", first.len());
    assert!(viewers[1..].iter().all(|viewer| of_viewer(*viewer) == first));

    let reports = world.timed_reports(node).iter().filter(|(at, _)| *at > live);
    let bursts = reports.filter_map(|(_, report)| match report {
        Report::Forwarded { bytes, .. } => Some(*bytes),
        _ => None,
    });
    let bursts: Vec<_> = bursts.collect();
    let largest = bursts.iter().max().expect("it forwards");
    assert!(*largest < limits::OUTBOX as u64 + FRAME, "{largest} bytes waited for each other");
    assert!(bursts.len() > 100, "{} for 30 frames to {VIEWERS} viewers", bursts.len());
}
