//! What clients are told: errors of the RFCs, challenges, and that nobody is told too much.

use std::net::SocketAddr;
use std::time::Duration;

use farcast_core::config::Secret;
use farcast_core::credential;
use farcast_core::machine::Input;
use farcast_core::turn::guard::Class;

use super::client::Client;
use super::lab::{CALENDAR, Lab, SERVER, addr, config};
use super::wire::{self, LIFETIME, REQUESTED_TRANSPORT, XOR_PEER_ADDRESS};

fn alice() -> Client {
    Client::udp("203.0.113.5:4000", "alice")
}

fn transport(number: u8) -> (u16, Vec<u8>) {
    (REQUESTED_TRANSPORT, vec![number, 0, 0, 0])
}

#[test]
fn a_stranger_hears_at_most_1_8_times_what_he_said() {
    for (peer, headers) in [("203.0.113.5:4000", 28), ("[2001:db8::5]:4000", 48)] {
        let mut lab = Lab::new();
        for method in 0..16 {
            for words in 0..16 {
                let padding = (0x8022, vec![0; 4 * words]);
                let attributes: &[(u16, Vec<u8>)] =
                    if words == 0 { &[] } else { std::slice::from_ref(&padding) };
                let asked = wire::message(method, Class::Request, [1; 12], attributes);
                for (_, _, answer) in lab.datagram(addr(peer), SERVER.into(), &asked) {
                    let ratio = (answer.len() + headers) * 10;
                    assert!(ratio <= (asked.len() + headers) * 18, "{method}, {words} words");
                }
            }
        }
    }
}

#[test]
fn the_first_allocate_of_a_browser_is_challenged_with_realm_and_nonce() {
    let mut lab = Lab::new();
    let asked = wire::message(wire::ALLOCATE, Class::Request, [1; 12], &[transport(17)]);
    let sent = lab.datagram(addr("203.0.113.5:4000"), SERVER.into(), &asked);
    let [(_, _, answer)] = &sent[..] else { panic!("one answer: {sent:?}") };
    assert_eq!(wire::error(answer), Some(401));
    assert_eq!(wire::read(answer).attribute(wire::REALM), Some(&b"lab.test"[..]));
    assert!(wire::read(answer).attribute(wire::NONCE).is_some());
    lab.finish();
}

#[test]
fn wrong_passwords_and_unknown_users_hear_the_same() {
    let mut lab = Lab::new();
    let mut heard = Vec::new();
    for (name, password) in [("alice", "wrong"), ("nobody", "secret")] {
        let mut client = Client::udp("203.0.113.5:4000", name);
        client.password = password.to_owned();
        heard.push(client.allocate(&mut lab, &[]));
        assert_eq!(wire::error(heard.last().unwrap()), Some(401));
    }
    assert_eq!(heard[0], heard[1]);
    lab.finish();
}

#[test]
fn a_nonce_is_good_for_ten_minutes_and_for_its_client_alone() {
    let (mut lab, mut client) = (Lab::new(), alice());
    client.relayed(&mut lab);
    client.refresh(&mut lab, 3600);
    lab.wait(Duration::from_secs(599));
    let transaction = client.transaction();
    let request = client.sealed(wire::REFRESH, transaction, &[]);
    assert_eq!(wire::error(&client.say(&mut lab, &request)[0]), None);
    lab.wait(Duration::from_secs(2));
    let stale = client.say(&mut lab, &request).remove(0);
    assert_eq!(wire::error(&stale), Some(438));
    client.heed(&stale);
    let request = client.sealed(wire::REFRESH, transaction, &[]);
    assert_eq!(wire::error(&client.say(&mut lab, &request)[0]), None);
    let sent = lab.datagram(addr("203.0.113.5:4001"), SERVER.into(), &request);
    assert_eq!(wire::error(&sent[0].2), Some(438));
}

#[test]
fn a_seal_without_a_name_is_a_bad_request() {
    let (mut lab, client) = (Lab::new(), alice());
    let mut request = wire::message(wire::ALLOCATE, Class::Request, [1; 12], &[transport(17)]);
    farcast_core::turn::seal::seal(&mut request, b"key");
    assert_eq!(wire::error(&client.say(&mut lab, &request)[0]), Some(400));
}

