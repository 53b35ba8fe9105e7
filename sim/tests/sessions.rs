//! Sessions from the outside: errors that change nothing, ICE restarts, goodbyes, tokens.

use std::time::Duration;

use farcast_core::config::{Access, Key};
use farcast_core::director::signal::token::{self, Act, Claims};
use farcast_core::http::Method;
use farcast_core::report::Report;
use farcast_sim::wish::{Video, Wish};
use farcast_sim::world::{NodeIndex, World};
use serde_json::json;

const SDP: (&str, &str) = ("content-type", "application/sdp");
const FRAGMENT: (&str, &str) = ("content-type", "application/trickle-ice-sdpfrag");
const PUBLISH: Wish = Wish { publishes: true, audio: true, video: Video::Vp8 };
const PLAY: Wish = Wish { publishes: false, audio: true, video: Video::All };

fn population(world: &World, node: NodeIndex) -> Option<(u64, u64)> {
    world.reports(node).rev().find_map(|report| match report {
        Report::Population { publishers, viewers, .. } => Some((*publishers, *viewers)),
        _ => None,
    })
}

#[test]
fn refused_requests_leave_no_session_behind() {
    let mut world = World::new(6, Duration::from_millis(5));
    let node = world.add_node("origin", &[], Access::Open);
    let (_, offer) = world.new_peer(PUBLISH);
    let unknown = offer.replace("VP8/90000", "XX8/90000").replace("opus/48000", "oops/48000");
    let broken = offer.replace("a=ice-pwd", "a=ice-nothing");
    for (path, body, status) in [
        ("/whip/stream1", unknown.as_str(), 406),
        ("/whip/stream1", broken.as_str(), 422),
        ("/whip/stream1", "v=0\r\nrubbish", 422),
        ("/whep/stream1", offer.as_str(), 404),
    ] {
        let reply = world.ask(node, Method::Post, path, &[SDP], body);
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    }
    assert!(matches!(population(&world, node), None | Some((0, 0))));
    world.join(node, "/whip/stream1", PUBLISH).expect("the name is still free");
}

#[test]
fn an_offer_that_is_never_followed_by_ice_is_forgotten() {
    let mut world = World::new(7, Duration::from_millis(5));
    let node = world.add_node("origin", &[], Access::Open);
    let (_, offer) = world.new_peer(PUBLISH);
    let reply = world.ask(node, Method::Post, "/whip/stream1", &[SDP], &offer);
    assert_eq!(reply.status, 201);
    world.run_for(Duration::from_secs(16));
    assert_eq!(population(&world, node), Some((0, 0)));
    let path = reply.header("location").expect("a location").to_owned();
    assert_eq!(world.ask(node, Method::Delete, &path, &[], "").status, 404);
}

#[test]
fn a_peer_that_never_gets_through_the_handshake_is_forgotten_though_it_is_heard() {
    let mut world = World::new(14, Duration::from_millis(5));
    let node = world.add_node("origin", &[], Access::Open);
    world.block_dtls();
    let peer = world.join(node, "/whip/stream1", PUBLISH).expect("free");
    world.run_for(Duration::from_secs(14));
    assert_eq!(population(&world, node), Some((1, 0)), "its checks keep it alive for now");
    world.run_for(Duration::from_secs(2));
    assert_eq!(population(&world, node), Some((0, 0)));
    assert!(!world.peer(peer).is_connected());
}

