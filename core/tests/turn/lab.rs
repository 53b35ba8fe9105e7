//! A TURN server in a world of its own: its sockets are names, its clock jumps, and everything that
//! it does is on record.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use farcast_core::config::{Birth, Config, RelayIp, Secret, Turn, TurnUser};
use farcast_core::hub::session::crypto::Crypto;
use farcast_core::machine::{Datagram, Door, Input, Machine, Output, StreamId};
use farcast_core::node::Node;
use farcast_core::outbox::Outbox;
use farcast_core::report::Report;
use farcast_core::turn::Standalone;

/// Where clients send to.
pub(crate) const SERVER: ([u8; 4], u16) = ([198, 51, 100, 1], 3478);
/// Calendar time at the start: 2026-01-01.
pub(crate) const CALENDAR: Duration = Duration::from_secs(1_767_225_600);

/// A server and what it did.
pub(crate) struct Lab {
    server: Box<dyn Machine>,
    outbox: Outbox,
    pub(crate) now: Instant,
    /// Its sockets.
    pub(crate) bound: BTreeSet<SocketAddr>,
    pub(crate) listeners: BTreeSet<SocketAddr>,
    /// Ports that somebody else has: binding them fails.
    pub(crate) taken: BTreeSet<u16>,
    /// Datagrams since the last look: from, to, what.
    sent: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// Bytes of streams since the last look.
    written: BTreeMap<StreamId, Vec<u8>>,
    /// Other errands since the last look.
    pub(crate) errands: Vec<Output>,
    pub(crate) reports: Vec<Report>,
    pub(crate) ended: BTreeSet<StreamId>,
}

/// A server for alice and bob that relays where the whole test net may be reached.
pub(crate) fn config() -> Turn {
    let user = |name: &str| TurnUser { name: name.to_owned(), password: "secret".to_owned() };
    let relay = |ip: &str| {
        let ip = ip.parse().expect("an IP");
        RelayIp { bind: ip, announced: ip }
    };
    Turn {
        realm: "lab.test".to_owned(),
        users: vec![user("alice"), user("bob")],
        secrets: vec![Secret(b"a secret for short passwords".to_vec())],
        relays: vec![relay("198.51.100.1"), relay("2001:db8::1")],
        ports: Some((50_000, 50_999)),
        allow: ["198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"]
            .map(|network| network.parse().expect("a network"))
            .to_vec(),
        deny: vec!["203.0.113.66/32".parse().expect("a network")],
        per_user: 10,
        ..Turn::default()
    }
}

pub(crate) fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

impl Lab {
    pub(crate) fn new() -> Self {
        Lab::with(config())
    }

    pub(crate) fn with(config: Turn) -> Self {
        Lab::of(|birth| Box::new(Standalone::new(config, birth)))
    }

    /// A server that is part of a node.
    pub(crate) fn inside(config: Config) -> Self {
        let crypto = Crypto::generate().expect("the system has randomness");
        Lab::of(|birth| Box::new(Node::new(config, birth, crypto)))
    }

    fn of(server: impl FnOnce(Birth) -> Box<dyn Machine>) -> Self {
        let now = Instant::now();
        let birth = Birth { seed: [7; 32], calendar: CALENDAR, start: now };
        Lab {
            server: server(birth),
            outbox: Outbox::default(),
            now,
            bound: BTreeSet::new(),
            listeners: BTreeSet::new(),
            taken: BTreeSet::new(),
            sent: Vec::new(),
            written: BTreeMap::new(),
            errands: Vec::new(),
            reports: Vec::new(),
            ended: BTreeSet::new(),
        }
    }

