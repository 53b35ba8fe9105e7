//! TCP allocations (RFC 6062): connections in both directions, and what ends with what.

use std::net::SocketAddr;
use std::time::Duration;

use farcast_core::machine::{ConnectId, Door, Input, Output, StreamId};

use super::client::{Client, frames};
use super::lab::Lab;
use super::wire::{self, REQUESTED_TRANSPORT, XOR_PEER_ADDRESS};

const CONNECT: u16 = 0x00a;
const CONNECTION_BIND: u16 = 0x00b;
const CONNECTION_ATTEMPT: u16 = 0x00c;
const CONNECTION_ID: u16 = 0x002a;
const CLIENT: ([u8; 4], u16) = ([203, 0, 113, 5], 4000);
const PEER: ([u8; 4], u16) = ([203, 0, 113, 9], 80);
/// The peer's stream and the client's second one.
const FAR: StreamId = StreamId(100);
const NEAR: u64 = 2;

/// A client with a TCP allocation, and its relayed address.
pub(super) fn allocated(lab: &mut Lab) -> (Client, SocketAddr) {
    let mut client = Client::stream(lab.accept(1, CLIENT.into()), "alice");
    let answer = client.ask(lab, wire::ALLOCATE, &[(REQUESTED_TRANSPORT, vec![6, 0, 0, 0])]);
    let relayed = wire::address(&answer, wire::XOR_RELAYED_ADDRESS).expect("a relayed address");
    assert!(lab.listeners.contains(&relayed));
    (client, relayed)
}

/// Asks for a connection; what was answered at once, and the errand if there is one.
pub(super) fn connect(
    lab: &mut Lab,
    client: &mut Client,
    peer: SocketAddr,
) -> (Vec<Vec<u8>>, Option<ConnectId>) {
    let transaction = client.transaction();
    let attribute = (XOR_PEER_ADDRESS, wire::xor(peer, transaction));
    let request = client.sealed(CONNECT, transaction, &[attribute]);
    lab.errands.clear();
    let answers = client.say(lab, &request);
    let errand = lab.errands.iter().find_map(|errand| match errand {
        Output::Connect { connect, to, .. } if *to == peer => Some(*connect),
        _ => None,
    });
    (answers, errand)
}

/// The world has made a connection; its number.
fn connected(lab: &mut Lab, relayed: SocketAddr, connect: ConnectId) -> Vec<u8> {
    lab.feed(Input::Connected { connect, result: Ok((FAR, relayed)) });
    assert!(reads(lab, FAR, false), "the peer waits until its client is there");
    number(lab)
}

/// The number of the connection that the client has just heard of.
pub(super) fn number(lab: &mut Lab) -> Vec<u8> {
    let answer = frames(&lab.written(StreamId(1))).remove(0);
    wire::read(&answer).attribute(CONNECTION_ID).expect("a connection's number").to_vec()
}

fn reads(lab: &mut Lab, id: StreamId, want: bool) -> bool {
    let is_it = |errand: &Output| match errand {
        Output::Read { stream, on } => (*stream, *on) == (id, want),
        _ => false,
    };
    let found = lab.errands.iter().any(is_it);
    lab.errands.retain(|errand| !is_it(errand));
    found
}

/// Another stream of the client takes a connection.
pub(super) fn join(lab: &mut Lab, near: u64, number: &[u8], username: &str) -> Option<u16> {
    let mut client = Client::stream(lab.accept(near, CLIENT.into()), username);
    let answer = client.ask(lab, CONNECTION_BIND, &[(CONNECTION_ID, number.to_vec())]);
    wire::error(&answer)
}

#[test]
fn a_client_connects_and_both_streams_are_one() {
    let mut lab = Lab::new();
    let (mut client, relayed) = allocated(&mut lab);
    let (answers, errand) = connect(&mut lab, &mut client, PEER.into());
    assert!(answers.is_empty(), "the answer comes when there is a connection");
    let number = connected(&mut lab, relayed, errand.expect("an errand"));
    // What the peer says before its client is there comes after the answer.
    lab.feed(Input::Bytes { stream: FAR, bytes: b"220 ready" });
    let mut second = Client::stream(lab.accept(NEAR, CLIENT.into()), "alice");
    let challenge = {
        let transaction = second.transaction();
        let request = second.sealed(CONNECTION_BIND, transaction, &[]);
        second.say(&mut lab, &request).remove(0)
    };
    second.heed(&challenge);
    let transaction = second.transaction();
    let request = second.sealed(CONNECTION_BIND, transaction, &[(CONNECTION_ID, number)]);
    let bytes = [&request[..], b"QUIT"].concat();
    lab.feed(Input::Bytes { stream: StreamId(NEAR), bytes: &bytes });
    let written = lab.written(StreamId(NEAR));
    let answer = written.strip_suffix(b"220 ready").expect("the peer's words last");
    assert_eq!(wire::error(&frames(answer)[0]), None);
    assert_eq!(lab.written(FAR), b"QUIT", "what follows the request goes to the peer");
    assert!(reads(&mut lab, FAR, true));
    lab.feed(Input::Bytes { stream: FAR, bytes: &[0xff; 3] });
    assert_eq!(lab.written(StreamId(NEAR)), [0xff; 3]);
    lab.feed(Input::Ended { stream: FAR });
    assert!(lab.ended.contains(&StreamId(NEAR)));
    lab.finish();
}

