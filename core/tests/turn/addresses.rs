//! Relayed addresses: which ones clients get, how long they keep them, and that they come back.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use farcast_core::config::{RelayIp, Turn};
use farcast_core::machine::{Icmp, Input};
use farcast_core::report::Report;

use super::client::Client;
use super::lab::{Lab, SERVER, addr, config};
use super::wire::{self, XOR_RELAYED_ADDRESS};

const RESERVATION_TOKEN: u16 = 0x0022;

fn alice() -> Client {
    Client::udp("203.0.113.5:4000", "alice")
}

fn even(reserve: bool) -> (u16, Vec<u8>) {
    (0x0018, vec![u8::from(reserve) << 7])
}

fn family(number: u8) -> (u16, Vec<u8>) {
    (0x0017, vec![number, 0, 0, 0])
}

const BOTH: u16 = 0x8000;
/// The same in coturn's clients up to 4.7.
const BOTH_BY_DRAFT: u16 = 0x8032;

#[test]
fn an_allocation_tells_its_address_its_lifetime_and_where_the_client_is() {
    let (mut lab, mut client) = (Lab::new(), alice());
    let answer = client.allocate(&mut lab, &[]);
    let relayed = wire::address(&answer, XOR_RELAYED_ADDRESS).unwrap();
    assert_eq!(relayed.ip(), addr("198.51.100.1:1").ip());
    assert!((50_000..51_000).contains(&relayed.port()));
    assert_eq!(wire::seconds(&answer), Some(600));
    assert_eq!(wire::address(&answer, wire::XOR_MAPPED_ADDRESS), Some(client.addr()));
    assert!(matches!(&lab.reports[..], [Report::TurnAllocated { user, .. }] if user == "alice"));
    lab.finish();
}

#[test]
fn a_refresh_of_zero_frees_the_port() {
    let ports = Some((50_000, 50_000));
    let (mut lab, mut client) = (Lab::with(Turn { ports, ..config() }), alice());
    client.relayed(&mut lab);
    let answer = client.refresh(&mut lab, 0);
    assert_eq!(wire::seconds(&answer), Some(0));
    assert!(lab.bound.is_empty() && lab.deadline().is_none());
    assert!(matches!(lab.reports.last(), Some(Report::TurnFreed { .. })));
    assert_eq!(wire::error(&client.allocate(&mut lab, &[])), None);
}

#[test]
fn an_address_that_was_somebodys_is_given_to_nobody_else_for_a_while() {
    let mut lab = Lab::with(Turn { ports: Some((50_000, 50_019)), ..config() });
    let once = |lab: &mut Lab, number: u16| {
        lab.wait(Duration::from_millis(1));
        let mut client = Client::udp(&format!("203.0.113.5:{number}"), "alice");
        let relayed = client.relayed(lab);
        client.refresh(lab, 0);
        relayed
    };
    let first: Vec<SocketAddr> = (1..=20).map(|number| once(&mut lab, number)).collect();
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 20, "everybody has another one");
    assert_eq!(once(&mut lab, 21), first[0], "none is left: the one that rested longest");
    lab.wait(Duration::from_secs(61));
    let later: Vec<SocketAddr> = (22..42).map(|number| once(&mut lab, number)).collect();
    assert_eq!(later.iter().collect::<BTreeSet<_>>().len(), 20);
    assert_ne!(later, first, "in no order");
    lab.finish();
}

#[test]
fn an_allocation_lives_as_long_as_it_is_refreshed_and_no_longer() {
    let (mut lab, mut client) = (Lab::new(), alice());
    client.relayed(&mut lab);
    for _ in 0..5 {
        lab.wait(Duration::from_secs(590));
        assert_eq!(wire::seconds(&client.refresh(&mut lab, 1)), Some(600));
    }
    assert_eq!(wire::seconds(&client.refresh(&mut lab, 100_000)), Some(3600));
    lab.wait(Duration::from_secs(3599));
    assert_eq!(lab.bound.len(), 1);
    lab.wait(Duration::from_secs(1));
    assert!(lab.bound.is_empty() && lab.deadline().is_none());
}

#[test]
fn a_port_that_somebody_else_has_is_passed_over() {
    let mut lab = Lab::with(Turn { ports: Some((50_000, 50_003)), ..config() });
    lab.taken.extend([50_000, 50_001, 50_002]);
    for client in 0..8 {
        let mut client = Client::udp(&format!("203.0.113.5:{}", 4000 + client), "alice");
        let answer = client.allocate(&mut lab, &[]);
        match wire::address(&answer, XOR_RELAYED_ADDRESS) {
            Some(relayed) => assert_eq!(relayed.port(), 50_003),
            None => assert_eq!(wire::error(&answer), Some(508)),
        }
    }
    assert_eq!(lab.bound.len(), 1, "one of them has found it");
    lab.finish();
}

