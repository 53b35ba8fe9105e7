//! Clients on byte streams: what they say arrives however it is cut, and what they do not take is
//! theirs alone to miss.

use std::net::SocketAddr;
use std::time::Duration;

use farcast_core::machine::{Input, StreamId};
use farcast_core::report::Report;
use farcast_core::turn::guard::Class;

use super::client::{Client, frames};
use super::lab::{Lab, addr};
use super::wire;

const CHANNEL: u16 = 0x4001;

fn peer() -> SocketAddr {
    addr("203.0.113.9:5000")
}

/// A client on a stream with a channel to the peer, and its relayed address.
fn bound(lab: &mut Lab) -> (Client, StreamId, SocketAddr) {
    let stream = lab.accept(1, addr("203.0.113.5:4000"));
    let mut client = Client::stream(stream, "alice");
    let relayed = client.relayed(lab);
    assert_eq!(wire::error(&client.bind(lab, CHANNEL, peer())), None);
    lab.written(stream);
    (client, stream, relayed)
}

fn padded(payload: &[u8]) -> Vec<u8> {
    let mut frame = wire::channel_data(CHANNEL, payload);
    frame.resize(frame.len().next_multiple_of(4), 0);
    frame
}

#[test]
fn a_conversation_over_a_stream_is_the_same_however_it_is_cut() {
    for step in [1, 3, 7, 1000] {
        let mut lab = Lab::new();
        let (mut client, stream, relayed) = bound(&mut lab);
        let indication = client.send_indication(peer(), b"indicated");
        let said = [padded(b"a"), indication, padded(b"four"), padded(b"")].concat();
        lab.sent();
        for bytes in said.chunks(step) {
            lab.feed(Input::Bytes { stream, bytes });
        }
        let sent = lab.sent();
        let payloads: Vec<&[u8]> = sent.iter().map(|(_, _, payload)| &payload[..]).collect();
        assert_eq!(payloads, [&b"a"[..], b"indicated", b"four"], "{step} bytes at a time");
        lab.datagram(peer(), relayed, b"hello");
        lab.datagram(peer(), relayed, b"you");
        assert_eq!(lab.written(stream), [padded(b"hello"), padded(b"you")].concat());
    }
}

#[test]
fn a_client_that_leaves_gives_everything_back() {
    let mut lab = Lab::new();
    let (_, stream, _) = bound(&mut lab);
    lab.feed(Input::Ended { stream });
    assert!(lab.bound.is_empty() && lab.deadline().is_none());
}

#[test]
fn bytes_of_strangers_end_their_stream() {
    let long = wire::message(wire::BINDING, Class::Request, [1; 12], &[(0x8022, vec![0; 4000])]);
    for bytes in [&b"\x80POST"[..], &[0x16, 3, 1], &[0; 20], &long] {
        let mut lab = Lab::new();
        let stream = lab.accept(1, addr("203.0.113.5:4000"));
        lab.feed(Input::Bytes { stream, bytes });
        assert!(lab.ended.contains(&stream), "{bytes:?}");
        assert_eq!(lab.deadline(), None);
    }
}

#[test]
fn whoever_says_nothing_of_use_is_ended() {
    let mut lab = Lab::new();
    let silent = lab.accept(1, addr("203.0.113.5:4000"));
    let known = lab.accept(2, addr("203.0.113.5:4001"));
    let mut client = Client::stream(known, "alice");
    client.refresh(&mut lab, 0);
    lab.wait(Duration::from_secs(9));
    assert!(lab.ended.is_empty());
    lab.wait(Duration::from_secs(2));
    assert!(lab.ended.contains(&silent) && !lab.ended.contains(&known));
    lab.wait(Duration::from_secs(60));
    assert!(lab.ended.contains(&known));
    assert_eq!(lab.deadline(), None);
}

