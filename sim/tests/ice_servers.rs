//! What clients are told of TURN servers, over WHIP, WHEP and the SDK's messages.

use std::time::Duration;

use farcast_core::config::{Access, IceServers, Secret};
use farcast_core::credential;
use farcast_core::http::{Method, Reply};
use farcast_sim::wish::{Video, Wish};
use farcast_sim::world::{NodeIndex, World};
use serde_json::{Value, json};

const SDP: (&str, &str) = ("content-type", "application/sdp");
const PUBLISH: Wish = Wish { publishes: true, audio: true, video: Video::Vp8 };
const PLAY: Wish = Wish { publishes: false, audio: true, video: Video::All };
const SECRET: &[u8] = b"shared with every TURN server";

fn world() -> (World, NodeIndex) {
    let mut world = World::new(31, Duration::from_millis(5));
    let node = world.add_node("origin", &[], Access::Open);
    world.configure(node, |config| {
        let urls = vec!["turn:{host}:443".to_owned(), "turns:turn.example.com:443".to_owned()];
        config.ice_servers = Some(IceServers { secret: Secret(SECRET.to_vec()), urls });
    });
    world.join(node, "/whip/stream1", PUBLISH).expect("the name is free");
    world.run_for(Duration::from_secs(2));
    (world, node)
}

fn played(world: &mut World, node: NodeIndex, headers: &[(&str, &str)]) -> Reply {
    let (_, offer) = world.new_peer(PLAY);
    world.ask(node, Method::Post, "/whep/stream1", headers, &offer)
}

fn links(reply: &Reply) -> Vec<String> {
    let links = reply.headers.iter().filter(|(name, _)| name == "link");
    links.map(|(_, value)| value.clone()).collect()
}

/// Whether a TURN server that shares the secret would let the bearer in.
fn opens(server: &Value) -> bool {
    let username = server["username"].as_str().expect("a name");
    let password = credential::password(&Secret(SECRET.to_vec()), username.as_bytes());
    server["credential"] == json!(password)
}

#[test]
fn whep_links_to_every_server_by_the_host_that_was_asked() {
    let (mut world, node) = world();
    let reply = played(&mut world, node, &[SDP, ("host", "edge1.example.com:8443")]);
    let links = links(&reply);
    assert_eq!(links.len(), 2);
    assert!(links[0].starts_with("<turn:edge1.example.com:443>; rel=\"ice-server\"; username=\""));
    assert!(links[1].starts_with("<turns:turn.example.com:443>; rel=\"ice-server\""));
    assert!(links[0].ends_with("credential-type=\"password\""));
}

#[test]
fn a_host_that_is_none_does_not_reach_the_answer() {
    let (mut world, node) = world();
    let reply = played(&mut world, node, &[SDP, ("host", "a>;evil=\"b")]);
    assert!(links(&reply).iter().all(|link| !link.contains("evil")));
}

#[test]
fn a_session_has_credentials_of_its_own_and_renews_them() {
    let (mut world, node) = world();
    let connection = world.open(node);
    let mut names = Vec::new();
    for id in ["1", "2"] {
        let (_, offer) = world.new_peer(PLAY);
        let play = json!({ "type": "play", "id": id, "stream": "stream1", "sdp": offer });
        world.say(node, connection, &play);
        let answer = world.heard(connection).pop().expect("an answer");
        assert_eq!((&answer["type"], &answer["iceServersTtl"]), (&json!("answer"), &json!(600)));
        assert_eq!(answer["iceServers"][0]["urls"][0], "turn:10.77.1.1:443");
        assert!(opens(&answer["iceServers"][0]));
        names.push(answer["iceServers"][0]["username"].clone());

        world.run_for(Duration::from_secs(3));
        let session = answer["session"].clone();
        let username = answer["iceServers"][0]["username"].as_str().expect("a name");
        let resource = session.as_str().expect("a session");
        assert!(!username.contains(resource), "the wire must not show what ends a session");
        world.say(node, connection, &json!({ "type": "renew", "id": "r", "session": session }));
        let renewed = world.heard(connection).pop().expect("an answer");
        assert_eq!((&renewed["type"], &renewed["id"]), (&json!("iceServers"), &json!("r")));
        assert!(opens(&renewed["iceServers"][0]));
        assert_ne!(renewed["iceServers"][0]["username"], answer["iceServers"][0]["username"]);
    }
    assert_ne!(names[0], names[1]);
}

#[test]
fn a_node_without_turn_servers_names_none() {
    let (mut world, node) = world();
    world.configure(node, |config| config.ice_servers = None);
    world.join(node, "/whip/stream1", PUBLISH).expect("the name is free");
    world.run_for(Duration::from_secs(2));
    assert_eq!(links(&played(&mut world, node, &[SDP])), [""; 0]);
}
