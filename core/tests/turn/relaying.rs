//! Datagrams between clients and peers: ChannelData, Send and Data, and who may send what to whom.

use std::net::SocketAddr;
use std::time::Duration;

use super::client::Client;
use super::lab::{Lab, SERVER};
use super::wire;

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

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
