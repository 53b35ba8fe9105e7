//! What strangers, clients with credentials, their streams and their peers may say to a TURN
//! server.
//!
//! An input is a row of records: a byte that says what happens, two bytes (big-endian) with the
//! length of what follows, and that. 0: a stranger says it in a datagram. 1: a client says it that
//! has an allocation, a channel and a permission. 2: the same client seals it: a byte with the
//! method, and attributes. 3: time passes, ten seconds for each unit of the first byte. 4 and 5: as
//! 1 and 2, by a client on a stream. 6: a peer says it to a relayed address. 7: so much waits on
//! the stream, in units of 256 bytes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use farcast_core::config::{Birth, RelayIp, Turn, TurnUser};
use farcast_core::machine::{Datagram, Door, Input, Machine, Output, StreamId};
use farcast_core::outbox::Outbox;
use farcast_core::turn::Standalone;
use farcast_core::turn::guard::{Class, scan};
use farcast_core::turn::seal::seal;

use crate::stage::CALENDAR;

const SERVER: ([u8; 4], u16) = ([198, 51, 100, 1], 3478);
const CLIENT: ([u8; 4], u16) = ([8, 8, 8, 1], 4000);
const STRANGER: ([u8; 4], u16) = ([8, 8, 8, 2], 4000);
const PEER: ([u8; 4], u16) = ([8, 8, 8, 3], 4000);
const STREAM: StreamId = StreamId(1);
/// MD5 of `alice:lab.test:secret` (RFC 8489 section 9.2.2).
const KEY: [u8; 16] = [136, 240, 207, 0, 49, 115, 59, 14, 133, 124, 52, 33, 239, 45, 8, 177];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Records of one input; more teach nothing new.
const RECORDS: usize = 200;
/// Allocations that alice may have.
const QUOTA: usize = 3;
/// Bytes that one fact may cause beyond what came in: answers, and what waited for a stream.
const BYTES: usize = 300 * 1024;
const ERRANDS: usize = 64;

/// Facts, one after another.
pub fn turn_client_bytes(data: &[u8]) {
    let mut scene = Scene::new();
    let mut rest = data;
    for _ in 0..RECORDS {
        let [kind, high, low, tail @ ..] = rest else { break };
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (payload, after) = tail.split_at(len);
        scene.act(kind % 8, payload);
        rest = after;
    }
    scene.finish();
}

/// A server, a client on UDP and one on a stream.
struct Scene {
    server: Standalone,
    outbox: Outbox,
    now: Instant,
    bound: BTreeSet<SocketAddr>,
    streams: BTreeSet<StreamId>,
    /// Nonces of the client on UDP and of the one on the stream.
    nonces: [Vec<u8>; 2],
    /// What went to clients in datagrams or on the stream, since the last look.
    heard: Vec<Vec<u8>>,
}

impl Scene {
    fn new() -> Self {
        let now = Instant::now();
        let ip = SocketAddr::from(SERVER).ip();
        let config = Turn {
            realm: "lab.test".to_owned(),
            users: vec![TurnUser { name: "alice".to_owned(), password: "secret".to_owned() }],
            relays: vec![RelayIp { bind: ip, announced: ip }],
            ports: Some((50_000, 50_099)),
            per_user: QUOTA,
            ..Turn::default()
        };
        let birth = Birth { seed: [7; 32], calendar: CALENDAR, start: now };
        let mut scene = Scene {
            server: Standalone::new(config, birth),
            outbox: Outbox::default(),
            now,
            bound: BTreeSet::new(),
            streams: BTreeSet::from([STREAM]),
            nonces: [Vec::new(), Vec::new()],
            heard: Vec::new(),
        };
        let (stream, door) = (STREAM, Door::Turn { secure: true });
        let (local, peer) = (SERVER.into(), CLIENT.into());
        scene.feed(Input::Accepted { stream, door, local, peer });
        for is_stream in [false, true] {
            scene.sealed(is_stream, &[3, 0, 0x19, 0, 4, 17, 0, 0, 0]);
            let channel = [0, 0x0c, 0, 4, 0x40, 0, 0, 0];
            let peer = [0, 0x12, 0, 8, 0, 1, 0x2e, 0xb2, 0x29, 0x1a, 0xac, 0x41];
            scene.sealed(is_stream, &[&[9], &channel[..], &peer].concat());
        }
        assert_eq!(scene.bound.len(), 2, "both clients have their allocations");
        scene
    }

    fn act(&mut self, kind: u8, payload: &[u8]) {
        match (kind, payload) {
            (0, _) => self.stranger(payload),
            (1, _) => self.datagram(CLIENT.into(), SERVER.into(), payload),
            (2, _) => self.sealed(false, payload),
            (3, [time, ..]) => self.wait(Duration::from_secs(10 * u64::from(*time))),
            (4, _) => self.bytes(payload),
            (5, _) => self.sealed(true, payload),
            (6, _) => {
                if let Some(relayed) = self.bound.first().copied() {
                    self.datagram(PEER.into(), relayed, payload);
                }
            }
            (7, [units, ..]) if self.streams.contains(&STREAM) => {
                self.feed(Input::Unsent { stream: STREAM, bytes: 256 * usize::from(*units) });
            }
            _ => {}
        }
    }

