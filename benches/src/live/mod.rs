//! A node on a thread of this process, and a publisher and viewers on real sockets of loopback, in
//! real time. What the node's thread uses is counted; what people use is not, and they read only
//! when the node is done, so that they neither wake nor delay it.

mod bare;
mod person;
mod server;

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use farcast_core::config::Egress;
use farcast_core::seed::Seed;
use farcast_sim::camera::{Camera, Film};
use farcast_sim::peer::Received;

use crate::thread::Thread;
use bare::Bare;
use person::{Inbox, Person};
use server::Server;

/// Packets of 1,200 bytes in a frame, if all are alike.
const TRAIN: u16 = 8;
/// What browsers send of a picture in 720 lines.
const FILM: Film = Film { video_kbps: 2_500, layers: 1, svc: None, audio: false, adapts: false };
/// Frames of more packets are keyframes; the bare loop sends them when there is more time.
const LONG: usize = 20;
/// From a frame to the first time that people read.
const READING: Duration = Duration::from_millis(8);
/// Somebody asks for a keyframe so often.
const KEYFRAMES: Duration = Duration::from_secs(3);
/// A frame that leaves so late is no measure of latency.
const LATE: Duration = Duration::from_millis(5);
/// How long everybody may take to connect.
const SETUP: Duration = Duration::from_secs(60);
/// The publisher's datagrams that are longer are video.
const SMALL: usize = 600;
/// Frames that may still be under way.
const UNDER_WAY: usize = 300;

/// How frames are cut into packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Eight packets of 1,200 bytes each.
    Alike,
    /// As browsers do it, with a keyframe now and then.
    Browser,
}

/// A node with a publisher and viewers, all connected.
pub struct Live {
    server: Server,
    start: Instant,
    /// The publisher, then the viewers.
    people: Vec<Person>,
    inbox: Inbox,
    bare: Bare,
    /// Trains that the bare loop has not carried yet.
    waiting: Vec<Vec<usize>>,
    /// When frames left, by when they were captured.
    left: BTreeMap<Duration, Instant>,
    asked: Instant,
    now: Round,
}

/// What happened for a while.
#[derive(Debug, Default)]
pub struct Round {
    /// CPU time of the node, and packets that it forwarded.
    pub server: (Duration, u64),
    /// CPU time of the bare loop, and its packets.
    pub bare: (Duration, u64),
    /// Packets that should have come.
    pub due: u64,
    /// Datagrams that viewers sent.
    pub feedback: u64,
    /// From the publisher's first packet of a frame to a viewer's socket: packets of delta frames,
    /// packets of keyframes, whole delta frames, whole keyframes.
    pub latency: [Vec<Duration>; 4],
    /// Frames, and those that left too late.
    pub frames: (u64, u64),
}

impl Live {
    /// A room that is connected.
    pub fn new(viewers: usize, egress: Egress, cut: Cut) -> Live {
        Thread::on(1);
        let (server, start) = (Server::start(egress), Instant::now());
        let mut seed = Seed::new([7; 32]);
        let camera = match cut {
            Cut::Alike => Camera::steady(TRAIN, Duration::ZERO, seed.fork()),
            Cut::Browser => Camera::new(FILM, Duration::ZERO, seed.fork()),
        };
        let publisher = Person::join(&server, start, seed.fork(), Some(camera.punctual()));
        let (people, inbox, asked) = (vec![publisher], Inbox::new(), start);
        let (waiting, left, now) = (Vec::new(), BTreeMap::new(), Round::default());
        let bare = Bare::start(Vec::new());
        let mut live = Live { server, start, people, inbox, bare, waiting, left, asked, now };
        live.connect();
        for _ in 0..viewers {
            live.people.push(Person::join(&live.server, start, seed.fork(), None));
            live.film();
            live.read();
        }
        live.connect();
        live.bare = Bare::start(live.people[1..].iter().map(Person::address).collect());
        live
    }

    /// Lets so much time pass.
    pub fn run(&mut self, span: Duration) -> Round {
        (self.now, self.waiting) = (Round::default(), Vec::new());
        let (cpu, until) = (self.server.thread.cpu(), Instant::now() + span);
        while Instant::now() < until {
            self.frame();
        }
        self.now.server.0 = self.server.thread.cpu() - cpu;
        std::mem::take(&mut self.now)
    }

    /// Waits until everybody is connected.
    fn connect(&mut self) {
        let until = Instant::now() + SETUP;
        while !self.people.iter().all(|person| person.peer.is_connected()) {
            assert!(Instant::now() < until, "somebody is still not connected");
            self.film();
            self.read();
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the publisher's next frame and lets everybody have it; then the bare loop has its
    /// turn with the same packets.
    fn frame(&mut self) {
        let due = self.people[0].peer.deadline();
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let late = Instant::now() > due + LATE;
        let train = self.film();
        if train.is_empty() {
            return;
        }
        self.now.frames.0 += 1;
        self.now.frames.1 += u64::from(late);
        self.now.due += (train.len() * (self.people.len() - 1)) as u64;
        let long = train.len() > LONG;
        self.waiting.push(train);
        thread::sleep(READING);
        self.read();
        if !long {
            for train in self.waiting.drain(..) {
                let (cpu, packets) = self.bare.carry(train);
                self.now.bare.0 += cpu;
                self.now.bare.1 += packets;
            }
            self.read();
        }
    }

    /// The publisher's turn. Returns how long the packets of its frame were, if one was due.
    fn film(&mut self) -> Vec<usize> {
        self.inbox.set_clock();
        let publisher = &mut self.people[0];
        publisher.read(&mut self.inbox);
        publisher.send();
        let captured = publisher.advance() - self.start;
        self.left.insert(whole_micros(captured), Instant::now());
        while self.left.len() > UNDER_WAY {
            self.left.pop_first();
        }
        let mut train = publisher.send();
        train.retain(|size| *size > SMALL);
        train
    }

    /// The viewers' turn.
    fn read(&mut self) {
        if self.asked.elapsed() > KEYFRAMES && self.people.len() > 1 {
            self.asked = Instant::now();
            self.people[1].peer.ask_keyframe(self.asked);
        }
        for viewer in &mut self.people[1..] {
            for packet in viewer.read(&mut self.inbox) {
                if let Some(left) = self.left.get(&packet.captured) {
                    self.now.take(&packet, packet.at - *left, &mut viewer.frame);
                }
            }
            viewer.advance();
            self.now.feedback += viewer.send().len() as u64;
        }
    }
}

impl Round {
    /// A packet came so late to somebody whose frame this is.
    fn take(&mut self, packet: &Received, late: Duration, frame: &mut (Duration, u16)) {
        self.server.1 += 1;
        let kind = usize::from(packet.stamp.keyframe);
        self.latency[kind].push(late);
        if frame.0 != packet.captured {
            *frame = (packet.captured, 0);
        }
        frame.1 += 1;
        if frame.1 == packet.stamp.parts {
            self.latency[2 + kind].push(late);
        }
    }
}

/// As payloads tell it.
fn whole_micros(time: Duration) -> Duration {
    Duration::from_micros(time.as_micros() as u64)
}
