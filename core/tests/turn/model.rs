//! Random clients against a reference that says what must be true: who has what, until when, and
//! who reaches whom.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::client::Client;
use super::lab::{Lab, SERVER, config};
use super::wire;

/// Allocations of one user.
const QUOTA: usize = 2;
/// Who the clients are: three of alice's, two of bob's.
const USERS: [&str; 5] = ["alice", "alice", "alice", "bob", "bob"];

#[derive(Debug, Clone)]
enum Step {
    Allocate(usize),
    Refresh(usize, u32),
    Permit(usize, usize),
    Bind(usize, u16, usize),
    Wait(u64),
    SendOnChannel(usize, u16),
    Send(usize, usize),
    PeerSends(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let (client, peer, number) = (0..USERS.len(), 0..4_usize, 0x4000_u16..0x4003);
    let seconds = prop_oneof![1..120_u64, 250..350_u64, 550..650_u64, 850..950_u64];
    let lifetime = prop_oneof![Just(0), Just(600), 1..4000_u32];
    prop_oneof![
        3 => client.clone().prop_map(Allocate),
        2 => (client.clone(), lifetime).prop_map(|(client, lifetime)| Refresh(client, lifetime)),
        3 => (client.clone(), peer.clone()).prop_map(|(client, peer)| Permit(client, peer)),
        3 => (client.clone(), number.clone(), peer.clone())
            .prop_map(|(client, number, peer)| Bind(client, number, peer)),
        3 => seconds.prop_map(Wait),
        3 => (client.clone(), number).prop_map(|(client, number)| SendOnChannel(client, number)),
        3 => (client.clone(), peer.clone()).prop_map(|(client, peer)| Send(client, peer)),
        3 => (client, peer).prop_map(|(client, peer)| PeerSends(client, peer)),
    ]
}

/// Peers 0 and 1 share an IP.
fn peer(number: usize) -> SocketAddr {
    let host = [9, 9, 10, 11][number];
    SocketAddr::from(([203, 0, 113, host], 5000 + number as u16))
}

/// What must be true.
#[derive(Debug, Default)]
struct Reference {
    /// Seconds since the beginning.
    now: u64,
    allocations: BTreeMap<usize, Holding>,
}

#[derive(Debug)]
struct Holding {
    relayed: SocketAddr,
    until: u64,
    /// By IP.
    permissions: BTreeMap<std::net::IpAddr, u64>,
    /// By number; a channel may not be another's for five minutes after its time.
    channels: BTreeMap<u16, (SocketAddr, u64)>,
}

impl Holding {
    fn permits(&self, peer: SocketAddr, now: u64) -> bool {
        self.permissions.get(&peer.ip()).is_some_and(|until| now < *until)
    }

    fn may_bind(&self, number: u16, peer: SocketAddr) -> bool {
        let holder = self.channels.get(&number).map(|(holder, _)| *holder);
        let held = self.channels.iter().find(|(_, (holder, _))| *holder == peer);
        holder.is_none_or(|holder| holder == peer) && held.is_none_or(|(held, _)| *held == number)
    }
}

impl Reference {
    fn wait(&mut self, seconds: u64) {
        self.now += seconds;
        let now = self.now;
        self.allocations.retain(|_, holding| now < holding.until);
        for holding in self.allocations.values_mut() {
            holding.channels.retain(|_, (_, until)| now < *until + 300);
        }
    }

    fn of_user(&self, user: &str) -> usize {
        self.allocations.keys().filter(|client| USERS[**client] == user).count()
    }
}

struct Stage {
    lab: Lab,
    clients: Vec<Client>,
    reference: Reference,
}

impl Stage {
    fn new() -> Self {
        let lab = Lab::with(farcast_core::config::Turn { per_user: QUOTA, ..config() });
        let client = |(number, user): (usize, &&str)| {
            Client::udp(&format!("203.0.113.5:{}", 4000 + number), user)
        };
        let clients = USERS.iter().enumerate().map(client).collect();
        Stage { lab, clients, reference: Reference::default() }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Allocate(client) => self.allocate(client),
            Step::Refresh(client, lifetime) => self.refresh(client, lifetime),
            Step::Permit(client, to) => self.permit(client, peer(to)),
            Step::Bind(client, number, to) => self.bind(client, number, peer(to)),
            Step::Wait(seconds) => {
                self.lab.wait(Duration::from_secs(seconds));
                self.reference.wait(seconds);
            }
            Step::SendOnChannel(client, number) => self.send_on_channel(client, number),
            Step::Send(client, to) => self.send(client, peer(to)),
            Step::PeerSends(client, from) => self.peer_sends(client, peer(from)),
        }
        let sockets: Vec<SocketAddr> = self.lab.bound.iter().copied().collect();
        let holdings = self.reference.allocations.values();
        let mut held: Vec<SocketAddr> = holdings.map(|holding| holding.relayed).collect();
        held.sort_unstable();
        assert_eq!(sockets, held, "each living allocation has one socket");
        for user in ["alice", "bob"] {
            assert!(self.reference.of_user(user) <= QUOTA);
        }
    }