#[test]
fn attributes_that_nobody_knows_are_named() {
    let (mut lab, mut client) = (Lab::new(), alice());
    let more = [(0x7f01, vec![1]), (0x8001, vec![2]), (0x7f02, vec![])];
    let answer = client.allocate(&mut lab, &more);
    assert_eq!(wire::error(&answer), Some(420));
    let unknown = wire::read(&answer).attribute(wire::UNKNOWN_ATTRIBUTES);
    assert_eq!(unknown, Some(&[0x7f, 1, 0x7f, 2][..]));
    lab.finish();
}

#[test]
fn what_follows_the_seal_counts_for_nothing() {
    let (mut lab, mut client) = (Lab::new(), alice());
    let relayed = client.relayed(&mut lab);
    let transaction = client.transaction();
    let mut request = client.sealed(wire::REFRESH, transaction, &[]);
    wire::append(&mut request, LIFETIME, &[0; 4]);
    let answer = client.say(&mut lab, &request).remove(0);
    assert_eq!(wire::seconds(&answer), Some(600));
    assert!(lab.bound.contains(&relayed));
}

#[test]
fn reserved_bits_are_not_looked_at() {
    let (mut lab, mut client) = (Lab::new(), alice());
    let answer = client.ask(&mut lab, wire::ALLOCATE, &[(REQUESTED_TRANSPORT, vec![17, 1, 2, 3])]);
    assert_eq!(wire::error(&answer), None);
}

#[test]
fn an_allocate_that_makes_no_sense_is_refused_and_changes_nothing() {
    let token = (0x0022, vec![1; 8]);
    let even = |reserve: bool| (0x0018, vec![u8::from(reserve) << 7]);
    let family = |number: u8| (0x0017, vec![number, 0, 0, 0]);
    let both = |number: u8| (0x8000, vec![number, 0, 0, 0]);
    let udp = transport(17);
    let rows: Vec<(u16, wire::Attributes)> = vec![
        (400, vec![]),
        (400, vec![(REQUESTED_TRANSPORT, vec![17])]),
        (442, vec![transport(99)]),
        (442, vec![transport(6)]),
        (440, vec![udp.clone(), family(3)]),
        (400, vec![udp.clone(), token.clone(), even(false)]),
        (400, vec![udp.clone(), token.clone(), family(1)]),
        (508, vec![udp.clone(), token]),
        (400, vec![udp.clone(), family(1), both(2)]),
        (400, vec![udp.clone(), both(1)]),
        (400, vec![udp, both(2), even(true)]),
    ];
    let mut lab = Lab::new();
    for (code, attributes) in rows {
        let mut client = alice();
        let answer = client.ask(&mut lab, wire::ALLOCATE, &attributes);
        assert_eq!(wire::error(&answer), Some(code), "{attributes:?}");
        assert!(lab.bound.is_empty() && lab.deadline().is_none(), "{attributes:?}");
    }
}

#[test]
fn without_an_allocation_there_is_nothing_to_ask_for() {
    let (mut lab, mut client, peer) = (Lab::new(), alice(), addr("203.0.113.9:1"));
    for answer in [
        client.refresh(&mut lab, 600),
        client.refresh(&mut lab, 0),
        client.permit(&mut lab, &[peer]),
        client.bind(&mut lab, 0x4000, peer),
    ] {
        assert_eq!(wire::error(&answer), Some(437));
    }
    lab.finish();
}

#[test]
fn a_repeated_allocate_has_the_same_answer_and_another_one_is_refused() {
    let (mut lab, mut client) = (Lab::new(), alice());
    let transaction = client.transaction();
    let first = client.ask_as(&mut lab, wire::ALLOCATE, transaction, &[transport(17)]);
    let again = client.ask_as(&mut lab, wire::ALLOCATE, transaction, &[transport(17)]);
    assert_eq!(first, again);
    assert_eq!(wire::error(&client.allocate(&mut lab, &[])), Some(437));
    assert_eq!(lab.bound.len(), 1);
}

#[test]
fn nobody_uses_an_allocation_of_somebody_else() {
    let (mut lab, mut client) = (Lab::new(), alice());
    client.relayed(&mut lab);
    let mut other = Client::udp("203.0.113.5:4000", "bob");
    assert_eq!(wire::error(&other.refresh(&mut lab, 0)), Some(441));
    assert_eq!(wire::error(&other.permit(&mut lab, &[addr("203.0.113.9:1")])), Some(441));
    assert_eq!(lab.bound.len(), 1);
}