    /// Whoever is not known is not answered at length, and changes nothing.
    fn stranger(&mut self, payload: &[u8]) {
        self.heard.clear();
        let before = (self.bound.len(), self.server.deadline());
        self.datagram(STRANGER.into(), SERVER.into(), payload);
        for answer in std::mem::take(&mut self.heard) {
            let (asked, answered) = (payload.len() + 28, answer.len() + 28);
            assert!(answered * 10 <= asked * 18, "{answered} bytes for {asked}");
        }
        assert_eq!(before, (self.bound.len(), self.server.deadline()));
    }

    /// Alice seals attributes; if her nonce is stale, she takes the new one and seals again.
    fn sealed(&mut self, is_stream: bool, payload: &[u8]) {
        let [method, attributes @ ..] = payload else { return };
        for _ in 0..2 {
            self.heard.clear();
            let message = sealed(*method, attributes, &self.nonces[usize::from(is_stream)]);
            if is_stream {
                self.bytes(&message);
            } else {
                self.datagram(CLIENT.into(), SERVER.into(), &message);
            }
            let answer = self.heard.first().and_then(|answer| scan(answer).ok());
            let nonce = answer.filter(|answer| answer.class == Class::Error);
            let Some(nonce) = nonce.and_then(|answer| answer.attribute(0x0015)) else { return };
            self.nonces[usize::from(is_stream)] = nonce.to_vec();
        }
    }

    fn datagram(&mut self, peer: SocketAddr, local: SocketAddr, payload: &[u8]) {
        self.feed(Input::Datagrams(&[Datagram::udp(peer, local, payload)]));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.streams.contains(&STREAM) && !bytes.is_empty() {
            self.feed(Input::Bytes { stream: STREAM, bytes });
        }
    }

    fn wait(&mut self, time: Duration) {
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

    fn feed(&mut self, input: Input<'_>) {
        let came: usize = match &input {
            Input::Datagrams(datagrams) => datagrams.iter().map(|one| one.payload.len()).sum(),
            Input::Bytes { bytes, .. } => bytes.len(),
            _ => 0,
        };
        self.server.handle(self.now, input, &mut self.outbox);
        let mut left = 0;
        for run in self.outbox.transmits() {
            left += run.payload.len();
            if run.local == SocketAddr::from(SERVER) {
                run.datagrams().for_each(well_formed);
                self.heard.extend(run.datagrams().map(<[u8]>::to_vec));
            }
        }
        for (stream, bytes) in self.outbox.writes() {
            assert!(self.streams.contains(&stream), "bytes for a stream that is gone");
            left += bytes.len();
            self.heard.push(bytes.to_vec());
        }
        // The shortest request brings an answer of less than a hundred bytes.
        assert!(left <= 8 * came + BYTES, "{left} bytes because of {came}");
        let errands: Vec<Output> = self.outbox.errands().collect();
        self.outbox.clear();
        assert!(errands.len() <= ERRANDS + came, "{} errands", errands.len());
        errands.into_iter().for_each(|errand| self.run(errand));
        assert!(self.bound.len() <= QUOTA, "more sockets than alice may have allocations");
    }

    fn run(&mut self, errand: Output) {
        match errand {
            Output::Bind { bind, near } => {
                assert!(self.bound.insert(near), "a port is bound twice");
                self.feed(Input::Bound { bind, result: Ok(near) });
            }
            Output::Unbind { local } => assert!(self.bound.remove(&local)),
            Output::Listen { bind, near } => {
                assert!(self.bound.insert(near), "a port is bound twice");
                self.feed(Input::Listening { bind, result: Ok(near) });
            }
            Output::Unlisten { local } => assert!(self.bound.remove(&local)),
            Output::Connect { connect, .. } => {
                self.feed(Input::Connected { connect, result: Err("refused".to_owned()) });
            }
            Output::End { stream } => assert!(self.streams.remove(&stream), "ended twice"),
            Output::Report(report) => assert!(report.to_string().len() < 4096),
            _ => {}
        }
    }

    /// Nobody says anything any more; in the end nothing is left.
    fn finish(mut self) {
        self.wait(Duration::from_secs(7200));
        assert!(self.bound.is_empty(), "an allocation outlived its client");
        assert_eq!(self.server.deadline(), None, "a timer outlived its owner");
    }
}

/// Whatever a client hears is ChannelData or a message that its own guard would take.
fn well_formed(datagram: &[u8]) {
    match datagram {
        [0x40..=0x4f, _, high, low, data @ ..] => {
            assert_eq!(usize::from(u16::from_be_bytes([*high, *low])), data.len());
        }
        message => drop(scan(message).expect("a good message")),
    }
}

fn sealed(method: u8, attributes: &[u8], nonce: &[u8]) -> Vec<u8> {
    let transaction = [5; 12];
    let mut message = [&[0, method & 0x0f, 0, 0][..], &MAGIC_COOKIE, &transaction].concat();
    message.extend(&attributes[..attributes.len().min(1500) & !3]);
    for (kind, value) in [(0x06, &b"alice"[..]), (0x14, b"lab.test"), (0x15, nonce)] {
        message.extend([0, kind, 0, value.len() as u8]);
        message.extend(value);
        message.resize(message.len().next_multiple_of(4), 0);
    }
    seal(&mut message, &KEY);
    message
}