    fn allocate(&mut self, client: usize) {
        let answer = self.clients[client].allocate(&mut self.lab, &[]);
        let living = self.reference.allocations.contains_key(&client);
        let code = match living {
            true => Some(437),
            false if self.reference.of_user(USERS[client]) >= QUOTA => Some(486),
            false => None,
        };
        assert_eq!(wire::error(&answer), code);
        if code.is_none() {
            let relayed = wire::address(&answer, wire::XOR_RELAYED_ADDRESS).expect("an address");
            let (permissions, channels) = (BTreeMap::new(), BTreeMap::new());
            let until = self.reference.now + 600;
            let holding = Holding { relayed, until, permissions, channels };
            self.reference.allocations.insert(client, holding);
        }
    }

    fn refresh(&mut self, client: usize, lifetime: u32) {
        let answer = self.clients[client].refresh(&mut self.lab, lifetime);
        let Some(holding) = self.reference.allocations.get_mut(&client) else {
            return assert_eq!(wire::error(&answer), Some(437));
        };
        let granted = if lifetime == 0 { 0 } else { lifetime.clamp(600, 3600) };
        assert_eq!(wire::seconds(&answer), Some(granted));
        holding.until = self.reference.now + u64::from(granted);
        self.reference.wait(0);
    }

    fn permit(&mut self, client: usize, peer: SocketAddr) {
        let answer = self.clients[client].permit(&mut self.lab, &[peer]);
        let holding = self.reference.allocations.get_mut(&client);
        assert_eq!(wire::error(&answer), if holding.is_some() { None } else { Some(437) });
        if let Some(holding) = holding {
            holding.permissions.insert(peer.ip(), self.reference.now + 300);
        }
    }

    fn bind(&mut self, client: usize, number: u16, peer: SocketAddr) {
        let answer = self.clients[client].bind(&mut self.lab, number, peer);
        let Some(holding) = self.reference.allocations.get_mut(&client) else {
            return assert_eq!(wire::error(&answer), Some(437));
        };
        let may = holding.may_bind(number, peer);
        assert_eq!(wire::error(&answer), if may { None } else { Some(400) });
        if may {
            holding.channels.insert(number, (peer, self.reference.now + 600));
            holding.permissions.insert(peer.ip(), self.reference.now + 300);
        }
    }

    fn send_on_channel(&mut self, client: usize, number: u16) {
        let data = wire::channel_data(number, b"data");
        let sent = self.lab.datagram(self.clients[client].addr(), SERVER.into(), &data);
        let now = self.reference.now;
        let holding = self.reference.allocations.get(&client);
        let expected = holding.and_then(|holding| {
            let (peer, _) = holding.channels.get(&number).filter(|(_, until)| now < *until)?;
            Some((holding.relayed, *peer, b"data".to_vec()))
        });
        assert_eq!(sent, Vec::from_iter(expected));
    }

    fn send(&mut self, client: usize, peer: SocketAddr) {
        let indication = self.clients[client].send_indication(peer, b"data");
        let sent = self.lab.datagram(self.clients[client].addr(), SERVER.into(), &indication);
        let holding = self.reference.allocations.get(&client);
        let holding = holding.filter(|holding| holding.permits(peer, self.reference.now));
        let expected = holding.map(|holding| (holding.relayed, peer, b"data".to_vec()));
        assert_eq!(sent, Vec::from_iter(expected));
    }

    fn peer_sends(&mut self, client: usize, peer: SocketAddr) {
        let now = self.reference.now;
        let Some(holding) = self.reference.allocations.get(&client) else { return };
        let sent = self.lab.datagram(peer, holding.relayed, b"data");
        if !holding.permits(peer, now) {
            return assert_eq!(sent, []);
        }
        let [(from, to, bytes)] = &sent[..] else { panic!("one for one: {sent:?}") };
        assert_eq!((*from, *to), (SERVER.into(), self.clients[client].addr()));
        let mut channels = holding.channels.iter();
        match channels.find(|(_, (bound, until))| *bound == peer && now < *until) {
            Some((number, _)) => assert_eq!(*bytes, wire::channel_data(*number, b"data")),
            None => {
                assert_eq!(wire::address(bytes, wire::XOR_PEER_ADDRESS), Some(peer));
                assert_eq!(wire::read(bytes).attribute(wire::DATA), Some(&b"data"[..]));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_client_has_what_the_reference_says_and_nothing_is_left_in_the_end(
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut stage = Stage::new();
        for step in &steps {
            stage.take(step);
        }
        stage.lab.finish();
    }
}
