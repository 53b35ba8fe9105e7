//! The in-memory world: nodes and guests on a network, and a clock that jumps from one deadline to
//! the next. It does what a driver does, without sockets or threads.

mod calls;
mod carry;
mod direct;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use farcast_core::config::{Birth, Config};
use farcast_core::http::Reply;
use farcast_core::machine::{
    self, BindId, ConnectionId, Datagram, Input, Machine, Output, RequestId, StreamId,
};
use farcast_core::outbox::Outbox;
use farcast_core::report::Report;
use farcast_core::seed::Seed;

use crate::browser::Browser;
use crate::cores::Cores;
use crate::epoch;
use crate::guest::Guest;
use crate::handshake::Dtls;
use crate::host::Host;
use crate::net::{Net, Place};
use crate::world::calls::{Answer, Question};
use crate::world::streams::{Happening, Streams};

/// A node's place in a world.
pub type NodeIndex = usize;
/// A guest's place in a world.
pub type PeerIndex = usize;

/// Everything there is.
pub struct World {
    start: Instant,
    now: Instant,
    net: Net,
    nodes: Vec<Host>,
    guests: Vec<Guest>,
    /// Who is at which IP.
    places: BTreeMap<IpAddr, Actor>,
    events: BTreeMap<(Instant, u64), Arrival>,
    sequence: u64,
    alarms: BTreeSet<(Instant, Actor)>,
    /// What each actor has among the alarms.
    rings: BTreeMap<Actor, Instant>,
    /// Whether the wires carry DTLS.
    dtls: bool,
    /// Who neither gets nor sends datagrams.
    without_udp: BTreeSet<IpAddr>,
    streams: Streams,
    handshake: Dtls,
    seed: Seed,
    replies: BTreeMap<RequestId, Reply>,
    said: BTreeMap<ConnectionId, Vec<serde_json::Value>>,
    next_id: u64,
    /// From everything to everything, in a world without an atlas.
    delay: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Actor {
    Node(NodeIndex),
    Guest(PeerIndex),
}

enum Arrival {
    Datagram { from: SocketAddr, to: SocketAddr, payload: Vec<u8> },
    Asked(Question),
    Answered(Answer),
    Bound { node: NodeIndex, bind: BindId, result: Result<SocketAddr, String> },
    Stream(StreamId, Happening),
}

impl World {
    /// A world without anybody in it.
    pub fn on(net: Net, seed: Seed, handshake: Dtls) -> Self {
        let now = epoch::start();
        World {
            start: now,
            now,
            net,
            nodes: Vec::new(),
            guests: Vec::new(),
            places: BTreeMap::new(),
            events: BTreeMap::new(),
            sequence: 0,
            alarms: BTreeSet::new(),
            rings: BTreeMap::new(),
            dtls: true,
            without_udp: BTreeSet::new(),
            streams: Streams::default(),
            handshake,
            seed,
            replies: BTreeMap::new(),
            said: BTreeMap::new(),
            next_id: 0,
            delay: Duration::ZERO,
        }
    }

    /// Adds a host, on which nothing runs yet.
    pub fn add_host(&mut self, config: Config, place: Place, calendar: Duration) -> NodeIndex {
        let index = self.nodes.len();
        let ip = config.addresses.udp[0].ip();
        self.net.put(SocketAddr::new(ip, 0), place);
        self.places.insert(ip, Actor::Node(index));
        self.nodes.push(Host::new(ip, config, calendar));
        index
    }

    /// Adds somebody's browser.
    pub fn add_browser(&mut self, browser: Browser, place: Place) -> PeerIndex {
        let ip = browser.socket().ip();
        self.net.put(SocketAddr::new(ip, 0), place);
        if browser.script().firewalled {
            self.without_udp.insert(ip);
        }
        self.add_guest(Guest::Browser(Box::new(browser)))
    }

    /// Starts a node, again if it was killed: it remembers nothing.
    pub fn start(&mut self, index: NodeIndex) {
        fastrand::seed(self.seed.bits());
        let seed = self.seed.bytes();
        let crypto = self.handshake.crypto();
        let host = &mut self.nodes[index];
        host.life += 1;
        host.gone = false;
        let calendar = host.calendar + (self.now - self.start);
        let birth = Birth { seed, calendar, start: self.now };
        host.node = Some(Cores::new(host.config.clone(), birth, crypto));
        self.set_alarm(Actor::Node(index));
    }

