//! Byte streams of the in-memory world: what is written at one end is read at the other, whole and
//! in order, as fast as the stream's rate lets it. They take the light path and lose nothing.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use farcast_core::hub::framing::Deframer;
use farcast_core::limits;
use farcast_core::machine::{ConnectId, Door, Input, StreamId};

use super::{Actor, Arrival, NodeIndex, PeerIndex, World};
use crate::browser::Errand;
use crate::guest::Guest;

/// Bytes that a kernel takes though it cannot send them yet (`TCP_NOTSENT_LOWAT` of the driver).
const KERNEL: usize = 16 * 1024;
/// Bytes that go on the wire in one piece (RFC 9293 section 3.7.1 over Ethernet).
const SEGMENT: usize = 1_460;
/// When it is tried again to send what nothing carries (RFC 6298 section 2.4).
const RETRY: Duration = Duration::from_millis(200);
/// Which end made a stream, and which took it.
const MAKER: usize = 0;
const TAKER: usize = 1;

/// All streams.
#[derive(Default)]
pub(super) struct Streams {
    pipes: BTreeMap<StreamId, Pipe>,
    next: u64,
    /// How many bits a second the streams of guests bring, where that is bounded.
    rates: BTreeMap<PeerIndex, f64>,
}

struct Pipe {
    ends: [End; 2],
    /// What its maker speaks.
    door: Door,
    /// What each end has written.
    flows: [Flow; 2],
    deframer: Deframer,
}

#[derive(Clone, Copy)]
struct End {
    actor: Actor,
    address: SocketAddr,
    connect: Option<ConnectId>,
}

#[derive(Default)]
struct Flow {
    waiting: VecDeque<u8>,
    /// Bits a second; `None`: as many as come.
    rate: Option<f64>,
    /// Whether its next turn is among the events.
    moving: bool,
    /// What its end was told of what waits.
    told: usize,
    /// Whether nothing more is written.
    over: bool,
}

/// What happens to a stream.
pub(super) enum Happening {
    /// Somebody who wants it knocks, or hears that nobody listens.
    Knock,
    Made,
    Refused,
    /// An end may put the next bytes on the wire.
    Turn(usize),
    /// An end hears how much of what it wrote waits.
    Told(usize),
    /// Bytes come out at an end.
    Read(usize, Vec<u8>),
    /// An end hears that the other one has ended the stream.
    Ended(usize),
}

impl Pipe {
    fn unsent(&self, end: usize) -> usize {
        self.flows[end].waiting.len().saturating_sub(KERNEL)
    }
}

impl World {
    /// A node wants a connection.
    pub(super) fn connect(
        &mut self,
        node: NodeIndex,
        connect: ConnectId,
        from: Option<SocketAddr>,
        to: SocketAddr,
    ) {
        let ip = from.map_or(self.nodes[node].ip, |from| from.ip());
        let address = self.nodes[node].near_end(ip);
        self.knock(
            End { actor: Actor::Node(node), address, connect: Some(connect) },
            to,
            Door::Ice,
        );
    }

    /// A peer connects to where a node listens.
    pub fn dial(&mut self, peer: PeerIndex, node: NodeIndex) {
        let to = self.nodes[node].config.addresses.tcp[0];
        let socket = self.guests[peer].socket();
        let address = SocketAddr::new(socket.ip(), socket.port() + 1);
        self.knock(End { actor: Actor::Guest(peer), address, connect: None }, to, Door::Ice);
    }

    /// Carries what a browser says to its TURN server: it connects with TLS, writes, hangs up.
    pub(super) fn carry_tunnel(&mut self, index: PeerIndex) {
        let Guest::Browser(browser) = &mut self.guests[index] else { return };
        let errands: Vec<Errand> = std::iter::from_fn(|| browser.next_errand()).collect();
        for errand in errands {
            match errand {
                Errand::Connect { near, server } => {
                    let maker = End { actor: Actor::Guest(index), address: near, connect: None };
                    self.knock(maker, server, Door::Turn { secure: true });
                }
                Errand::Write { server, bytes } => {
                    if let Some(stream) = self.stream_to(index, server) {
                        self.put(stream, MAKER, &bytes);
                    }
                }
                Errand::HangUp { server } => {
                    if let Some(stream) = self.stream_to(index, server) {
                        self.over(stream, MAKER);
                    }
                }
            }
        }
    }

    /// The last stream of a guest to this address.
    fn stream_to(&self, guest: PeerIndex, to: SocketAddr) -> Option<StreamId> {
        let ends = |pipe: &Pipe| (pipe.ends[MAKER].actor, pipe.ends[TAKER].address);
        let leads = |(_, pipe): &(&StreamId, &Pipe)| ends(pipe) == (Actor::Guest(guest), to);
        self.streams.pipes.iter().rev().find(leads).map(|(stream, _)| *stream)
    }

