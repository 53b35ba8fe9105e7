//! However signalling goes, no session stays half open: when everybody is gone or silent, the node
//! has forgotten all of them.

use std::time::Duration;

use farcast_core::config::Access;
use farcast_core::http::Method;
use farcast_core::machine::ConnectionId;
use farcast_core::report::Report;
use farcast_sim::wish::{Video, Wish};
use farcast_sim::world::{NodeIndex, PeerIndex, World};
use proptest::prelude::*;
use serde_json::json;

const SDP: (&str, &str) = ("content-type", "application/sdp");
const PUBLISH: Wish = Wish { publishes: true, audio: true, video: Video::Vp8 };
const PLAY: Wish = Wish { publishes: false, audio: true, video: Video::All };
/// Longer than every time-out of a node put together.
const LONG: Duration = Duration::from_secs(60);

/// What somebody does; the numbers choose among the streams, sockets, peers there are.
#[derive(Debug, Clone)]
enum Step {
    Publish { stream: u8, follows: bool },
    Play { stream: u8, follows: bool },
    Open,
    SayOffer { socket: u8, stream: u8, publishes: bool, follows: bool },
    SayRubbish { socket: u8 },
    Leave { socket: u8, clean: bool },
    Delete { session: u8 },
    Close { peer: u8 },
    Vanish { peer: u8 },
    Wait { millis: u16 },
}

fn step() -> impl Strategy<Value = Step> {
    let (small, flag) = (0u8..3, any::<bool>);
    prop_oneof![
        (small.clone(), flag()).prop_map(|(stream, follows)| Step::Publish { stream, follows }),
        (small.clone(), flag()).prop_map(|(stream, follows)| Step::Play { stream, follows }),
        Just(Step::Open),
        (small.clone(), small.clone(), flag(), flag()).prop_map(
            |(socket, stream, publishes, follows)| Step::SayOffer {
                socket,
                stream,
                publishes,
                follows
            }
        ),
        small.clone().prop_map(|socket| Step::SayRubbish { socket }),
        (small.clone(), flag()).prop_map(|(socket, clean)| Step::Leave { socket, clean }),
        small.clone().prop_map(|session| Step::Delete { session }),
        small.clone().prop_map(|peer| Step::Close { peer }),
        small.prop_map(|peer| Step::Vanish { peer }),
        (0u16..3_000).prop_map(|millis| Step::Wait { millis }),
    ]
}

struct Scene {
    world: World,
    node: NodeIndex,
    sockets: Vec<ConnectionId>,
    locations: Vec<String>,
    peers: Vec<PeerIndex>,
}

impl Scene {
    fn new(seed: u8) -> Scene {
        let mut world = World::new(seed, Duration::from_millis(5));
        let edge = world.add_node("edge1", &[], Access::Open);
        let node = world.add_node("origin", &[edge], Access::Open);
        world.run_for(Duration::from_millis(100));
        Scene { world, node, sockets: vec![], locations: vec![], peers: vec![] }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Publish { stream, follows } => self.post("whip", stream, PUBLISH, follows),
            Step::Play { stream, follows } => self.post("whep", stream, PLAY, follows),
            Step::Open => self.sockets.push(self.world.open(self.node)),
            Step::SayOffer { socket, stream, publishes, follows } => {
                self.say_offer(socket, stream, publishes, follows);
            }
            Step::SayRubbish { socket } => {
                if let Some(socket) = self.sockets.get(usize::from(socket)) {
                    self.world.say(self.node, *socket, &json!({ "type": "restart" }));
                }
            }
            Step::Leave { socket, clean } => {
                if usize::from(socket) < self.sockets.len() {
                    let socket = self.sockets.remove(usize::from(socket));
                    self.world.leave(self.node, socket, clean);
                }
            }
            Step::Delete { session } => {
                if let Some(path) = self.locations.get(usize::from(session)).cloned() {
                    self.world.ask(self.node, Method::Delete, &path, &[], "");
                }
            }
            Step::Close { peer } => {
                if let Some(peer) = self.peers.get(usize::from(peer)) {
                    self.world.close_peer(*peer);
                }
            }
            Step::Vanish { peer } => {
                if let Some(peer) = self.peers.get(usize::from(peer)) {
                    self.world.drop_peer(*peer);
                }
            }
            Step::Wait { millis } => self.world.run_for(Duration::from_millis(millis.into())),
        }
    }

    fn post(&mut self, protocol: &str, stream: u8, wish: Wish, follows: bool) {
        let (mut peer, offer) = self.world.new_peer(wish);
        let path = format!("/{protocol}/stream{stream}");
        let reply = self.world.ask(self.node, Method::Post, &path, &[SDP], &offer);
        let Some(location) = reply.header("location") else { return };
        self.locations.push(location.to_owned());
        if follows {
            peer.accept(self.world.now(), &String::from_utf8(reply.body).expect("text"));
            self.peers.push(self.world.add_peer(peer));
        }
    }

    fn say_offer(&mut self, socket: u8, stream: u8, publishes: bool, follows: bool) {
        let Some(socket) = self.sockets.get(usize::from(socket)).copied() else { return };
        let wish = if publishes { PUBLISH } else { PLAY };
        let (mut peer, sdp) = self.world.new_peer(wish);
        let kind = if publishes { "publish" } else { "play" };
        let name = format!("stream{stream}");
        let message = json!({ "type": kind, "id": "1", "stream": name, "sdp": sdp });
        self.world.say(self.node, socket, &message);
        let heard = self.world.heard(socket);
        let Some(answer) = heard.iter().find(|message| message["type"] == "answer") else { return };
        if follows {
            peer.accept(self.world.now(), answer["sdp"].as_str().expect("SDP"));
            self.peers.push(self.world.add_peer(peer));
        }
    }

    /// Everybody is gone, some without a word.
    fn end(&mut self) {
        for peer in self.peers.clone() {
            self.world.drop_peer(peer);
        }
        for socket in std::mem::take(&mut self.sockets) {
            self.world.leave(self.node, socket, false);
        }
        self.world.run_for(LONG);
    }

    fn population(&self) -> Option<&Report> {
        let population = |report: &&Report| matches!(report, Report::Population { .. });
        self.world.reports(self.node).rev().find(population)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn signalling_never_leaves_a_half_open_session(
        seed in any::<u8>(),
        steps in prop::collection::vec(step(), 1..25),
    ) {
        let mut scene = Scene::new(seed);
        steps.iter().for_each(|step| scene.take(step));
        scene.end();
        let empty = Report::Population {
            publishers: 0, viewers: 0, relays: 0, connections: 0, streams: 0,
        };
        prop_assert_eq!(scene.population().unwrap_or(&empty), &empty);
        for location in &scene.locations.clone() {
            let reply = scene.world.ask(scene.node, Method::Delete, location, &[], "");
            prop_assert_eq!(reply.status, 404);
        }
    }
}