#[test]
fn peers_are_refused_by_address_family_and_as_the_operator_wants() {
    let (mut lab, mut client) = (Lab::new(), alice());
    client.relayed(&mut lab);
    for (peer, code) in [
        ("203.0.113.9:1", None),
        ("8.8.8.8:53", None),
        ("203.0.113.66:1", Some(403)),
        ("127.0.0.1:1", Some(403)),
        ("169.254.169.254:80", Some(403)),
        ("10.0.0.1:1", Some(403)),
        ("[2001:db8::9]:1", Some(443)),
    ] {
        assert_eq!(wire::error(&client.permit(&mut lab, &[addr(peer)])), code, "{peer}");
    }
    assert_eq!(wire::error(&client.bind(&mut lab, 0x4000, addr("10.0.0.1:1"))), Some(403));
    assert_eq!(wire::error(&client.bind(&mut lab, 0x4000, addr("[2001:db8::9]:1"))), Some(443));
    // The server is no peer of its own.
    assert_eq!(wire::error(&client.bind(&mut lab, 0x4000, SERVER.into())), Some(403));
    assert_eq!(wire::error(&client.permit(&mut lab, &[])), Some(400));
}

#[test]
fn one_bad_peer_spoils_all_permissions_of_a_request() {
    let (mut lab, mut client, peer) = (Lab::new(), alice(), addr("203.0.113.9:5000"));
    let relayed = client.relayed(&mut lab);
    let answer = client.permit(&mut lab, &[peer, addr("127.0.0.1:1")]);
    assert_eq!(wire::error(&answer), Some(403));
    assert_eq!(lab.datagram(peer, relayed, b"hello"), []);
}

#[test]
fn a_channel_and_its_peer_belong_together_until_five_minutes_after_its_end() {
    let (mut lab, mut client) = (Lab::new(), alice());
    let (one, other) = (addr("203.0.113.9:1"), addr("203.0.113.9:2"));
    client.relayed(&mut lab);
    for number in [0x3fff, 0x8000, 0xffff] {
        assert_eq!(wire::error(&client.bind(&mut lab, number, one)), Some(400), "{number:x}");
    }
    assert_eq!(wire::error(&client.bind(&mut lab, 0x4000, one)), None);
    assert_eq!(wire::error(&client.bind(&mut lab, 0x4000, one)), None);
    client.refresh(&mut lab, 3600);
    for seconds in [0, 599, 2, 298] {
        lab.wait(Duration::from_secs(seconds));
        assert_eq!(wire::error(&client.bind(&mut lab, 0x4000, other)), Some(400));
        assert_eq!(wire::error(&client.bind(&mut lab, 0x4001, one)), Some(400));
    }
    let data = wire::channel_data(0x4000, b"late");
    assert_eq!(lab.datagram(client.addr(), SERVER.into(), &data), []);
    lab.wait(Duration::from_secs(2));
    assert_eq!(wire::error(&client.bind(&mut lab, 0x4000, other)), None);
}

#[test]
fn a_missing_channel_or_peer_is_a_bad_request() {
    let (mut lab, mut client) = (Lab::new(), alice());
    client.relayed(&mut lab);
    let transaction = client.transaction();
    let peer = (XOR_PEER_ADDRESS, wire::xor(addr("203.0.113.9:1"), transaction));
    let number = (wire::CHANNEL_NUMBER, vec![0x40, 0, 0, 0]);
    for attribute in [peer, number] {
        let answer = client.ask_as(&mut lab, wire::CHANNEL_BIND, transaction, &[attribute]);
        assert_eq!(wire::error(&answer), Some(400));
    }
}

#[test]
fn a_user_has_as_many_allocations_as_the_operator_grants() {
    let mut lab = Lab::with(farcast_core::config::Turn { per_user: 2, ..config() });
    let mut clients: Vec<Client> =
        (1..=3).map(|port| Client::udp(&format!("203.0.113.5:{port}"), "alice")).collect();
    let codes: Vec<Option<u16>> =
        clients.iter_mut().map(|client| wire::error(&client.allocate(&mut lab, &[]))).collect();
    assert_eq!(codes, [None, None, Some(486)]);
    let mut bob = Client::udp("203.0.113.5:9", "bob");
    assert_eq!(wire::error(&bob.allocate(&mut lab, &[])), None);
    clients[0].refresh(&mut lab, 0);
    assert_eq!(wire::error(&clients[2].allocate(&mut lab, &[])), None);
    lab.finish();
}