    fn knock(&mut self, maker: End, to: SocketAddr, door: Door) {
        self.streams.next += 1;
        let stream = StreamId(self.streams.next);
        let Some(taker) = self.places.get(&to.ip()).copied() else { return };
        let ends = [maker, End { actor: taker, address: to, connect: None }];
        let mut flows: [Flow; 2] = Default::default();
        if let Actor::Guest(guest) = maker.actor {
            flows[TAKER].rate = self.streams.rates.get(&guest).copied();
        }
        let pipe = Pipe { ends, door, flows, deframer: Deframer::default() };
        self.streams.pipes.insert(stream, pipe);
        let (there, back) = (self.net.delay(maker.address, to), self.net.delay(to, maker.address));
        match (self.net.is_cut(maker.address, to), door) {
            (true, _) => self.happens(limits::CONNECT, stream, Happening::Refused),
            // TLS takes one more round trip before anything can be said (RFC 8446 section 2).
            (false, Door::Turn { secure: true }) => {
                self.happens(there * 2 + back, stream, Happening::Knock);
            }
            (false, _) => self.happens(there, stream, Happening::Knock),
        }
    }

    /// From now on a peer's streams bring it so many bits a second at most.
    pub fn squeeze(&mut self, peer: PeerIndex, rate: Option<f64>) {
        match rate {
            Some(rate) => self.streams.rates.insert(peer, rate),
            None => self.streams.rates.remove(&peer),
        };
        for pipe in self.streams.pipes.values_mut() {
            if pipe.ends[MAKER].actor == Actor::Guest(peer) {
                pipe.flows[TAKER].rate = rate;
            }
        }
    }

    /// How many streams there are.
    pub fn open_streams(&self) -> usize {
        self.streams.pipes.len()
    }

    /// A node writes.
    pub(super) fn write(&mut self, node: NodeIndex, stream: StreamId, bytes: &[u8]) {
        let actor = Actor::Node(node);
        let pipe = self.streams.pipes.get(&stream).expect("nodes write to streams that they have");
        let end = usize::from(pipe.ends[TAKER].actor == actor);
        self.put(stream, end, bytes);
    }

    /// A peer writes datagrams to wherever a stream of its leads.
    pub(super) fn write_framed(&mut self, peer: PeerIndex, to: SocketAddr, payload: &[u8]) {
        if let Some(stream) = self.stream_to(peer, to) {
            self.put(stream, MAKER, &(payload.len() as u16).to_be_bytes());
            self.put(stream, MAKER, payload);
        }
    }

    fn put(&mut self, stream: StreamId, end: usize, bytes: &[u8]) {
        let Some(pipe) = self.streams.pipes.get_mut(&stream) else { return };
        let flow = &mut pipe.flows[end];
        flow.waiting.extend(bytes);
        if !std::mem::replace(&mut flow.moving, true) {
            self.happens(Duration::ZERO, stream, Happening::Turn(end));
        }
        self.happens(Duration::ZERO, stream, Happening::Told(end));
    }

    /// A node ends a stream.
    pub(super) fn end_stream(&mut self, node: NodeIndex, stream: StreamId) {
        let Some(pipe) = self.streams.pipes.get_mut(&stream) else { return };
        let end = usize::from(pipe.ends[TAKER].actor == Actor::Node(node));
        self.over(stream, end);
    }

    fn over(&mut self, stream: StreamId, end: usize) {
        let Some(pipe) = self.streams.pipes.get_mut(&stream) else { return };
        pipe.flows[end].over = true;
        self.happens(Duration::ZERO, stream, Happening::Turn(end));
    }

    /// A node is gone, and its streams with it.
    pub(super) fn end_streams(&mut self, node: NodeIndex) {
        let actor = Actor::Node(node);
        let is_its = |pipe: &Pipe| pipe.ends.iter().any(|end| end.actor == actor);
        let streams = self.streams.pipes.iter().filter(|(_, pipe)| is_its(pipe));
        let streams: Vec<StreamId> = streams.map(|(stream, _)| *stream).collect();
        for stream in streams {
            self.end_stream(node, stream);
        }
    }

    fn happens(&mut self, after: Duration, stream: StreamId, what: Happening) {
        self.schedule(self.now + after, Arrival::Stream(stream, what));
    }

