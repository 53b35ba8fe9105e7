//! Who may be reached through a relayed address, and how: by a socket, or inside the process if it
//! is this node's own media. It knows no client.

use std::net::{IpAddr, SocketAddr};

use super::reach::Reach;
use crate::config::OwnMedia;

/// How datagrams get to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the relayed address's socket.
    Outward,
    /// To this address of our own media; no socket sees them.
    Inward(SocketAddr),
}

/// Everybody whom clients may reach.
pub(super) struct Peers {
    reach: Reach,
    own: Vec<OwnMedia>,
    machine: Machine,
    /// Whether relayed addresses have sockets.
    sockets: bool,
}

/// The machine that we run on, which has other services.
pub(super) struct Machine {
    /// Its IPs, bound and announced.
    pub(super) ips: Vec<IpAddr>,
    /// The ports there that are relayed addresses of ours, or nobody's.
    pub(super) relayed: (u16, u16),
}

impl Peers {
    pub(super) fn new(reach: Reach, own: Vec<OwnMedia>, machine: Machine, sockets: bool) -> Self {
        Peers { reach, own, machine, sockets }
    }

    /// Whether a permission for this IP makes sense. It does not say which ports are reached.
    pub(super) fn permits(&self, ip: IpAddr) -> bool {
        self.own.iter().any(|own| own.announced.ip() == ip) || self.is_outside(ip)
    }

    /// The way to a peer, if it may be reached at all.
    pub(super) fn way(&self, peer: SocketAddr) -> Option<Way> {
        let own = self.own.iter().find(|own| own.announced == peer);
        match own {
            Some(own) => Some(Way::Inward(own.local)),
            None => {
                let fits = self.is_outside(peer.ip()) && peer.port() != 0;
                (fits && !self.is_service(peer)).then_some(Way::Outward)
            }
        }
    }

    /// Whether a peer may be one of this machine's other services, which a firewall may keep from
    /// the world, but not from us.
    fn is_service(&self, peer: SocketAddr) -> bool {
        let Machine { ips, relayed: (first, last) } = &self.machine;
        ips.contains(&peer.ip())
            && !self.reach.allows(peer.ip())
            && !(first..=last).contains(&&peer.port())
    }

    /// What clients may call our own media that sends from `local`.
    pub(super) fn names(&self, local: SocketAddr) -> impl Iterator<Item = SocketAddr> {
        let own = self.own.iter().filter(move |own| own.local == local);
        own.map(|own| own.announced)
    }

    fn is_outside(&self, ip: IpAddr) -> bool {
        self.sockets && self.reach.permits(ip)
    }
}