#[test]
fn a_peer_with_a_permission_connects_and_the_client_hears_of_it() {
    let mut lab = Lab::new();
    let (mut client, relayed) = allocated(&mut lab);
    let accepted = |stream| Input::Accepted {
        stream,
        door: Door::Listener,
        local: relayed,
        peer: PEER.into(),
    };
    lab.feed(accepted(StreamId(99)));
    assert!(lab.ended.contains(&StreamId(99)), "nobody has permitted it");
    client.permit(&mut lab, &[PEER.into()]);
    lab.written(StreamId(1));
    lab.feed(accepted(FAR));
    let attempt = frames(&lab.written(StreamId(1))).remove(0);
    assert_eq!(wire::read(&attempt).method, CONNECTION_ATTEMPT);
    assert_eq!(wire::address(&attempt, XOR_PEER_ADDRESS), Some(PEER.into()));
    let number = wire::read(&attempt).attribute(CONNECTION_ID).expect("a number").to_vec();
    assert_eq!(join(&mut lab, NEAR, &number, "bob"), Some(441));
    lab.feed(Input::Ended { stream: StreamId(NEAR) });
    assert_eq!(join(&mut lab, NEAR, &number, "alice"), None);
    lab.feed(Input::Bytes { stream: StreamId(NEAR), bytes: b"hello" });
    assert_eq!(lab.written(FAR), b"hello");
    lab.feed(Input::Ended { stream: StreamId(1) });
    assert!(lab.ended.contains(&FAR) && lab.ended.contains(&StreamId(NEAR)));
    lab.feed(Input::Ended { stream: FAR });
    lab.finish();
}

#[test]
fn refusals_of_tcp_are_those_of_the_rfc() {
    let mut lab = Lab::new();
    let (mut client, relayed) = allocated(&mut lab);
    for (peer, code) in [("10.0.0.1:80", 403), ("127.0.0.1:80", 403), ("[2001:db8::9]:80", 443)] {
        let (answers, errand) = connect(&mut lab, &mut client, peer.parse().unwrap());
        assert_eq!((wire::error(&answers[0]), errand), (Some(code), None), "{peer}");
    }
    assert_eq!(wire::error(&client.bind(&mut lab, 0x4000, PEER.into())), Some(403));
    let (_, errand) = connect(&mut lab, &mut client, PEER.into());
    let (answers, _) = connect(&mut lab, &mut client, PEER.into());
    assert_eq!(wire::error(&answers[0]), Some(446));
    lab.feed(Input::Connected { connect: errand.unwrap(), result: Err("refused".to_owned()) });
    assert_eq!(wire::error(&frames(&lab.written(StreamId(1)))[0]), Some(447));
    let (_, errand) = connect(&mut lab, &mut client, PEER.into());
    let mut number = connected(&mut lab, relayed, errand.expect("another try"));
    number[0] ^= 1;
    assert_eq!(join(&mut lab, NEAR, &number, "alice"), Some(400));
    let even = [(REQUESTED_TRANSPORT, vec![6, 0, 0, 0]), (0x0018, vec![0])];
    let mut other = Client::stream(lab.accept(7, CLIENT.into()), "alice");
    assert_eq!(wire::error(&other.ask(&mut lab, wire::ALLOCATE, &even)), Some(400));
}

#[test]
fn a_connection_that_nobody_takes_is_ended_after_half_a_minute() {
    let mut lab = Lab::new();
    let (mut client, relayed) = allocated(&mut lab);
    let (_, errand) = connect(&mut lab, &mut client, PEER.into());
    let number = connected(&mut lab, relayed, errand.expect("an errand"));
    lab.wait(Duration::from_secs(29));
    assert!(lab.ended.is_empty());
    lab.wait(Duration::from_secs(2));
    assert!(lab.ended.contains(&FAR));
    assert_eq!(join(&mut lab, NEAR, &number, "alice"), Some(400));
}

#[test]
fn a_connection_made_for_a_client_that_left_is_ended() {
    let mut lab = Lab::new();
    let (mut client, relayed) = allocated(&mut lab);
    let (_, errand) = connect(&mut lab, &mut client, PEER.into());
    lab.feed(Input::Ended { stream: StreamId(1) });
    let connect = errand.expect("an errand");
    lab.feed(Input::Connected { connect, result: Ok((FAR, relayed)) });
    assert!(lab.ended.contains(&FAR));
    lab.finish();
}

#[test]
fn whoever_does_not_read_stops_the_other_end() {
    let mut lab = Lab::new();
    let (mut client, relayed) = allocated(&mut lab);
    let (_, errand) = connect(&mut lab, &mut client, PEER.into());
    let number = connected(&mut lab, relayed, errand.expect("an errand"));
    assert_eq!(join(&mut lab, NEAR, &number, "alice"), None);
    let near = StreamId(NEAR);
    lab.errands.clear();
    for (unsent, want) in
        [(60_000, None), (70_000, Some(false)), (20_000, None), (9_000, Some(true))]
    {
        lab.feed(Input::Unsent { stream: near, bytes: unsent });
        match want {
            Some(on) => assert!(reads(&mut lab, FAR, on), "{unsent}"),
            None => assert!(lab.errands.is_empty(), "{unsent}"),
        }
    }
    lab.feed(Input::Unsent { stream: FAR, bytes: 100_000 });
    assert!(reads(&mut lab, near, false));
}