#[test]
fn ports_that_could_not_be_bound_come_back() {
    let mut lab = Lab::with(Turn { ports: Some((50_000, 50_001)), ..config() });
    lab.taken.extend([50_000, 50_001]);
    assert_eq!(wire::error(&alice().allocate(&mut lab, &[])), Some(508));
    lab.taken.clear();
    for port in [1, 2] {
        let mut client = Client::udp(&format!("203.0.113.5:{port}"), "alice");
        assert_eq!(wire::error(&client.allocate(&mut lab, &[])), None);
    }
    lab.finish();
}

#[test]
fn a_reserved_port_waits_half_a_minute_for_the_bearer_of_its_token() {
    let mut lab = Lab::with(Turn { ports: Some((50_000, 50_001)), ..config() });
    let answer = alice().allocate(&mut lab, &[even(true)]);
    assert_eq!(wire::address(&answer, XOR_RELAYED_ADDRESS).unwrap().port(), 50_000);
    let token = wire::read(&answer).attribute(RESERVATION_TOKEN).expect("a token").to_vec();
    let mut second = Client::udp("203.0.113.5:4001", "alice");
    assert_eq!(wire::error(&second.allocate(&mut lab, &[])), Some(508));
    let answer = second.allocate(&mut lab, &[(RESERVATION_TOKEN, token.clone())]);
    assert_eq!(wire::address(&answer, XOR_RELAYED_ADDRESS).unwrap().port(), 50_001);
    let mut third = Client::udp("203.0.113.5:4002", "alice");
    let answer = third.allocate(&mut lab, &[(RESERVATION_TOKEN, token)]);
    assert_eq!(wire::error(&answer), Some(508));
    lab.finish();
}

#[test]
fn a_reserved_port_that_nobody_wants_is_free_again() {
    let mut lab = Lab::with(Turn { ports: Some((50_000, 50_001)), ..config() });
    assert_eq!(wire::error(&alice().allocate(&mut lab, &[even(true)])), None);
    let mut second = Client::udp("203.0.113.5:4001", "alice");
    assert_eq!(wire::error(&second.allocate(&mut lab, &[even(false)])), Some(508));
    lab.wait(Duration::from_secs(31));
    assert_eq!(second.relayed(&mut lab).port(), 50_001);
}

#[test]
fn one_allocation_has_an_address_of_each_family_if_the_client_wants_it() {
    let (mut lab, mut client) = (Lab::new(), alice());
    let answer = client.allocate(&mut lab, &[(BOTH, vec![2, 0, 0, 0])]);
    let relayed = wire::addresses(&answer, XOR_RELAYED_ADDRESS);
    let [v4, v6] = relayed[..] else { panic!("two addresses: {relayed:?}") };
    assert!(v4.is_ipv4() && v6.is_ipv6());
    let peers = [addr("203.0.113.9:5000"), addr("[2001:db8::9]:5000")];
    client.permit(&mut lab, &peers);
    for (relayed, peer) in [(v4, peers[0]), (v6, peers[1])] {
        let indication = client.send_indication(peer, b"hello");
        let sent = lab.datagram(client.addr(), SERVER.into(), &indication);
        assert_eq!(sent, [(relayed, peer, b"hello".to_vec())]);
        let sent = lab.datagram(peer, relayed, b"hello");
        assert_eq!(wire::address(&sent[0].2, wire::XOR_PEER_ADDRESS), Some(peer));
    }
    // A refresh may end one of them.
    let zero = (wire::LIFETIME, vec![0; 4]);
    client.ask(&mut lab, wire::REFRESH, &[zero, family(2)]);
    assert!(lab.bound.contains(&v4) && !lab.bound.contains(&v6));
    assert_eq!(wire::error(&client.ask(&mut lab, wire::REFRESH, &[family(2)])), Some(443));
    assert_eq!(wire::error(&client.ask(&mut lab, wire::REFRESH, &[family(1)])), None);
    lab.finish();
}