/// Whether our own media is meant: ICE checks and their answers, DTLS, SRTP and SRTCP (RFC 7983
/// section 7). Nobody talks to the TURN server through the TURN server.
pub(super) fn is_media(payload: &[u8]) -> bool {
    match payload {
        [20..=63 | 128..=191, ..] => true,
        // Binding: a request, an indication, an answer, an error (RFC 8489 section 5).
        [0, 0x01 | 0x11, ..] | [1, 0x01 | 0x11, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::config::{Birth, Network, RelayIp, Secret, Turn as Config, TurnUser};
    use crate::credential;
    use crate::machine::{Carrier, Datagram, Input, Output};
    use crate::outbox::{Outbox, Runs};
    use crate::seed::Seed;
    use crate::turn::client::Asker;
    use crate::turn::guard::Class;
    use crate::turn::{
        Desk, Inward, Turn, address, allocation, guard, keys, message, requests, seal,
    };

    /// What the client sends to, for TURN and for media alike: one port.
    const SERVER: ([u8; 4], u16) = ([10, 0, 0, 7], 443);
    /// The same from outside, behind 1:1 NAT.
    const PUBLIC: ([u8; 4], u16) = ([198, 51, 100, 1], 443);
    const CLIENT: ([u8; 4], u16) = ([203, 0, 113, 5], 4000);
    const CHANNEL: u16 = 0x4001;

    struct Inside {
        turn: Turn,
        now: Instant,
        inward: Inward,
        out: Outbox,
    }

    impl Inside {
        /// A server whose relayed addresses have no sockets.
        fn new() -> Self {
            let announced = SocketAddr::from(PUBLIC);
            let config = Config {
                realm: "lab.test".to_owned(),
                users: vec![TurnUser { name: "alice".to_owned(), password: "secret".to_owned() }],
                relays: vec![RelayIp {
                    bind: SocketAddr::from(SERVER).ip(),
                    announced: announced.ip(),
                }],
                secrets: vec![Secret(b"shared".to_vec())],
                per_user: 10,
                ..Config::default()
            };
            let now = Instant::now();
            let birth = Birth { seed: [7; 32], calendar: Duration::ZERO, start: now };
            let own = vec![OwnMedia { announced, local: SERVER.into() }];
            let turn = Turn::new(config, own, birth, Seed::new(birth.seed));
            Inside { turn, now, inward: Inward::default(), out: Outbox::default() }
        }

        fn desk(&mut self) -> (&mut Turn, Desk<'_>) {
            let Inside { turn, now, inward, out } = self;
            (turn, Desk { now: *now, inward, out })
        }

        fn say(&mut self, payload: &[u8]) {
            let (turn, mut desk) = self.desk();
            let datagram = Datagram::udp(CLIENT.into(), SERVER.into(), payload);
            turn.from_clients(&[datagram], &mut desk);
        }

        /// What left by sockets.
        fn sent(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
            let mut sent = Vec::new();
            for run in self.out.transmits() {
                sent.extend(run.datagrams().map(|one| (run.peer, one.to_vec())));
            }
            self.out.clear();
            sent
        }

        /// What reached our own media: from, to, what.
        fn arrived(&mut self) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
            let arrived = self.inward.datagrams.arrivals(Carrier::Relay);
            let arrived = arrived.map(|one| (one.peer, one.local, one.payload.to_vec())).collect();
            self.inward.clear();
            arrived
        }

        /// An allocation with a permission for our own IP; its relayed address.
        fn allocated(&mut self, channel: Option<u16>) -> SocketAddr {
            let user = allocation::User { username: b"alice".to_vec(), key: [0; 16] };
            let transaction = [1; 12];
            let transport = [&[0, 0x19, 0, 4][..], &[17, 0, 0, 0]].concat();
            let header = [&[0, 3, 0, 8][..], &address::MAGIC_COOKIE, &transaction].concat();
            let words = message::Words::read(&[header, transport].concat()).unwrap();
            let asker = Asker::udp(SERVER.into(), CLIENT.into());
            let method = message::method::ALLOCATE;
            let request = requests::Request { asker, method, transaction, user, words };
            let (turn, mut desk) = self.desk();
            assert!(turn.allocate(&request, &mut desk).unwrap().is_none());
            let now = desk.now;
            let allocation = turn.table.get_mut(0).unwrap();
            allocation.permissions.install(SocketAddr::from(PUBLIC).ip(), now);
            if let Some(number) = channel {
                allocation.channels.bind(number, PUBLIC.into(), Way::Inward(SERVER.into()), now);
            }
            let relayed = allocation.relayed[0].announced;
            assert!(self.out.errands().all(|errand| matches!(errand, Output::Report(_))));
            self.sent();
            relayed
        }

        /// Our own media sends.
        fn answer(&mut self, to: SocketAddr, payload: &[u8]) {
            let mut relayed = Runs::default();
            relayed.pass(SERVER.into(), to, payload);
            let (turn, mut desk) = self.desk();
            turn.from_media(&relayed, &mut desk);
        }
    }

    fn channel_data(payload: &[u8]) -> Vec<u8> {
        [&[0x40, 1, 0, payload.len() as u8], payload].concat()
    }

    #[test]
    fn media_reaches_the_node_and_comes_back_behind_nat_without_a_socket() {
        let mut inside = Inside::new();
        let relayed = inside.allocated(Some(CHANNEL));
        assert_eq!(relayed.ip(), SocketAddr::from(PUBLIC).ip());
        inside.say(&channel_data(&[0x80, 96, 0, 1]));
        assert_eq!(inside.arrived(), [(relayed, SERVER.into(), vec![0x80, 96, 0, 1])]);
        assert_eq!(inside.sent(), []);
        inside.answer(relayed, &[0x80, 97]);
        assert_eq!(inside.sent(), [(CLIENT.into(), channel_data(&[0x80, 97]))]);
    }

    #[test]
    fn without_a_channel_the_client_hears_our_media_by_its_public_name() {
        let mut inside = Inside::new();
        let relayed = inside.allocated(None);
        inside.answer(relayed, &[22, 1, 2]);
        let sent = inside.sent();
        let scanned = guard::scan(&sent[0].1).unwrap();
        assert_eq!((scanned.class, scanned.method), (Class::Indication, 7));
        let peer = scanned.attribute(message::kind::XOR_PEER_ADDRESS).unwrap();
        assert_eq!(address::read(peer, &scanned.transaction), Some(PUBLIC.into()));
        assert_eq!(scanned.attribute(message::kind::DATA), Some(&[22, 1, 2][..]));
        inside.now += Duration::from_secs(301);
        inside.answer(relayed, &[22, 1, 2]);
        assert_eq!(inside.sent(), [], "the permission is over");
    }

    #[test]
    fn our_media_hears_ice_dtls_and_srtp_and_nothing_else() {
        let mut inside = Inside::new();
        inside.allocated(Some(CHANNEL));
        let may = |payload: &[u8]| match payload {
            [0, 1 | 0x11, ..] | [1, 1 | 0x11, ..] => true,
            [first, ..] => (20..=63).contains(first) || (128..=191).contains(first),
            [] => false,
        };
        for first in 0..=255 {
            for second in 0..=255 {
                let payload = [first, second, 0, 0];
                inside.say(&channel_data(&payload));
                assert_eq!(inside.arrived().len(), usize::from(may(&payload)), "{payload:?}");
            }
        }
        assert_eq!(inside.sent(), []);
    }

    #[test]
    fn the_machines_other_services_are_no_peers_unless_allowed() {
        let ip: IpAddr = "8.8.8.8".parse().unwrap();
        let ways = |allow: Vec<Network>| {
            let machine = Machine { ips: vec![ip], relayed: (50_000, 50_010) };
            let peers = Peers::new(Reach::new(allow, vec![]), vec![], machine, true);
            [22, 49_999, 50_000, 50_010, 50_011]
                .map(|port| peers.way(SocketAddr::new(ip, port)).is_some())
        };
        assert_eq!(ways(vec![]), [false, false, true, true, false]);
        assert_eq!(ways(vec![Network { ip, prefix: 32 }]), [true; 5]);
    }

    #[test]
    fn a_relayed_address_without_a_socket_reaches_nobody_else() {
        let mut inside = Inside::new();
        inside.allocated(None);
        let ip = SocketAddr::from(PUBLIC).ip();
        assert!(inside.turn.peers.permits(ip));
        for peer in ["198.51.100.1:444", "8.8.8.8:53", "10.0.0.7:443"] {
            assert_eq!(inside.turn.peers.way(peer.parse().unwrap()), None, "{peer}");
        }
        assert!(!inside.turn.peers.permits("8.8.8.8".parse().unwrap()));
    }

    #[test]
    fn whoever_is_revoked_loses_his_allocations_and_nobody_else_does() {
        let mut inside = Inside::new();
        inside.allocated(None);
        let (turn, mut desk) = inside.desk();
        turn.revoke("bob", &mut desk);
        assert!(turn.table.get(0).is_some());
        turn.revoke("alice", &mut desk);
        assert!(turn.table.get(0).is_none() && turn.deadline().is_none());
        turn.hear(&Input::Timeout, &mut desk);
    }

    #[test]
    fn credentials_of_whoever_is_revoked_do_not_count_any_more() {
        let mut inside = Inside::new();
        let secret = Secret(b"shared".to_vec());
        let credential = credential::mint(&secret, Duration::from_secs(600), "viewer");
        let (name, password) = (credential.username.as_bytes(), credential.password.as_bytes());
        let mut request = [&[0, 3, 0, 0][..], &address::MAGIC_COOKIE, &[1; 12]].concat();
        seal::seal(&mut request, &keys::long_term(name, "lab.test", password));
        let scanned = guard::scan(&request).unwrap();
        let asker = Asker::udp(SERVER.into(), CLIENT.into());
        let (turn, mut desk) = inside.desk();
        let now = desk.now;
        turn.revoke("another", &mut desk);
        assert!(turn.key(&asker, name, &scanned, now).is_some());
        turn.revoke("viewer", &mut desk);
        assert!(turn.key(&asker, name, &scanned, now).is_none());
    }
}
