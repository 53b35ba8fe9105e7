//! One node and a clock that jumps. After every fact it checks what a node promises whatever is
//! said to it: one reply per request, no trace of what it refused, and an outbox that stays small.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use farcast_core::config::{Access, Addresses, Birth, Config};
use farcast_core::http::{CallError, Method, Reply, Request};
use farcast_core::hub::session::crypto::Crypto;
use farcast_core::limits;
use farcast_core::machine::{
    self, ConnectionId, Datagram, Door, Input, Machine, Output, RequestId, StreamId,
};
use farcast_core::node::Node;
use farcast_core::outbox::Outbox;
use farcast_core::report::Report;
use serde_json::Value;

/// Calendar time at the start: 2026-01-01.
pub const CALENDAR: Duration = Duration::from_secs(1_767_225_600);
/// The one UDP socket of the node.
pub const NODE: ([u8; 4], u16) = ([192, 0, 2, 1], 8080);
/// Long enough for every session to end that nobody keeps alive, and its stream with it.
const SILENCE: Duration = Duration::from_secs(60);
/// Until a knock must have been answered.
const KNOCKED: Duration = Duration::from_secs(4);
/// Errands that one fact may cause for each session, connection and datagram that it concerns.
const ERRANDS: usize = 32;
/// Bytes that one fact may send to each session: a flight of DTLS, and then some.
const BYTES: usize = 64 * 1024;

/// A node on its own.
pub struct Stage {
    node: Node,
    outbox: Outbox,
    now: Instant,
    next_id: u64,
    population: Population,
    connections: BTreeSet<ConnectionId>,
    /// The answers to errands that wait to be told.
    wanted: Vec<Input<'static>>,
}

/// How many there are, as the node itself reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Population {
    /// Publishers, viewers and relays.
    pub sessions: u64,
    /// Streams that can be watched.
    pub streams: u64,
}

/// What one fact caused.
#[derive(Debug, Default)]
pub struct Heard {
    /// Answers to HTTP requests.
    pub replies: Vec<(RequestId, Reply)>,
    /// What was written to WebSockets.
    pub messages: Vec<(ConnectionId, Value)>,
    /// Datagrams and their destinations.
    pub datagrams: Vec<(SocketAddr, Vec<u8>)>,
    /// Byte streams that were ended.
    pub ended: Vec<StreamId>,
}

impl Stage {
    /// A node without neighbours.
    pub fn new(access: Access) -> Self {
        static CRYPTO: OnceLock<Crypto> = OnceLock::new();
        let crypto = CRYPTO.get_or_init(|| Crypto::generate().expect("the system has randomness"));
        let now = Instant::now();
        // Peers of the simulation draw from it; a found input shall do the same again.
        fastrand::seed(1);
        let udp = vec![SocketAddr::from(NODE)];
        let config = Config {
            name: "node".to_owned(),
            access,
            addresses: Addresses { tcp: udp.clone(), udp, ..Addresses::default() },
            http_port: Some(NODE.1),
            ..Config::default()
        };
        let birth = Birth { seed: [7; 32], calendar: CALENDAR, start: now };
        Stage {
            node: Node::new(config, birth, crypto.clone()),
            outbox: Outbox::default(),
            now,
            next_id: 0,
            population: Population::default(),
            connections: BTreeSet::new(),
            wanted: Vec::new(),
        }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How many there are.
    pub fn population(&self) -> Population {
        self.population
    }

    /// Asks over HTTP. A node answers everything that needs no other node at once, and exactly
    /// once; what it refuses changes nothing.
    pub fn ask(&mut self, request: Request) -> Reply {
        self.next_id += 1;
        let id = RequestId(self.next_id);
        let before = (self.population, self.node.deadline());
        let mut heard = self.feed(Input::Asked { id, request });
        if heard.replies.is_empty() {
            heard = self.feed_until_answered();
        }
        assert_eq!(heard.replies.len(), 1, "exactly one reply per request");
        let (answered, reply) = heard.replies.remove(0);
        assert_eq!(answered, id, "the reply is for the request");
        assert!((200..600).contains(&reply.status), "{} is no status", reply.status);
        if reply.status >= 400 {
            let after = (self.population, self.node.deadline());
            assert_eq!(before, after, "a refused request changed the node");
            assert!(heard.datagrams.is_empty(), "a refused request sends no datagram");
        }
        reply
    }

    /// A knock takes its time. Nobody is at home where it knocks.
    fn feed_until_answered(&mut self) -> Heard {
        let end = self.now + KNOCKED;
        loop {
            let heard = match self.wanted.pop() {
                Some(fact) => self.feed(fact),
                None => {
                    self.now = self.node.deadline().expect("a knock has a timer");
                    assert!(self.now <= end, "a knock is not answered in time");
                    self.feed(Input::Timeout)
                }
            };
            if !heard.replies.is_empty() {
                return heard;
            }
        }
    }

    /// Posts an offer.
    pub fn post(&mut self, path: &str, offer: &str) -> Reply {
        self.ask(request(Method::Post, path, &[("content-type", "application/sdp")], offer))
    }

    /// Opens a WebSocket.
    pub fn open(&mut self) -> ConnectionId {
        self.next_id += 1;
        let connection = ConnectionId(self.next_id);
        self.connections.insert(connection);
        let peer = SocketAddr::from(([192, 0, 2, 66], 6));
        self.feed(Input::Opened { connection, peer, host: "node".to_owned() });
        connection
    }

    /// Says something on a WebSocket. What the node refuses changes nothing.
    pub fn say(&mut self, connection: ConnectionId, text: &str) -> Vec<Value> {
        let before = (self.population, self.node.deadline());
        let heard = self.feed(Input::Said { connection, text });
        let own = |(to, _): &(ConnectionId, Value)| *to == connection;
        let messages: Vec<Value> =
            heard.messages.into_iter().filter(own).map(|(_, message)| message).collect();
        if messages.iter().any(|message| message["type"] == "error") {
            let after = (self.population, self.node.deadline());
            assert_eq!(before, after, "a refused message changed the node");
        }
        // Whatever was written has left: the node must not take the client for a slow one.
        self.feed(Input::Writable { connection, unsent: 0 });
        messages
    }

    /// A datagram arrives.
    pub fn deliver(&mut self, peer: SocketAddr, payload: &[u8]) -> Heard {
        let local = SocketAddr::from(NODE);
        self.feed(Input::Datagrams(&[Datagram::udp(peer, local, payload)]))
    }

    /// A stranger connects over TCP and writes, in pieces: it gets no answer, and is sent away.
    pub fn stream<'a>(&mut self, peer: SocketAddr, pieces: impl Iterator<Item = &'a [u8]>) {
        let before = self.population;
        self.next_id += 1;
        let (stream, local) = (StreamId(self.next_id), SocketAddr::from(NODE));
        let mut heard = vec![self.feed(Input::Accepted { stream, door: Door::Ice, local, peer })];
        for bytes in pieces {
            heard.push(self.feed(Input::Bytes { stream, bytes }));
        }
        self.now += limits::STREAM_STRANGER;
        heard.push(self.feed(Input::Timeout));
        let ended: Vec<StreamId> = heard.into_iter().flat_map(|heard| heard.ended).collect();
        assert_eq!(ended, [stream], "a stranger is sent away once");
        assert_eq!(self.population, before, "a stranger ended or began a session");
    }