#[test]
fn channels_and_permissions_of_one_allocation_are_bounded() {
    let (mut lab, mut client) = (Lab::new(), alice());
    client.relayed(&mut lab);
    for number in 0..64 {
        let peer = SocketAddr::from(([203, 0, 113, 128 + number], 1));
        let answer = client.bind(&mut lab, 0x4000 + u16::from(number), peer);
        assert_eq!(wire::error(&answer), None);
    }
    let one_more = addr("203.0.113.9:1");
    assert_eq!(wire::error(&client.bind(&mut lab, 0x4fff, one_more)), Some(508));
    assert_eq!(wire::error(&client.permit(&mut lab, &[one_more])), Some(508));
}

#[test]
fn short_lived_credentials_begin_nothing_after_their_time_but_go_on() {
    let (mut lab, expires) = (Lab::new(), CALENDAR + Duration::from_secs(600));
    let secret = Secret(b"a secret for short passwords".to_vec());
    let credential = credential::mint(&secret, expires, "viewer7");
    let mut client = Client::udp("203.0.113.5:4000", &credential.username);
    client.password = credential.password.clone();
    assert_eq!(wire::error(&client.allocate(&mut lab, &[])), None);
    lab.wait(Duration::from_secs(400));
    client.refresh(&mut lab, 3600);
    lab.wait(Duration::from_secs(400));
    assert_eq!(wire::error(&client.refresh(&mut lab, 3600)), None);
    let mut late = Client::udp("203.0.113.5:4001", &credential.username);
    late.password = credential.password;
    assert_eq!(wire::error(&late.allocate(&mut lab, &[])), Some(401));
    for _ in 0..14 {
        lab.wait(Duration::from_secs(3500));
        client.refresh(&mut lab, 3600);
    }
    assert!(lab.bound.is_empty(), "nobody goes on for ever");
    lab.finish();
}

#[test]
fn whoever_asks_where_he_is_hears_his_address() {
    let mut lab = Lab::new();
    let asked = wire::message(wire::BINDING, Class::Request, [3; 12], &[]);
    let client = addr("203.0.113.5:4000");
    let sent = lab.datagram(client, SERVER.into(), &asked);
    assert_eq!(wire::address(&sent[0].2, wire::XOR_MAPPED_ADDRESS), Some(client));
    let asked = wire::message(wire::BINDING, Class::Request, [3; 12], &[(0x7f01, vec![])]);
    assert_eq!(wire::error(&lab.datagram(client, SERVER.into(), &asked)[0].2), Some(420));
}

#[test]
fn a_flood_of_strangers_is_answered_a_little_and_costs_no_memory() {
    let mut lab = Lab::new();
    let bare = wire::message(wire::BINDING, Class::Request, [3; 12], &[]);
    let allocate = wire::message(wire::ALLOCATE, Class::Request, [3; 12], &[transport(17)]);
    let mut answered = 0;
    for host in 1..=250 {
        for port in 1..=20 {
            let source = SocketAddr::from(([203, 0, 113, host], port));
            answered += lab.datagram(source, SERVER.into(), &bare).len();
            answered += lab.datagram(source, SERVER.into(), &allocate).len();
        }
    }
    assert!(answered <= 200, "{answered} answers at once");
    assert_eq!(lab.deadline(), None, "strangers leave nothing behind");
    let elsewhere = lab.datagram(addr("198.51.100.77:1"), SERVER.into(), &bare);
    assert_eq!(elsewhere.len(), 1, "others are answered meanwhile");
}

#[test]
fn new_clients_are_sent_elsewhere_while_the_server_drains() {
    let (mut lab, mut old) = (Lab::new(), alice());
    old.relayed(&mut lab);
    let mut new = Client::udp("203.0.113.6:4000", "alice");
    lab.feed(Input::Alternates(vec![addr("[2001:db8::2]:3478")]));
    assert_eq!(wire::error(&new.allocate(&mut lab, &[])), Some(508), "no IPv4 there");
    lab.feed(Input::Alternates(vec![addr("[2001:db8::2]:3478"), addr("198.51.100.2:3478")]));
    let answer = new.allocate(&mut lab, &[]);
    assert_eq!(wire::error(&answer), Some(300));
    let value = wire::read(&answer).attribute(0x8023);
    assert_eq!(value, Some(&[0, 1, 0x0d, 0x96, 198, 51, 100, 2][..]));
    assert_eq!(wire::seconds(&old.refresh(&mut lab, 600)), Some(600), "whoever is in stays");
    lab.feed(Input::Alternates(Vec::new()));
    assert_eq!(wire::error(&new.allocate(&mut lab, &[])), None);
    lab.finish();
}
