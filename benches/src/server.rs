//! A node behind a meter: facts go in through the door that drivers use, and what the node sends
//! is copied as a kernel would. It knows no peer.

use std::hint::black_box;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use farcast_core::config::{Addresses, Birth, Config, Egress};
use farcast_core::http::{Method, Request};
use farcast_core::machine::{Datagram, Input, Machine, Output, RequestId};
use farcast_core::node::Node;
use farcast_core::outbox::Outbox;
use farcast_core::report::Report;
use farcast_sim::handshake::Dtls;

use crate::meter::{Cost, Meter};

/// Datagrams that one read of the node's socket brings at most.
const READ: usize = 32;
/// Longer than every datagram here.
const DATAGRAM: usize = 1_300;

/// A node, its world's outbox, and what it sent that nobody has taken yet.
pub(crate) struct Server {
    node: Node,
    outbox: Outbox,
    meter: Meter,
    address: SocketAddr,
    bytes: Vec<u8>,
    sent: Vec<(SocketAddr, Range<usize>)>,
}

/// What a fact led to.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    pub(crate) cost: Cost,
    pub(crate) forwarded: u64,
    reply: Vec<u8>,
}

impl Server {
    /// A node at this address; its outbox has room for so many datagrams.
    pub(crate) fn new(
        now: Instant,
        address: SocketAddr,
        egress: Egress,
        dtls: Dtls,
        datagrams: usize,
    ) -> Server {
        let config = Config {
            name: "node".to_owned(),
            addresses: Addresses { udp: vec![address], ..Addresses::default() },
            http_port: Some(address.port()),
            egress,
            ..Config::default()
        };
        let calendar = Duration::from_secs(1_767_225_600);
        let birth = Birth { seed: [7; 32], calendar, start: now };
        // Grown before anything is measured: it is the world's memory, not the node's.
        let mut outbox = Outbox::default();
        for port in 0..datagrams {
            outbox.send(address, ([192, 0, 2, 1], port as u16).into(), &[0; DATAGRAM]);
        }
        outbox.clear();
        let (node, meter) = (Node::new(config, birth, dtls.crypto()), Meter::new());
        Server { node, outbox, meter, address, bytes: Vec::new(), sent: Vec::new() }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// When it wants to hear of the time.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.node.deadline()
    }

    /// Tells the node a fact and walks its errands as a world does; that is measured, and the
    /// kernel's share is not.
    pub(crate) fn feed(&mut self, now: Instant, input: Input<'_>) -> Effect {
        let mut effect = Effect::default();
        self.step(now, input, &mut effect);
        while self.carry() {
            self.step(now, Input::Sent, &mut effect);
        }
        self.outbox.clear();
        effect
    }

    fn step(&mut self, now: Instant, input: Input<'_>, effect: &mut Effect) {
        let (node, outbox) = (&mut self.node, &mut self.outbox);
        effect.cost += self.meter.measure(|| {
            node.handle(now, input, outbox);
            for transmit in outbox.transmits() {
                for datagram in transmit.datagrams() {
                    black_box(datagram);
                }
            }
            for errand in outbox.errands() {
                match errand {
                    Output::Report(Report::Forwarded { packets, .. }) => {
                        effect.forwarded += packets;
                    }
                    Output::Reply { reply, .. } => effect.reply = reply.body,
                    _ => {}
                }
            }
        });
    }

    /// Tells the node what arrived, read by read.
    pub(crate) fn receive(&mut self, now: Instant, arrived: &[(SocketAddr, Vec<u8>)]) -> Cost {
        let mut cost = Cost::default();
        for read in arrived.chunks(READ) {
            cost += self.forward(now, read).cost;
        }
        cost
    }

    /// Tells the node what one read brought.
    pub(crate) fn forward(&mut self, now: Instant, read: &[(SocketAddr, Vec<u8>)]) -> Effect {
        let local = self.address;
        let datagrams: Vec<Datagram<'_>> =
            read.iter().map(|(peer, payload)| Datagram::udp(*peer, local, payload)).collect();
        self.feed(now, Input::Datagrams(&datagrams))
    }

    /// Posts an offer. Returns the answer, and the heap that the node keeps for the session.
    pub(crate) fn post(&mut self, now: Instant, path: &str, offer: &str) -> (String, isize) {
        let meter = Meter::new();
        let mut answer = Vec::new();
        let cost = meter.measure(|| {
            let request = Request {
                method: Method::Post,
                path: path.to_owned(),
                query: String::new(),
                headers: vec![("content-type".to_owned(), "application/sdp".to_owned())],
                body: offer.into(),
                peer: SocketAddr::from(([127, 0, 0, 1], 1)),
                secure: false,
            };
            answer = self.feed(now, Input::Asked { id: RequestId(0), request }).reply;
        });
        let kept = cost.kept - answer.capacity().cast_signed();
        (String::from_utf8(answer).expect("SDP is text"), kept)
    }

    /// Takes what the node sent, datagram by datagram.
    pub(crate) fn deliver(&mut self, mut to: impl FnMut(SocketAddr, &[u8])) {
        for (peer, range) in self.sent.drain(..) {
            to(peer, &self.bytes[range]);
        }
        self.bytes.clear();
    }

    /// Whether the node has more.
    fn carry(&mut self) -> bool {
        for transmit in self.outbox.transmits() {
            for datagram in transmit.datagrams() {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(datagram);
                self.sent.push((transmit.peer, start..self.bytes.len()));
            }
        }
        let has_more = self.outbox.has_more();
        self.outbox.clear_sent();
        has_more
    }
}