#[test]
fn clients_of_the_draft_get_two_families_too() {
    let (mut lab, mut client) = (Lab::new(), alice());
    let answer = client.allocate(&mut lab, &[(BOTH_BY_DRAFT, vec![2, 0, 0, 0])]);
    assert_eq!(wire::addresses(&answer, XOR_RELAYED_ADDRESS).len(), 2);
    let mut strange = Client::udp("203.0.113.6:4000", "alice");
    let answer = strange.allocate(&mut lab, &[(BOTH_BY_DRAFT, vec![])]);
    assert_eq!(wire::addresses(&answer, XOR_RELAYED_ADDRESS).len(), 1);
    lab.finish();
}

#[test]
fn half_of_two_addresses_is_better_than_none_and_the_client_hears_why() {
    let relays = config().relays[..1].to_vec();
    let (mut lab, mut client) = (Lab::with(Turn { relays, ..config() }), alice());
    assert_eq!(wire::error(&client.allocate(&mut lab, &[family(2)])), Some(440));
    let answer = client.allocate(&mut lab, &[(BOTH, vec![2, 0, 0, 0])]);
    assert_eq!(wire::addresses(&answer, XOR_RELAYED_ADDRESS).len(), 1);
    assert_eq!(wire::read(&answer).attribute(0x8001), Some(&[2, 0, 4, 40][..]));
    lab.finish();
}

#[test]
fn behind_a_nat_clients_hear_the_public_address_and_the_socket_has_the_private_one() {
    let (bind, announced) = ("10.0.0.7".parse().unwrap(), "198.51.100.1".parse().unwrap());
    let mut lab = Lab::with(Turn { relays: vec![RelayIp { bind, announced }], ..config() });
    let (mut client, peer) = (alice(), addr("203.0.113.9:5000"));
    let relayed = client.relayed(&mut lab);
    assert_eq!(relayed.ip(), announced);
    let local = SocketAddr::new(bind, relayed.port());
    assert!(lab.bound.contains(&local));
    client.bind(&mut lab, 0x4000, peer);
    let data = wire::channel_data(0x4000, b"hello");
    let sent = lab.datagram(client.addr(), SERVER.into(), &data);
    assert_eq!(sent, [(local, peer, b"hello".to_vec())]);
    assert_eq!(lab.datagram(peer, local, b"hello")[0].2, data);
}

#[test]
fn a_socket_of_every_interface_hears_its_peers_at_each() {
    let (bind, announced) = ("0.0.0.0".parse().unwrap(), "198.51.100.1".parse().unwrap());
    let mut lab = Lab::with(Turn { relays: vec![RelayIp { bind, announced }], ..config() });
    let (mut client, peer) = (alice(), addr("203.0.113.9:5000"));
    let relayed = client.relayed(&mut lab);
    client.bind(&mut lab, 0x4000, peer);
    assert_eq!(lab.datagram(peer, relayed, b"hello")[0].2, wire::channel_data(0x4000, b"hello"));
}

#[test]
fn a_client_hears_that_its_peer_is_unreachable() {
    let (mut lab, mut client, peer) = (Lab::new(), alice(), addr("203.0.113.9:5000"));
    let local = client.relayed(&mut lab);
    let icmp = Icmp { kind: 3, code: 3, data: 0 };
    lab.sent();
    lab.feed(Input::Unreachable { local, peer, icmp });
    assert_eq!(lab.sent(), [], "there is no permission");
    client.permit(&mut lab, &[peer]);
    lab.sent();
    lab.feed(Input::Unreachable { local, peer, icmp: Icmp { kind: 5, code: 0, data: 0 } });
    lab.feed(Input::Unreachable { local: SERVER.into(), peer: client.addr(), icmp });
    assert_eq!(lab.sent(), [], "a redirect is not for clients, nor is another client's end");
    lab.feed(Input::Unreachable { local, peer, icmp });
    let sent = lab.sent();
    let [(_, to, indication)] = &sent[..] else { panic!("one indication: {sent:?}") };
    assert_eq!(*to, client.addr());
    assert_eq!(wire::address(indication, wire::XOR_PEER_ADDRESS), Some(peer));
    assert_eq!(wire::read(indication).attribute(0x8004), Some(&[0, 0, 6, 3, 0, 0, 0, 0][..]));
}

#[test]
fn a_server_that_stops_frees_everything_and_takes_nobody() {
    let (mut lab, mut client) = (Lab::new(), alice());
    client.relayed(&mut lab);
    lab.feed(Input::Stopping);
    assert!(lab.bound.is_empty() && lab.deadline().is_none());
    assert_eq!(wire::error(&client.allocate(&mut lab, &[])), Some(508));
}