#[test]
fn a_session_is_patched_restarted_and_deleted_by_its_location() {
    let mut world = World::new(8, Duration::from_millis(5));
    let node = world.add_node("origin", &[], Access::Open);
    let (mut peer, offer) = world.new_peer(PUBLISH);
    let reply = world.ask(node, Method::Post, "/whip/stream1", &[SDP], &offer);
    let path = reply.header("location").expect("a location").to_owned();
    let etag = reply.header("etag").expect("an entity tag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'));
    peer.accept(world.now(), &String::from_utf8(reply.body).expect("text"));
    let peer = world.add_peer(peer);
    let mdns = "a=candidate:1 1 udp 1 0a1b.local 5000 typ host\r\na=end-of-candidates\r\n";
    let mut patch = |etag: Option<&str>, body: &str| {
        let mut headers = vec![FRAGMENT];
        headers.extend(etag.map(|etag| ("if-match", etag)));
        world.ask(node, Method::Patch, &path, &headers, body)
    };
    assert_eq!(patch(Some(&etag), mdns).status, 204);
    assert_eq!(patch(Some("\"other\""), mdns).status, 412);
    assert_eq!(patch(None, mdns).status, 428);
    let rubbish = "a=ice-ufrag:ab\r\na=ice-pwd:short and strange\r\n";
    assert_eq!(patch(Some("*"), rubbish).status, 422);
    assert_eq!(patch(Some(&etag), mdns).status, 204, "a refused restart changed nothing");
    let restart = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n";
    let restarted = patch(Some("*"), restart);
    assert_eq!(restarted.status, 200);
    assert_ne!(restarted.header("etag"), Some(etag.as_str()));
    let fragment = String::from_utf8(restarted.body).expect("text");
    assert!(fragment.contains("a=ice-ufrag:") && fragment.contains("a=candidate:"), "{fragment}");
    assert_eq!(patch(Some(&etag), mdns).status, 412, "the old tag is worth nothing");
    world.run_for(Duration::from_millis(10));
    assert_eq!(world.ask(node, Method::Delete, &path, &[], "").status, 200);
    world.run_for(Duration::from_millis(100));
    assert_eq!(population(&world, node), Some((0, 0)));
    let _ = peer;
}

#[test]
fn options_and_wrong_methods_are_answered() {
    let mut world = World::new(9, Duration::from_millis(5));
    let node = world.add_node("origin", &[], Access::Open);
    let options = world.ask(node, Method::Options, "/whip/stream1", &[], "");
    assert_eq!(options.status, 204);
    assert_eq!(options.header("accept-post"), Some("application/sdp"));
    let wrong = world.ask(node, Method::Get, "/whip/stream1", &[], "");
    assert_eq!(wrong.status, 405);
    assert!(wrong.header("allow").is_some());
    assert_eq!(world.ask(node, Method::Get, "/healthz", &[], "").status, 200);
    assert_eq!(world.ask(node, Method::Get, "/readyz", &[], "").status, 200);
}

#[test]
fn a_page_that_closes_ends_its_session_and_a_broken_socket_does_not() {
    let mut world = World::new(10, Duration::from_millis(5));
    let node = world.add_node("origin", &[], Access::Open);
    world.join(node, "/whip/stream1", PUBLISH).expect("free");
    world.run_for(Duration::from_millis(500));
    let sockets = [world.open(node), world.open(node)];
    let viewers = sockets.map(|socket| {
        let (mut peer, sdp) = world.new_peer(PLAY);
        let play = json!({ "type": "play", "id": "1", "stream": "stream1", "sdp": sdp });
        world.say(node, socket, &play);
        let heard = world.heard(socket);
        let answer = heard.iter().find(|m| m["type"] == "answer").expect("an answer");
        peer.accept(world.now(), answer["sdp"].as_str().expect("SDP"));
        world.add_peer(peer)
    });
    world.run_for(Duration::from_millis(500));
    world.leave(node, sockets[0], true);
    world.leave(node, sockets[1], false);
    world.run_for(Duration::from_secs(2));
    assert!(world.peer(viewers[0]).is_closed());
    assert!(world.peer(viewers[1]).is_connected());
    assert_eq!(population(&world, node), Some((1, 1)));
}

#[test]
fn a_viewer_may_come_before_the_publisher() {
    let mut world = World::new(11, Duration::from_millis(5));
    let node = world.add_node("origin", &[], Access::Open);
    let socket = world.open(node);
    let (_, sdp) = world.new_peer(PLAY);
    let play = json!({ "type": "play", "id": "1", "stream": "stream1", "sdp": sdp });
    world.say(node, socket, &play);
    let heard = world.heard(socket);
    assert_eq!((&heard[0]["type"], &heard[1]["type"]), (&json!("hello"), &json!("waiting")));
    world.join(node, "/whip/stream1", PUBLISH).expect("free");
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.heard(socket)[0]["type"], "published");
}

#[test]
fn with_keys_everybody_needs_the_right_token_and_relays_make_their_own() {
    let key = Key { secret: vec![7; Key::SHORTEST] };
    let access = Access::Keys(vec![key.clone()]);
    let mut world = World::new(12, Duration::from_millis(5));
    let edge = world.add_node("edge1", &[], access.clone());
    let origin = world.add_node("origin", &[edge], access);
    let token = |act, sub: &str, exp| {
        let claims = Claims { sub: sub.parse().expect("a pattern"), act, exp };
        format!("Bearer {}", token::mint(&key, &claims))
    };
    let late = u64::from(u32::MAX);
    let (mut camera, offer) = world.new_peer(PUBLISH);
    let post = |world: &mut World, path: &str, bearer: Option<&str>| {
        let mut headers = vec![SDP];
        headers.extend(bearer.map(|bearer| ("authorization", bearer)));
        world.ask(origin, Method::Post, path, &headers, &offer)
    };
    let publish = token(Act::Publish, "stream*", late);
    assert_eq!(post(&mut world, "/whip/stream1", None).status, 401);
    assert_eq!(post(&mut world, "/whip/stream1", Some("Bearer rubbish")).status, 401);
    assert_eq!(post(&mut world, "/whip/other", Some(&publish)).status, 403);
    assert_eq!(post(&mut world, "/whip/stream1", Some(&token(Act::Play, "*", late))).status, 403);
    assert_eq!(post(&mut world, "/whip/stream1", Some(&token(Act::Publish, "*", 1))).status, 401);
    let reply = post(&mut world, "/whip/stream1", Some(&publish));
    assert_eq!(reply.status, 201);
    camera.accept(world.now(), &String::from_utf8(reply.body).expect("text"));
    world.add_peer(camera);
    world.run_for(Duration::from_secs(2));
    let up = |report: &Report| matches!(report, Report::RelayUp { .. });
    assert!(world.reports(origin).any(up), "the relay opened the edge's door by itself");
    assert_eq!(world.ask(edge, Method::Get, "/v1/load", &[], "").status, 401);
}

#[test]
fn audio_only_and_video_only_streams_are_relayed() {
    for wish in [
        Wish { publishes: true, audio: true, video: Video::None },
        Wish { publishes: true, audio: false, video: Video::Vp8 },
    ] {
        let mut world = World::new(13, Duration::from_millis(5));
        let edge = world.add_node("edge1", &[], Access::Open);
        let origin = world.add_node("origin", &[edge], Access::Open);
        world.join(origin, "/whip/stream1", wish).expect("free");
        world.run_for(Duration::from_secs(2));
        let viewer = world.join(edge, "/whep/stream1", PLAY).expect("live");
        world.run_for(Duration::from_secs(2));
        assert!(world.peer(viewer).received().len() > 40, "{wish:?}");
    }
}
