//! Datagrams between clients and peers: ChannelData, Send and Data, and who may send what to whom.

use std::time::Duration;

use farcast_core::report::Report;

use super::client::Client;
use super::lab::{Lab, SERVER, addr};
use super::wire;

fn alice() -> Client {
    Client::udp("203.0.113.5:4000", "alice")
}

const CHANNEL: u16 = 0x4001;

#[test]
fn channel_data_goes_to_the_peer_and_its_answer_comes_back_on_the_channel() {
    let (mut lab, mut client, peer) = (Lab::new(), alice(), addr("203.0.113.9:5000"));
    let relayed = client.relayed(&mut lab);
    assert!(lab.bound.contains(&relayed));
    assert_eq!(wire::error(&client.bind(&mut lab, CHANNEL, peer)), None);
    let to_peer = wire::channel_data(CHANNEL, b"hello");
    let sent = lab.datagram(client.addr(), SERVER.into(), &to_peer);
    assert_eq!(sent, [(relayed, peer, b"hello".to_vec())]);
    let sent = lab.datagram(peer, relayed, b"good day");
    let answer = wire::channel_data(CHANNEL, b"good day");
    assert_eq!(sent, [(SERVER.into(), client.addr(), answer)]);
    lab.finish();
}

#[test]
fn send_and_data_indications_need_a_permission_for_the_peers_ip() {
    let (mut lab, mut client, peer) = (Lab::new(), alice(), addr("203.0.113.9:5000"));
    let relayed = client.relayed(&mut lab);
    let indication = client.send_indication(peer, b"odd");
    assert_eq!(lab.datagram(client.addr(), SERVER.into(), &indication), []);
    assert_eq!(lab.datagram(peer, relayed, b"even"), []);
    // Any port of the IP will do.
    assert_eq!(wire::error(&client.permit(&mut lab, &[addr("203.0.113.9:1")])), None);
    let sent = lab.datagram(client.addr(), SERVER.into(), &indication);
    assert_eq!(sent, [(relayed, peer, b"odd".to_vec())]);
    let sent = lab.datagram(peer, relayed, b"seven b");
    let [(from, to, data)] = &sent[..] else { panic!("one Data indication: {sent:?}") };
    assert_eq!((*from, *to), (SERVER.into(), client.addr()));
    let scanned = wire::read(data);
    assert_eq!(scanned.method, wire::DATA_METHOD);
    assert_eq!(scanned.attribute(wire::DATA), Some(&b"seven b"[..]));
    assert_eq!(wire::address(data, wire::XOR_PEER_ADDRESS), Some(peer));
    assert_eq!(data.last(), Some(&0), "padding is zero");
    lab.wait(Duration::from_secs(301));
    assert_eq!(lab.datagram(peer, relayed, b"late"), []);
    assert_eq!(lab.datagram(client.addr(), SERVER.into(), &indication), []);
}

#[test]
fn a_burst_for_one_peer_leaves_as_one_run() {
    let (mut lab, mut client, peer) = (Lab::new(), alice(), addr("203.0.113.9:5000"));
    let relayed = client.relayed(&mut lab);
    client.bind(&mut lab, CHANNEL, peer);
    let frame = wire::channel_data(CHANNEL, &[7; 1000]);
    assert_eq!(lab.runs(client.addr(), SERVER.into(), &vec![frame; 16]), [16]);
    assert_eq!(lab.runs(peer, relayed, &vec![vec![7; 1000]; 16]), [16]);
}

#[test]
fn a_client_that_talks_to_itself_gets_one_packet_for_one_packet() {
    let (mut lab, mut client) = (Lab::new(), alice());
    let relayed = client.relayed(&mut lab);
    client.bind(&mut lab, CHANNEL, relayed);
    let frame = wire::channel_data(CHANNEL, b"echo");
    let sent = lab.datagram(client.addr(), SERVER.into(), &frame);
    assert_eq!(sent, [(relayed, relayed, b"echo".to_vec())]);
    let sent = lab.datagram(relayed, relayed, b"echo");
    assert_eq!(sent, [(SERVER.into(), client.addr(), frame)]);
}

#[test]
fn frames_that_lie_about_their_length_are_dropped() {
    let (mut lab, mut client, peer) = (Lab::new(), alice(), addr("203.0.113.9:5000"));
    client.relayed(&mut lab);
    client.bind(&mut lab, CHANNEL, peer);
    let frame = wire::channel_data(CHANNEL, b"hello");
    for cut in 0..frame.len() {
        assert_eq!(lab.datagram(client.addr(), SERVER.into(), &frame[..cut]), [], "{cut} bytes");
    }
    let padded = [&frame[..], &[0, 0, 0]].concat();
    assert_eq!(lab.datagram(client.addr(), SERVER.into(), &padded)[0].2, b"hello");
    // Every attribute of a Send indication cut short, too.
    let indication = client.send_indication(peer, b"hello");
    for cut in 0..indication.len() {
        assert_eq!(lab.datagram(client.addr(), SERVER.into(), &indication[..cut]), []);
    }
}

#[test]
fn nobody_gets_more_than_the_operators_bitrate_in_either_direction() {
    let bitrate = Some(800_000);
    let mut lab = Lab::with(farcast_core::config::Turn { bitrate, ..super::lab::config() });
    let (mut client, peer) = (alice(), addr("203.0.113.9:5000"));
    let relayed = client.relayed(&mut lab);
    client.bind(&mut lab, CHANNEL, peer);
    let frame = wire::channel_data(CHANNEL, &[7; 1000]);
    let mut passed = [0, 0];
    for _ in 0..1000 {
        passed[0] += lab.datagram(client.addr(), SERVER.into(), &frame).len();
        passed[1] += lab.datagram(peer, relayed, &[7; 1000]).len();
        lab.wait(Duration::from_millis(5));
    }
    // One second's worth at once, and five seconds of 100 packets.
    for passed in passed {
        assert!((590..=600).contains(&passed), "{passed} packets");
    }
    let dropped = |report: &Report| match report {
        Report::TurnDropped { packets, .. } => *packets,
        _ => 0,
    };
    lab.wait(Duration::from_secs(1));
    let dropped: u64 = lab.reports.iter().map(dropped).sum();
    assert_eq!(dropped, 2000 - (passed[0] + passed[1]) as u64);
}