    /// A node is told to end: it says goodbye to everybody, and its process is gone.
    pub fn stop(&mut self, index: NodeIndex) {
        self.feed(index, Input::Stopping);
        self.end_streams(index);
        self.nodes[index].kill(false);
        self.set_alarm(Actor::Node(index));
    }

    /// A node's machine is gone from one moment to the next.
    pub fn kill(&mut self, index: NodeIndex) {
        self.end_streams(index);
        self.nodes[index].kill(true);
        self.set_alarm(Actor::Node(index));
    }

    /// Whether a node runs there.
    pub fn is_alive(&self, index: NodeIndex) -> bool {
        self.nodes[index].node.is_some()
    }

    /// A browser.
    pub fn browser(&self, index: PeerIndex) -> Option<&Browser> {
        match &self.guests[index] {
            Guest::Browser(browser) => Some(browser),
            Guest::Peer(_) => None,
        }
    }

    /// Somebody's address changes.
    pub fn roam(&mut self, index: PeerIndex) {
        if let Guest::Browser(browser) = &mut self.guests[index] {
            browser.roam();
        }
    }

    /// The network.
    pub fn net(&mut self) -> &mut Net {
        &mut self.net
    }

    /// What a node has reported, and when.
    pub fn timed_reports(&self, index: NodeIndex) -> &[(Instant, Report)] {
        &self.nodes[index].reports
    }

    /// What a node has reported.
    pub fn reports(&self, index: NodeIndex) -> impl DoubleEndedIterator<Item = &Report> {
        self.nodes[index].reports.iter().map(|(_, report)| report)
    }