#[test]
fn a_client_with_an_allocation_may_be_silent_until_it_is_over() {
    let mut lab = Lab::new();
    let (_, stream, _) = bound(&mut lab);
    lab.wait(Duration::from_secs(599));
    assert!(lab.ended.is_empty());
    lab.wait(Duration::from_secs(62));
    assert!(lab.bound.is_empty() && lab.ended.contains(&stream));
    assert_eq!(lab.deadline(), None);
}

#[test]
fn a_slow_client_gets_media_that_is_not_older_than_200_ms_and_all_answers() {
    let mut lab = Lab::new();
    let (mut client, stream, relayed) = bound(&mut lab);
    lab.feed(Input::Unsent { stream, bytes: 100_000 });
    let packet = |number: u16| [&number.to_be_bytes()[..], &[7; 998]].concat();
    for number in 0..100 {
        lab.datagram(peer(), relayed, &packet(number));
        lab.wait(Duration::from_millis(10));
    }
    assert_eq!(lab.written(stream), b"", "nothing is written where much waits");
    let transaction = client.transaction();
    let request = client.sealed(wire::REFRESH, transaction, &[]);
    lab.feed(Input::Bytes { stream, bytes: &request });
    assert_eq!(lab.written(stream), b"");
    lab.feed(Input::Unsent { stream, bytes: 1000 });
    let mut written = frames(&lab.written(stream));
    assert_eq!(wire::read(&written.remove(0)).transaction, transaction, "the answer comes first");
    let first = u16::from_be_bytes([written[0][4], written[0][5]]);
    assert!((79..=81).contains(&first), "{first} is 200 ms old");
    assert!(written.len() < 18, "{} frames: no more than a little waits there", written.len());
    lab.feed(Input::Unsent { stream, bytes: 0 });
    let last = frames(&lab.written(stream)).pop().expect("the rest");
    assert_eq!(&last[4..6], &99_u16.to_be_bytes());
    let dropped = |report: &Report| matches!(report, Report::TurnDropped { packets: 79..=81, .. });
    assert!(lab.reports.iter().any(dropped), "{:?}", lab.reports);
    lab.datagram(peer(), relayed, b"now");
    assert_eq!(lab.written(stream), padded(b"now"), "from then on nothing waits");
}

#[test]
fn a_burst_is_written_piece_by_piece_though_nobody_says_that_it_waits() {
    let mut lab = Lab::new();
    let (_, stream, relayed) = bound(&mut lab);
    for _ in 0..100 {
        lab.datagram(peer(), relayed, &[7; 1200]);
    }
    let at_once = lab.written(stream).len();
    assert!((60_000..=68_000).contains(&at_once), "{at_once} bytes at once");
    lab.wait(Duration::from_millis(10));
    assert_eq!(at_once + lab.written(stream).len(), 100 * 1204);
}

#[test]
fn a_slow_client_holds_nobody_up() {
    let mut lab = Lab::new();
    let (_, slow, relayed) = bound(&mut lab);
    lab.feed(Input::Unsent { stream: slow, bytes: 100_000 });
    let quick = lab.accept(2, addr("203.0.113.6:4000"));
    let mut client = Client::stream(quick, "bob");
    let other = client.relayed(&mut lab);
    client.bind(&mut lab, CHANNEL, peer());
    lab.written(quick);
    for _ in 0..1000 {
        lab.datagram(peer(), relayed, &[7; 1200]);
        lab.datagram(peer(), other, b"hello");
        lab.wait(Duration::from_millis(1));
        assert_eq!(lab.written(quick), padded(b"hello"));
    }
}

#[test]
fn whoever_asks_and_never_reads_is_ended() {
    let mut lab = Lab::new();
    let (mut client, stream, _) = bound(&mut lab);
    lab.feed(Input::Unsent { stream, bytes: 100_000 });
    for _ in 0..1000 {
        let transaction = client.transaction();
        let request = client.sealed(wire::REFRESH, transaction, &[]);
        lab.feed(Input::Bytes { stream, bytes: &request });
    }
    assert!(lab.ended.contains(&stream) && lab.bound.is_empty());
}