    /// Something happens to a stream.
    pub(super) fn happen(&mut self, stream: StreamId, what: Happening) {
        let Some(pipe) = self.streams.pipes.get(&stream) else { return };
        let ([maker, taker], door) = (pipe.ends, pipe.door);
        match what {
            Happening::Knock => self.knocked(stream, maker, taker, door),
            Happening::Made => self.made(stream, maker),
            Happening::Refused => {
                self.streams.pipes.remove(&stream);
                match (maker.actor, maker.connect) {
                    (Actor::Node(node), Some(connect)) => {
                        let result = Err("nobody listens there".to_owned());
                        self.feed(node, Input::Connected { connect, result });
                    }
                    (Actor::Guest(index), _) => self.lost(index),
                    _ => {}
                }
            }
            Happening::Turn(end) => self.turn(stream, end),
            Happening::Told(end) => self.tell(stream, end),
            Happening::Read(end, bytes) => self.read(stream, end, &bytes),
            Happening::Ended(end) => {
                let actor = pipe.ends[end].actor;
                self.streams.pipes.remove(&stream);
                match actor {
                    Actor::Node(node) => self.feed(node, Input::Ended { stream }),
                    Actor::Guest(index) => self.lost(index),
                }
            }
        }
    }

    /// A guest's stream is gone, or never was; perhaps it has another one by now.
    fn lost(&mut self, index: PeerIndex) {
        if self.streams.pipes.values().any(|pipe| pipe.ends[MAKER].actor == Actor::Guest(index)) {
            return;
        }
        if let Guest::Browser(browser) = &mut self.guests[index] {
            browser.untunnelled();
        }
        self.carry_for(index);
    }

    fn knocked(&mut self, stream: StreamId, maker: End, taker: End, door: Door) {
        let back = self.net.delay(taker.address, maker.address);
        let Actor::Node(node) = taker.actor else { return };
        let listens = self.nodes[node].config.addresses.tcp.contains(&taker.address);
        if !listens || !self.is_alive(node) {
            return self.happens(back, stream, Happening::Refused);
        }
        let (local, peer) = (taker.address, maker.address);
        self.feed(node, Input::Accepted { stream, door, local, peer });
        self.happens(back, stream, Happening::Made);
    }

    fn made(&mut self, stream: StreamId, maker: End) {
        match maker.actor {
            Actor::Node(node) => {
                let connect = maker.connect.expect("nodes name what they want");
                let result = Ok((stream, maker.address));
                self.feed(node, Input::Connected { connect, result });
            }
            Actor::Guest(index) => {
                let now = self.now;
                match &mut self.guests[index] {
                    Guest::Peer(peer) => peer.take_stream(now, maker.address),
                    Guest::Browser(browser) => browser.tunnelled(now),
                }
                self.carry_for(index);
            }
        }
    }

    fn turn(&mut self, stream: StreamId, end: usize) {
        let Some(pipe) = self.streams.pipes.get_mut(&stream) else { return };
        let (from, to) = (pipe.ends[end].address, pipe.ends[1 - end].address);
        let delay = self.net.delay(from, to);
        let flow = &mut pipe.flows[end];
        if self.net.is_cut(from, to) {
            return self.happens(RETRY, stream, Happening::Turn(end));
        }
        if flow.waiting.is_empty() {
            flow.moving = false;
            if flow.over {
                self.happens(delay, stream, Happening::Ended(1 - end));
            }
            return;
        }
        let most = if flow.rate.is_some() { SEGMENT } else { usize::MAX };
        let size = flow.waiting.len().min(most);
        let bytes: Vec<u8> = flow.waiting.drain(..size).collect();
        let bits = size as f64 * 8.0;
        let takes = flow.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bits / rate));
        self.happens(takes, stream, Happening::Turn(end));
        self.happens(takes + delay, stream, Happening::Read(1 - end, bytes));
        self.happens(Duration::ZERO, stream, Happening::Told(end));
    }

    fn tell(&mut self, stream: StreamId, end: usize) {
        let Some(pipe) = self.streams.pipes.get_mut(&stream) else { return };
        let (bytes, actor) = (pipe.unsent(end), pipe.ends[end].actor);
        if std::mem::replace(&mut pipe.flows[end].told, bytes) != bytes
            && let Actor::Node(node) = actor
        {
            self.feed(node, Input::Unsent { stream, bytes });
        }
    }

    fn read(&mut self, stream: StreamId, end: usize, bytes: &[u8]) {
        let Some(pipe) = self.streams.pipes.get_mut(&stream) else { return };
        if pipe.flows[end].over {
            return;
        }
        let [from, at] = [pipe.ends[1 - end].address, pipe.ends[end].address];
        match pipe.ends[end].actor {
            Actor::Node(node) => self.feed(node, Input::Bytes { stream, bytes }),
            Actor::Guest(index) => {
                match &mut self.guests[index] {
                    Guest::Peer(peer) => {
                        let mut frames = pipe.deframer.read(bytes);
                        while let Some(payload) = frames.take().expect("nodes write short frames") {
                            peer.receive_framed(self.now, (from, at), payload);
                        }
                    }
                    Guest::Browser(browser) => browser.take_bytes(self.now, bytes),
                }
                self.carry_for(index);
            }
        }
    }
}