    /// Tells a fact and runs its errands.
    pub(crate) fn feed(&mut self, input: Input<'_>) {
        self.server.handle(self.now, input, &mut self.outbox);
        for run in self.outbox.transmits() {
            for one in run.datagrams() {
                self.sent.push((run.local, run.peer, one.to_vec()));
            }
        }
        for (stream, bytes) in self.outbox.writes() {
            assert!(!self.ended.contains(&stream), "bytes for a stream that was ended");
            self.written.entry(stream).or_default().extend_from_slice(bytes);
        }
        let errands: Vec<Output> = self.outbox.errands().collect();
        self.outbox.clear();
        for errand in errands {
            self.run(errand);
        }
    }

    fn run(&mut self, errand: Output) {
        match errand {
            Output::Bind { bind, near } => {
                let result = self.take(near);
                self.bound.extend(result.as_ref().ok());
                self.feed(Input::Bound { bind, result });
            }
            Output::Listen { bind, near } => {
                let result = self.take(near);
                self.listeners.extend(result.as_ref().ok());
                self.feed(Input::Listening { bind, result });
            }
            Output::Unbind { local } => assert!(self.bound.remove(&local), "{local} was bound"),
            Output::Unlisten { local } => assert!(self.listeners.remove(&local), "{local}"),
            Output::End { stream } => assert!(self.ended.insert(stream), "ended twice"),
            Output::Report(report) => self.reports.push(report),
            other => self.errands.push(other),
        }
    }

    fn take(&self, near: SocketAddr) -> Result<SocketAddr, String> {
        let is_taken = self.taken.contains(&near.port());
        let is_taken = is_taken || self.bound.contains(&near) || self.listeners.contains(&near);
        if is_taken { Err("address in use".to_owned()) } else { Ok(near) }
    }

    /// A datagram arrives; whatever the server sends because of it.
    pub(crate) fn datagram(
        &mut self,
        peer: SocketAddr,
        local: SocketAddr,
        payload: &[u8],
    ) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
        self.sent.clear();
        self.feed(Input::Datagrams(&[Datagram::udp(peer, local, payload)]));
        std::mem::take(&mut self.sent)
    }

    /// How many datagrams are in each run that these datagrams of one read cause.
    pub(crate) fn runs(
        &mut self,
        peer: SocketAddr,
        local: SocketAddr,
        payloads: &[Vec<u8>],
    ) -> Vec<usize> {
        let datagram = |payload| Datagram::udp(peer, local, payload);
        let read: Vec<Datagram<'_>> = payloads.iter().map(|one| datagram(one)).collect();
        self.server.handle(self.now, Input::Datagrams(&read), &mut self.outbox);
        let runs = self.outbox.transmits().map(|run| run.datagrams().len()).collect();
        self.outbox.clear();
        runs
    }

    /// Datagrams sent since the last look.
    pub(crate) fn sent(&mut self) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
        std::mem::take(&mut self.sent)
    }

    /// Bytes written to a stream since the last look.
    pub(crate) fn written(&mut self, stream: StreamId) -> Vec<u8> {
        self.written.remove(&stream).unwrap_or_default()
    }

    /// Somebody connects over TCP.
    pub(crate) fn accept(&mut self, stream: u64, peer: SocketAddr) -> StreamId {
        let (stream, door) = (StreamId(stream), Door::Turn { secure: false });
        self.feed(Input::Accepted { stream, door, local: SERVER.into(), peer });
        stream
    }

    /// Lets time pass, deadline by deadline.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        let mut at_once = 0;
        while let Some(at) = self.server.deadline().filter(|at| *at <= end) {
            at_once = if at > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 100, "a deadline comes again and again without time passing");
            self.now = self.now.max(at);
            self.feed(Input::Timeout);
        }
        self.now = end;
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.server.deadline()
    }

    /// Nobody asks for anything any more; in the end nothing is left.
    pub(crate) fn finish(mut self) {
        self.wait(Duration::from_secs(7200));
        assert_eq!(self.server.deadline(), None, "a timer outlived its owner");
        assert!(self.bound.is_empty(), "a socket outlived its allocation: {:?}", self.bound);
        assert!(self.listeners.is_empty(), "{:?}", self.listeners);
    }
}