    /// How often a node was woken for nothing but the time.
    pub fn wakes(&self, index: NodeIndex) -> u64 {
        self.nodes[index].wakes
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Since the world's start.
    pub fn time(&self) -> Duration {
        self.now - self.start
    }

    /// The world's start.
    pub fn origin(&self) -> Instant {
        self.start
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next_event().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    fn next_event(&self) -> Option<Instant> {
        let arrival = self.events.first_key_value().map(|((at, _), _)| *at);
        let alarm = self.alarms.first().map(|(at, _)| *at);
        arrival.into_iter().chain(alarm).min()
    }

    fn step(&mut self) {
        while let Some(entry) = self.events.first_entry().filter(|e| e.key().0 <= self.now) {
            let arrival = entry.remove();
            self.deliver(arrival);
        }
        while let Some((at, actor)) = self.alarms.first().copied().filter(|(at, _)| *at <= self.now)
        {
            self.alarms.remove(&(at, actor));
            self.rings.remove(&actor);
            match actor {
                Actor::Node(index) => {
                    self.nodes[index].wakes += 1;
                    self.feed(index, Input::Timeout);
                }
                Actor::Guest(index) => {
                    self.guests[index].advance(self.now);
                    self.carry_for(index);
                }
            }
        }
    }

    fn deliver(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Datagram { from, to, payload } => match self.places.get(&to.ip()) {
                Some(Actor::Node(index)) => self.deliver_burst(*index, (from, to, payload)),
                Some(Actor::Guest(index)) => {
                    let index = *index;
                    if self.guests[index].socket() == to && self.passes(&payload) {
                        self.guests[index].receive(self.now, from, &payload);
                        self.carry_for(index);
                    }
                }
                None => {}
            },
            Arrival::Asked(question) => self.ask_for(question),
            Arrival::Answered(answer) => self.answer(answer),
            Arrival::Bound { node, bind, result } => {
                self.feed(node, Input::Bound { bind, result });
            }
            Arrival::Stream(stream, what) => self.happen(stream, what),
        }
    }

    /// Everything that arrives at a socket at the same time, one after the other, is one read.
    fn deliver_burst(&mut self, node: NodeIndex, first: (SocketAddr, SocketAddr, Vec<u8>)) {
        let socket = first.1;
        let mut burst = vec![first];
        while let Some(entry) = self.events.first_entry().filter(|e| e.key().0 <= self.now) {
            let goes_on = matches!(entry.get(), Arrival::Datagram { to, .. } if *to == socket);
            if !goes_on {
                break;
            }
            if let Arrival::Datagram { from, to, payload } = entry.remove() {
                burst.push((from, to, payload));
            }
        }
        let host = &self.nodes[node];
        burst.retain(|(_, to, payload)| host.is_bound(*to) && self.passes(payload));
        if burst.is_empty() {
            return;
        }
        let datagrams: Vec<Datagram<'_>> = burst
            .iter()
            .map(|(peer, local, payload)| Datagram::udp(*peer, *local, payload))
            .collect();
        self.feed(node, Input::Datagrams(&datagrams));
    }

    /// Whether a middlebox lets this through, which knows DTLS by its first byte (RFC 7983
    /// section 7).
    fn passes(&self, payload: &[u8]) -> bool {
        self.dtls || !payload.first().is_some_and(|byte| (20..=63).contains(byte))
    }

    fn feed(&mut self, index: NodeIndex, input: Input<'_>) {
        let host = &mut self.nodes[index];
        let Some(mut node) = host.node.take() else { return };
        let mut outbox = std::mem::take(&mut host.outbox);
        let now = self.now;
        node.handle(now, input, &mut outbox);
        machine::finish(&mut node, now, &mut outbox, |outbox| self.carry(index, outbox));
        self.nodes[index].node = Some(node);
        self.carry(index, &outbox);
        for errand in outbox.errands() {
            self.run_errand(index, errand);
        }
        outbox.clear();
        self.nodes[index].outbox = outbox;
        self.set_alarm(Actor::Node(index));
    }

    /// Carries a node's datagrams and bytes.
    fn carry(&mut self, index: NodeIndex, outbox: &Outbox) {
        for transmit in outbox.transmits() {
            for payload in transmit.datagrams() {
                self.send(transmit.local, transmit.peer, payload.to_vec());
            }
        }
        for (stream, bytes) in outbox.writes() {
            self.write(index, stream, bytes);
        }
    }

    fn run_errand(&mut self, index: NodeIndex, errand: Output) {
        let host = &mut self.nodes[index];
        match errand {
            Output::Bind { bind, near } => {
                let result = host.bind(near);
                self.schedule(self.now, Arrival::Bound { node: index, bind, result });
            }
            Output::Unbind { local } => host.unbind(local),
            Output::Reply { id, reply } => {
                self.replies.insert(id, reply);
            }
            Output::Write { connection, text } => {
                let message = serde_json::from_str(&text).expect("nodes write JSON");
                self.said.entry(connection).or_default().push(message);
            }
            Output::Close { .. } => {}
            Output::Call { call, request } => self.call(Actor::Node(index), call, request),
            Output::Report(report) => host.reports.push((self.now, report)),
            Output::Connect { connect, from, to } => self.connect(index, connect, from, to),
            Output::End { stream } => self.end_stream(index, stream),
            Output::Tell { .. } => unreachable!("`Cores` carries words itself"),
            Output::Listen { .. } | Output::Unlisten { .. } | Output::Read { .. } => {
                panic!("no story has TURN allocations for TCP")
            }
        }
    }

    fn add_guest(&mut self, guest: Guest) -> PeerIndex {
        let index = self.guests.len();
        self.places.insert(guest.socket().ip(), Actor::Guest(index));
        self.guests.push(guest);
        self.carry_for(index);
        index
    }

    fn schedule(&mut self, at: Instant, arrival: Arrival) {
        self.events.insert((at, self.sequence), arrival);
        self.sequence += 1;
    }

    fn set_alarm(&mut self, actor: Actor) {
        let deadline = match actor {
            Actor::Node(index) => self.nodes[index].deadline(),
            Actor::Guest(index) => Some(self.guests[index].deadline()),
        };
        if let Some(old) = self.rings.remove(&actor) {
            self.alarms.remove(&(old, actor));
        }
        if let Some(at) = deadline {
            self.rings.insert(actor, at);
            self.alarms.insert((at, actor));
        }
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}