    /// Lets time pass; returns the datagrams that the node sent meanwhile.
    pub fn run_for(&mut self, time: Duration) -> Vec<(SocketAddr, Vec<u8>)> {
        let end = self.now + time;
        let mut sent = Vec::new();
        let mut at_once = 0;
        while let Some(at) = self.node.deadline().filter(|at| *at <= end) {
            at_once = if at > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 100, "a deadline comes again and again without time passing");
            self.now = self.now.max(at);
            sent.extend(self.feed(Input::Timeout).datagrams);
        }
        self.now = end;
        sent
    }

    /// Everybody leaves without a word; after a while, nothing is left of them.
    pub fn finish(mut self) {
        for connection in std::mem::take(&mut self.connections) {
            self.feed(Input::Left { connection, clean: false });
        }
        self.run_for(SILENCE);
        assert_eq!(self.population, Population::default(), "a session outlived its peer");
        assert_eq!(self.node.deadline(), None, "a timer outlived its owner");
    }

    fn feed(&mut self, input: Input<'_>) -> Heard {
        let facts = if let Input::Datagrams(datagrams) = &input { datagrams.len() } else { 1 };
        let concerned = facts + self.population.sessions as usize + self.connections.len();
        let Stage { node, outbox, now, .. } = self;
        let (mut heard, mut bytes) = (Heard::default(), 0);
        let mut carry = |outbox: &Outbox| {
            for transmit in outbox.transmits() {
                bytes += transmit.payload.len();
                assert!(transmit.datagrams().len() <= limits::RUN_SEGMENTS);
                let datagrams = transmit.datagrams().map(|one| (transmit.peer, one.to_vec()));
                heard.datagrams.extend(datagrams);
            }
            assert_eq!(outbox.writes().count(), 0, "nobody has a session over a stream");
        };
        node.handle(*now, input, outbox);
        machine::finish(node, *now, outbox, &mut carry);
        carry(outbox);
        let errands: Vec<Output> = self.outbox.errands().collect();
        self.outbox.clear();
        assert!(errands.len() <= ERRANDS * concerned, "{} errands of one fact", errands.len());
        assert!(bytes <= BYTES * concerned, "{bytes} bytes because of one fact");
        errands.into_iter().for_each(|errand| self.take(errand, &mut heard));
        heard
    }

    fn take(&mut self, errand: Output, heard: &mut Heard) {
        match errand {
            Output::Reply { id, reply } => heard.replies.push((id, reply)),
            Output::Write { connection, text } => {
                assert!(self.connections.contains(&connection), "a word to one who left");
                let message = serde_json::from_str(&text).expect("a node writes JSON");
                heard.messages.push((connection, message));
            }
            Output::End { stream } => heard.ended.push(stream),
            Output::Close { reason, .. } => {
                assert!(reason.len() <= 123, "a close frame has room for 123 bytes: {reason}");
            }
            Output::Report(Report::Population { publishers, viewers, relays, streams, .. }) => {
                let sessions = publishers + viewers + relays;
                self.population = Population { sessions, streams };
            }
            Output::Report(report) => {
                // Whoever reads logs shall be able to read this one.
                assert!(report.to_string().len() <= 2 * limits::HTTP_BODY, "{}", report.name());
            }
            Output::Bind { bind, .. } => {
                let result = Ok(SocketAddr::from(([0, 0, 0, 0], 40_000)));
                self.wanted.push(Input::Bound { bind, result });
            }
            Output::Connect { connect, .. } => {
                let result = Err("refused".to_owned());
                self.wanted.push(Input::Connected { connect, result });
            }
            Output::Call { call, .. } => {
                let result = Err(CallError("refused".to_owned()));
                self.wanted.push(Input::Answered { call, result });
            }
            Output::Unbind { .. } => {}
            _ => panic!("a node without neighbours has no errands among them"),
        }
    }
}

/// A request; the path may have a query.
pub fn request(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let header = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers.iter().map(header).collect(),
        body: body.into(),
        peer: SocketAddr::from(([192, 0, 2, 66], 6)),
        secure: false,
    }
}
