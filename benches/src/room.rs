//! One node, one publisher and many viewers with real ICE, DTLS and SRTP, in memory and in
//! simulated time. Only what the node does is measured.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use farcast_core::config::Egress;
use farcast_core::machine::Input;
use farcast_core::seed::Seed;
use farcast_sim::camera::Camera;
use farcast_sim::handshake::Dtls;
use farcast_sim::peer::{Birth, Peer};
use farcast_sim::wish::{Video, Wish};

use crate::meter::Cost;
use crate::server::Server;

/// Packets of 1,200 bytes in one frame of the publisher.
pub const TRAIN: usize = 8;
/// A datagram of the publisher that is as long is video.
const PAYLOAD: usize = 1_200;
/// Between two frames of the publisher.
const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 30);
/// One step of the time in which peers connect, and how many there are at most: less than the
/// time that a publisher may be silent.
const STEP: Duration = Duration::from_millis(10);
const STEPS: usize = 200;
/// Frames after which a session holds as many packets for repairs as it ever will.
const WARM: usize = 90;
/// The node's media socket.
const NODE: ([u8; 4], u16) = ([10, 77, 1, 1], 8080);

/// A node with a publisher and viewers, all connected.
pub struct Room {
    now: Instant,
    server: Server,
    dtls: Dtls,
    /// The publisher, then the viewers.
    peers: Vec<Peer>,
    /// On its way to the node.
    up: Vec<(SocketAddr, Vec<u8>)>,
    memory: Memory,
}

/// Bytes of heap that the node holds for one viewer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// When it is connected and has got nothing.
    pub connected: isize,
    /// After some seconds of video.
    pub live: isize,
}

/// What the time of one frame cost the node.
#[derive(Debug, Clone, Copy, Default)]
pub struct Frame {
    /// Taking the publisher's packets and writing them to everybody.
    pub media: Cost,
    /// The rest: timers, reports of receivers, ICE checks.
    pub rest: Cost,
    /// Packets that were forwarded, once for each viewer.
    pub packets: u64,
}

impl Room {
    /// A room that has been live for some seconds.
    pub fn new(viewers: usize, egress: Egress, dtls: Dtls) -> Room {
        let now = Instant::now();
        let server = Server::new(now, NODE.into(), egress, dtls, 2 * TRAIN * viewers);
        let (peers, up, memory) = (Vec::new(), Vec::new(), Memory::default());
        let mut room = Room { now, server, dtls, peers, up, memory };
        room.join("/whip/stream1", true);
        room.connect();
        let mut kept: isize = (0..viewers).map(|_| room.join("/whep/stream1", false)).sum();
        kept += room.connect();
        let count = viewers.cast_signed();
        room.memory.connected = kept / count;
        let mut filmed = 0;
        for _ in 0..WARM {
            let frame = room.frame(TRAIN);
            kept += frame.media.kept + frame.rest.kept;
            filmed += frame.packets;
        }
        assert!(filmed > 0, "the publisher films");
        room.memory.live = kept / count;
        room
    }

    /// What the node holds for one viewer.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// Lets the time of one frame pass. Its packets arrive `burst` at a time, evenly spaced.
    pub fn frame(&mut self, burst: usize) -> Frame {
        let train = self.film();
        let reads = train.len().div_ceil(burst) as u32;
        let (start, mut frame) = (self.now, Frame::default());
        for (index, read) in train.chunks(burst).enumerate() {
            let at = start + FRAME * index as u32 / reads;
            frame.rest += self.pass(at);
            let effect = self.server.forward(at, read);
            frame.media += effect.cost;
            frame.packets += effect.forwarded;
            // Viewers tell when packets arrive: later than they were sent would look like a queue.
            frame.rest += self.settle();
        }
        frame.rest += self.pass(start + FRAME);
        frame.rest += self.settle();
        let expected = train.len() * (self.peers.len() - 1);
        assert_eq!(frame.packets, expected as u64, "everybody gets every packet");
        frame
    }

    /// Adds a peer. Returns the heap that the node keeps for its session.
    fn join(&mut self, path: &str, publishes: bool) -> isize {
        let [high, low] = (self.peers.len() as u16).to_be_bytes();
        let address = SocketAddr::from(([10, 78, high, low], 40_000));
        let wish = Wish { publishes, audio: false, video: Video::Vp8 };
        let mut seed = Seed::new([7; 32]);
        let camera = Camera::steady(TRAIN as u16, Duration::ZERO, seed.fork());
        let camera = publishes.then_some(camera);
        let (now, start) = (self.now, self.now);
        let birth = Birth { now, start, address, seed, dtls: self.dtls, camera };
        let (mut peer, offer) = Peer::born(birth, wish);
        let (answer, kept) = self.server.post(self.now, path, &offer);
        peer.accept(self.now, &answer);
        self.peers.push(peer);
        kept
    }

    /// Lets time pass until everybody is connected. Returns the heap that the node keeps for it.
    fn connect(&mut self) -> isize {
        let mut kept = 0;
        for _ in 0..STEPS {
            if self.peers.iter().all(Peer::is_connected) {
                return kept;
            }
            kept += self.pass(self.now + STEP).kept + self.settle().kept;
        }
        panic!("somebody is still not connected");
    }

    /// The publisher's next frame, sealed; what else it has to say waits for the frame's end.
    fn film(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let publisher = &mut self.peers[0];
        publisher.advance(self.now);
        let (mut train, from) = (Vec::new(), publisher.address());
        while let Some((_, payload)) = publisher.next_outgoing() {
            let lane = if payload.len() >= PAYLOAD { &mut train } else { &mut self.up };
            lane.push((from, payload));
        }
        train
    }

    /// Lets time pass for the node alone.
    fn pass(&mut self, until: Instant) -> Cost {
        let mut cost = Cost::default();
        while let Some(at) = self.server.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            cost += self.server.feed(self.now, Input::Timeout).cost;
        }
        self.now = until;
        cost
    }

    /// Carries datagrams both ways until everybody is silent.
    fn settle(&mut self) -> Cost {
        let (now, node) = (self.now, self.server.address());
        let mut cost = Cost::default();
        for (index, peer) in self.peers.iter_mut().enumerate() {
            // A connected publisher films when it hears of the time; that is for `film`.
            if peer.deadline() <= now && !(index == 0 && peer.is_connected()) {
                peer.advance(now);
            }
        }
        loop {
            let peers = &mut self.peers;
            self.server.deliver(|to, payload| peers[index_of(to)].receive(now, node, payload));
            for peer in peers {
                let from = peer.address();
                while let Some((_, payload)) = peer.next_outgoing() {
                    self.up.push((from, payload));
                }
                peer.take_received();
            }
            if self.up.is_empty() {
                return cost;
            }
            cost += self.server.receive(now, &self.up);
            self.up.clear();
        }
    }
}

/// Which peer is there; [`Room::join`] numbers them.
fn index_of(address: SocketAddr) -> usize {
    let IpAddr::V4(ip) = address.ip() else { panic!("all peers have IPv4 addresses") };
    let [_, _, high, low] = ip.octets();
    usize::from(u16::from_be_bytes([high, low]))
}
