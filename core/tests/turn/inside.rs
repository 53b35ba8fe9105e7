//! A TURN server inside a node: what clients and this node's own media are to each other.

use std::net::SocketAddr;

use farcast_core::config::{Addresses, Config, Turn};
use farcast_core::http::{Method, Request};
use farcast_core::machine::{Input, Output, RequestId};
use farcast_core::turn::guard::Class;
use farcast_core::turn::seal;

use super::client::Client;
use super::lab::{Lab, SERVER, config};
use super::wire;

const CHANNEL: u16 = 0x4000;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const ICE_CONTROLLING: u16 = 0x802a;
const OFFER: &str = "v=0\r\n\
    o=- 1 1 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    t=0 0\r\n\
    a=group:BUNDLE 0\r\n\
    a=setup:actpass\r\n\
    a=ice-ufrag:them\r\n\
    a=ice-pwd:4dZ0v8Y2w6u1t5s9r3q7pL\r\n\
    a=fingerprint:sha-256 4F:19:6A:2D:93:5B:0C:E1:77:A8:3E:54:D0:BB:16:8C:21:F4:9E:65:0A:C7:38:DD:\
    81:4B:F2:5E:90:13:6C:A7\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=mid:0\r\n\
    a=sendonly\r\n\
    a=rtcp-mux\r\n\
    a=rtpmap:111 opus/48000/2\r\n";

/// A node whose TURN server has one port for each family to give.
fn lab() -> Lab {
    let addresses = Addresses { udp: vec![SERVER.into()], ..Addresses::default() };
    let turn = Some(Turn { ports: Some((50_000, 50_000)), ..config() });
    Lab::inside(Config { addresses, turn, ..Config::default() })
}

/// Somebody publishes; the ufrag and the password of the session's end at the node.
fn published(lab: &mut Lab, stream: &str) -> [String; 2] {
    let request = Request {
        method: Method::Post,
        path: format!("/whip/{stream}"),
        query: String::new(),
        headers: vec![("content-type".to_owned(), "application/sdp".to_owned())],
        body: OFFER.as_bytes().to_vec(),
        peer: ([203, 0, 113, 5], 1).into(),
        secure: true,
    };
    lab.feed(Input::Asked { id: RequestId(1), request });
    let reply = lab.errands.drain(..).find_map(|errand| match errand {
        Output::Reply { reply, .. } => Some(reply),
        _ => None,
    });
    let answer = String::from_utf8(reply.expect("a reply").body).expect("a text");
    ["a=ice-ufrag:", "a=ice-pwd:"].map(|name| {
        let line = answer.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {answer}")).to_owned()
    })
}

/// Checks the way to the node's media through the TURN server; whether the check was answered.
fn checks(lab: &mut Lab, client: &mut Client, [ufrag, password]: &[String; 2]) -> bool {
    let transaction = client.transaction();
    let attributes = [
        (wire::USERNAME, format!("{ufrag}:them").into_bytes()),
        (PRIORITY, vec![110, 0, 30, 255]),
        (USE_CANDIDATE, vec![]),
        (ICE_CONTROLLING, vec![1; 8]),
    ];
    let mut check = wire::message(wire::BINDING, Class::Request, transaction, &attributes);
    seal::seal(&mut check, password.as_bytes());
    seal::add_fingerprint(&mut check);
    let answers = client.say(lab, &wire::channel_data(CHANNEL, &check));
    answers.iter().any(|answer| {
        let answer = wire::read(&answer[4..]);
        answer.class == Class::Success && answer.transaction == transaction
    })
}

#[test]
fn whoever_gets_a_relayed_address_is_not_taken_for_its_last_owner() {
    let mut lab = lab();
    let media: SocketAddr = SERVER.into();
    let sessions = ["one", "two"].map(|stream| published(&mut lab, stream));
    let mut clients = [4000, 4001].map(|port| Client::udp(&format!("203.0.113.5:{port}"), "alice"));
    let mut relayed = Vec::new();
    for (client, session) in clients.iter_mut().zip(&sessions) {
        relayed.push(client.relayed(&mut lab));
        assert_eq!(wire::error(&client.bind(&mut lab, CHANNEL, media)), None);
        assert!(checks(&mut lab, client, session), "{} of {relayed:?}", client.addr());
        client.refresh(&mut lab, 0);
    }
    assert_eq!(relayed[0], relayed[1], "there is only one");
}
