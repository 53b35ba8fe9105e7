//! Several cores of one node share the work, and nobody outside notices.

use std::time::Duration;

use farcast_core::config::Access;
use farcast_sim::memory;
use farcast_sim::plan::Plan;
use farcast_sim::story::Story;
use farcast_sim::viewer::gaps;
use farcast_sim::wish::{Video, Wish};
use farcast_sim::world::{NodeIndex, PeerIndex, World};

const PUBLISH: Wish = Wish { publishes: true, audio: true, video: Video::Vp8 };
const PLAY: Wish = Wish { publishes: false, audio: true, video: Video::All };
/// Of one way.
const DELAY: Duration = Duration::from_millis(10);

/// A world with one node of so many cores, and a camera on it.
fn world(seed: u8, cores: usize) -> (World, NodeIndex, PeerIndex) {
    let mut world = World::new(seed, DELAY);
    let node = world.add_node("origin", &[], Access::Open);
    world.configure(node, |config| config.cores = cores);
    world.run_for(Duration::from_millis(300));
    let camera = world.join(node, "/whip/stream1", PUBLISH).expect("free");
    world.run_for(Duration::from_secs(2));
    (world, node, camera)
}

#[test]
fn viewers_on_all_cores_see_the_same_as_on_one() {
    let shown = |cores| {
        let (mut world, node, _) = world(7, cores);
        let join = |world: &mut World| {
            let viewer = world.join(node, "/whep/stream1", PLAY).expect("live");
            world.run_for(Duration::from_millis(100));
            viewer
        };
        let viewers: Vec<_> = (0..12).map(|_| join(&mut world)).collect();
        world.run_for(Duration::from_secs(3));
        let of_one = |viewer: &PeerIndex| world.peer(*viewer).received().len();
        viewers.iter().map(of_one).collect::<Vec<_>>()
    };
    let (one, four) = (shown(1), shown(4));
    for (one, four) in one.iter().zip(&four) {
        assert!(four.abs_diff(*one) <= one / 20, "{one} packets from one core, {four} from four");
    }
}

#[test]
fn a_crowd_on_many_cores_asks_the_publisher_as_seldom_as_on_one() {
    let (mut world, node, camera) = world(5, 8);
    let start = world.now();
    for _ in 0..40 {
        world.join(node, "/whep/stream1", PLAY).expect("live");
        world.run_for(Duration::from_millis(50));
    }
    let asked = world.peer(camera).keyframes_asked();
    let asked = asked.iter().filter(|at| **at >= start).count();
    assert!((1..=4).contains(&asked), "{asked} requests in two seconds");
}

#[test]
fn when_the_publisher_comes_back_everybody_goes_on() {
    for seed in 1..=6 {
        let (mut world, node, camera) = world(seed, 3);
        let viewers: Vec<_> =
            (0..6).map(|_| world.join(node, "/whep/stream1", PLAY).expect("live")).collect();
        world.run_for(Duration::from_secs(1));
        world.close_peer(camera);
        world.run_for(Duration::from_secs(1));
        world.join(node, "/whip/stream1", PUBLISH).expect("free again");
        world.run_for(Duration::from_secs(1));
        let before: Vec<_> = viewers.iter().map(|one| world.peer(*one).received().len()).collect();
        world.run_for(Duration::from_secs(2));
        for (viewer, before) in viewers.iter().zip(before) {
            let packets = world.peer(*viewer).received().len() - before;
            assert!(packets >= 200, "seed {seed}: {packets} packets in two seconds");
        }
    }
}

/// The longest time that somebody saw the same picture while publisher and viewers roamed.
fn stood_still(seed: u64, cores: usize) -> Duration {
    let story = Story::named("publisher-roams").expect("it comes with the program");
    let mut plan = Plan::new(story, seed).expect("it can be");
    plan.nodes.iter_mut().for_each(|node| node.config.cores = cores);
    let told = memory::tell(&plan, false, &|_| {}).expect("it can be told");
    let still = told.evidence.people.iter().flat_map(|one| gaps(&one.frames));
    still.map(|(_, gap)| gap).max().expect("there are viewers")
}

#[test]
fn whoever_roams_is_away_no_longer_than_on_one_core() {
    for seed in 1..=4 {
        let (one, four) = (stood_still(seed, 1), stood_still(seed, 4));
        println!("seed {seed}: {one:?} on one core, {four:?} on four");
        assert!(four <= one + Duration::from_millis(34), "seed {seed}: {four:?}, not {one:?}");
    }
}
