//! A publisher that leaves and comes back: what its viewers see and hear.

use std::time::Duration;

use farcast_core::config::Access;
use farcast_core::machine::ConnectionId;
use farcast_sim::wish::{Video, Wish};
use farcast_sim::world::{NodeIndex, PeerIndex, World};
use serde_json::{Value, json};
use str0m::format::Codec;
use str0m::media::MediaKind;

const DELAY: Duration = Duration::from_millis(5);
const PLAY: Wish = Wish { publishes: false, audio: true, video: Video::All };

fn publish(video: Video) -> Wish {
    Wish { publishes: true, audio: true, video }
}

/// An origin with one edge, `stream1` on both, a WHEP viewer and an SDK viewer at the edge.
struct Scene {
    world: World,
    origin: NodeIndex,
    edge: NodeIndex,
    camera: PeerIndex,
    whep: PeerIndex,
    sdk: PeerIndex,
    socket: ConnectionId,
    session: Value,
}

impl Scene {
    fn new() -> Scene {
        let mut world = World::new(3, DELAY);
        let edge = world.add_node("edge1", &[], Access::Open);
        let origin = world.add_node("origin", &[edge], Access::Open);
        let camera = world.join(origin, "/whip/stream1", publish(Video::Vp8)).expect("free");
        world.run_for(Duration::from_secs(1));
        let whep = world.join(edge, "/whep/stream1", PLAY).expect("live");
        let socket = world.open(edge);
        let (sdk, session) = play(&mut world, edge, socket);
        world.run_for(Duration::from_secs(1));
        world.heard(socket);
        Scene { world, origin, edge, camera, whep, sdk, socket, session }
    }

    fn packets(&self, viewer: PeerIndex) -> usize {
        self.world.peer(viewer).received().len()
    }
}

fn play(world: &mut World, node: NodeIndex, socket: ConnectionId) -> (PeerIndex, Value) {
    let (mut peer, sdp) = world.new_peer(PLAY);
    let message = json!({ "type": "play", "id": "9", "stream": "stream1", "sdp": sdp });
    world.say(node, socket, &message);
    let answers = world.heard(socket);
    let answer = answers.iter().find(|m| m["type"] == "answer").expect("an answer at once");
    peer.accept(world.now(), answer["sdp"].as_str().expect("SDP"));
    (world.add_peer(peer), answer["session"].clone())
}

fn types(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message["type"].as_str().expect("every message has one"))
        .collect()
}

#[test]
fn with_the_same_codec_the_picture_goes_on_in_the_same_session() {
    let mut scene = Scene::new();
    scene.world.close_peer(scene.camera);
    scene.world.run_for(Duration::from_secs(3));
    let heard = scene.world.heard(scene.socket);
    assert_eq!(types(&heard), ["status"]);
    assert_eq!((&heard[0]["state"], &heard[0]["session"]), (&json!("waiting"), &scene.session));
    let before = [scene.packets(scene.whep), scene.packets(scene.sdk)];
    scene.world.join(scene.origin, "/whip/stream1", publish(Video::Vp8)).expect("free again");
    scene.world.run_for(Duration::from_secs(2));
    let heard = scene.world.heard(scene.socket);
    assert_eq!((types(&heard), &heard[0]["state"]), (vec!["status"], &json!("playing")));
    for (viewer, before) in [scene.whep, scene.sdk].into_iter().zip(before) {
        assert!(scene.packets(viewer) > before + 100);
        let received = scene.world.peer(viewer).received();
        let video: Vec<_> = received.iter().filter(|p| p.kind == MediaKind::Video).collect();
        assert!(video.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
        assert!(video.windows(2).all(|pair| pair[1].timestamp >= pair[0].timestamp));
    }
}

#[test]
fn with_another_codec_the_sdk_plays_anew_and_whep_ends() {
    let mut scene = Scene::new();
    scene.world.close_peer(scene.camera);
    scene.world.run_for(Duration::from_secs(1));
    scene.world.join(scene.origin, "/whip/stream1", publish(Video::H264)).expect("free again");
    scene.world.run_for(Duration::from_secs(2));
    assert!(scene.world.peer(scene.whep).is_closed());
    let heard = scene.world.heard(scene.socket);
    assert_eq!(types(&heard), ["status", "renegotiate"]);
    assert_eq!(heard[1]["session"], scene.session);
    let (anew, _) = play(&mut scene.world, scene.edge, scene.socket);
    let stop = json!({ "type": "stop", "id": "1", "session": scene.session });
    scene.world.say(scene.edge, scene.socket, &stop);
    scene.world.run_for(Duration::from_secs(2));
    assert!(scene.world.peer(anew).received().iter().any(|packet| packet.codec == Codec::H264));
    let heard = scene.world.heard(scene.socket);
    assert_eq!(types(&heard), ["stopped", "connected"]);
}

#[test]
fn a_publisher_that_stays_away_ends_its_viewers_who_hear_when_it_is_back() {
    let mut scene = Scene::new();
    scene.world.close_peer(scene.camera);
    scene.world.run_for(Duration::from_secs(12));
    assert!(scene.world.peer(scene.whep).is_closed());
    assert!(scene.world.peer(scene.sdk).is_closed());
    assert_eq!(types(&scene.world.heard(scene.socket)), ["status", "ended"]);
    scene.world.join(scene.origin, "/whip/stream1", publish(Video::Vp8)).expect("free again");
    scene.world.run_for(Duration::from_secs(1));
    let heard = scene.world.heard(scene.socket);
    assert_eq!((types(&heard), &heard[0]["stream"]), (vec!["published"], &json!("stream1")));
}

#[test]
fn a_name_is_held_while_its_publisher_lives_and_free_when_it_sleeps() {
    let mut scene = Scene::new();
    let refused =
        scene.world.join(scene.origin, "/whip/stream1", publish(Video::Vp8)).expect_err("held");
    assert_eq!(refused.status, 409);
    let body = String::from_utf8(refused.body).expect("text");
    assert!(body.contains("origin"), "{body}");
    let refused =
        scene.world.join(scene.edge, "/whip/stream1", publish(Video::Vp8)).expect_err("held");
    assert_eq!(refused.status, 409);
    scene.world.drop_peer(scene.camera);
    scene.world.run_for(Duration::from_secs(6));
    let again = scene.world.join(scene.origin, "/whip/stream1", publish(Video::Vp8));
    assert!(again.is_ok(), "a sleeping publisher's place is taken");
    let before = scene.packets(scene.whep);
    scene.world.run_for(Duration::from_secs(3));
    assert!(scene.packets(scene.whep) > before + 100);
}

#[test]
fn a_name_that_an_edge_holds_is_refused_at_the_origin_with_the_edges_name() {
    let mut world = World::new(4, DELAY);
    let edge = world.add_node("edge1", &[], Access::Open);
    let origin = world.add_node("origin", &[edge], Access::Open);
    world.join(edge, "/whip/lot7", publish(Video::Vp8)).expect("free");
    world.run_for(Duration::from_secs(3));
    let refused = world.join(origin, "/whip/lot7", publish(Video::Vp8)).expect_err("held");
    assert_eq!(refused.status, 409);
    assert!(String::from_utf8(refused.body).expect("text").contains("edge1"));
}
