//! The media road of one core: sessions, who gets whose packets, and when. It knows streams by
//! name and decides nothing about who may do what.

pub(crate) mod between;
mod choice;
mod commands;
mod crossing;
mod demux;
mod detour;
pub mod egress;
pub mod estimate;
mod fanout;
mod feedback;
pub mod framing;
pub mod history;
mod holes;
mod keyframe;
mod layers;
mod legs;
mod life;
mod meter;
mod migration;
mod numbering;
mod pacing;
mod pipes;
mod probe;
mod reception;
pub mod recovery;
mod relayed;
mod road;
pub mod session;
mod start;
mod streams;
pub mod words;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use slab::Slab;

use crate::config::{self, Addresses, Config, Egress};
use crate::cores::CoreId;
use crate::hub::crossing::Crossing;
use crate::hub::demux::{Demux, SessionKey};
use crate::hub::fanout::SinkId;
use crate::hub::layers::Watch;
use crate::hub::migration::Abroad;
use crate::hub::pipes::Pipes;
use crate::hub::probe::Probing;
use crate::hub::road::Road;
use crate::hub::session::crypto::Crypto;
use crate::hub::session::entropy::Entropy;
use crate::hub::session::path::Paths;
use crate::hub::session::{Session, SessionEvent};
use crate::hub::streams::{Streams, TrackId};
use crate::hub::words::{Event, SessionId};
use crate::machine::StreamId;
use crate::media::track::{Epoch, StreamName, Track};
use crate::outbox::Outbox;
use crate::seed::Seed;
use crate::timers::Timers;

/// The sessions of one core and the road between them.
pub struct Hub {
    core: CoreId,
    /// How many this node has.
    cores: usize,
    crypto: Crypto,
    egress: Egress,
    /// What goes for some streams alone.
    settings: Vec<config::Stream>,
    addresses: Addresses,
    /// Of the sockets that all sessions but relay links share.
    paths: Arc<Paths>,
    /// Of the TCP listeners that take ICE.
    listeners: Arc<Paths>,
    entropy: Entropy,
    sessions: Slab<Member>,
    by_id: HashMap<SessionId, SessionKey>,
    demux: Demux,
    pipes: Pipes,
    streams: Streams,
    timers: Timers<Timer>,
    road: Road,
    abroad: Abroad,
    crossing: Crossing,
}

/// A session and what the hub knows of it.
struct Member {
    id: SessionId,
    role: Role,
    stream: StreamName,
    session: Session,
    /// The socket that a relay link has for itself.
    bound: Option<SocketAddr>,
    /// What a connected publisher's layers are called on the road, counted through all tracks.
    layers: Range<TrackId>,
    /// What a connected sink gets, by its lanes.
    watches: Vec<Watch>,
    /// How we are finding out what the peer's line takes.
    probing: Option<Probing>,
    /// Whether the peer has been silent for a while.
    quiet: bool,
}

/// What a session is here for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    Publisher { epoch: Epoch, tracks: Vec<Track> },
    Viewer,
    Relay,
}

impl Role {
    fn as_str(&self) -> &'static str {
        match self {
            Role::Publisher { .. } => "publisher",
            Role::Viewer => "viewer",
            Role::Relay => "relay",
        }
    }
}

/// Every reason to wake up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// str0m wants to hear of the time.
    Session(SessionKey),
    /// The session should be connected by now.
    Setup(SessionKey),
    /// The peer should have been heard by now.
    Silence(SessionKey),
    /// A keyframe wish has waited long enough.
    Keyframe(TrackId),
    /// A sink that has just joined gets the next packets of a track's history.
    CatchUp(SinkId, TrackId),
    /// A viewer may need another layer.
    Choose(SessionKey),
    /// The next packets of a heap leave.
    Pace(SessionKey),
    /// The next packets of a probe leave.
    Probe(SessionKey),
    /// A byte stream should have shown by now whose it is.
    Stranger(StreamId),
    /// A relay link should have found a way over UDP by now.
    Detour(SessionKey),
}

impl Timer {
    /// All that one session may have.
    fn of_session(key: SessionKey) -> [Timer; 7] {
        [
            Timer::Session(key),
            Timer::Setup(key),
            Timer::Silence(key),
            Timer::Choose(key),
            Timer::Pace(key),
            Timer::Probe(key),
            Timer::Detour(key),
        ]
    }
}

impl Hub {
    /// A hub of core number `core` whose shared sockets are `addresses.udp`.
    pub fn new(config: &Config, core: CoreId, crypto: Crypto, seed: Seed) -> Self {
        let addresses = config.addresses.clone();
        Hub {
            core,
            cores: config.cores.max(1),
            paths: Arc::new(Paths::new(&addresses.udp, &addresses)),
            listeners: Arc::new(Paths::new(&addresses.tcp, &addresses)),
            crypto,
            egress: config.egress,
            settings: config.streams.clone(),
            addresses,
            entropy: Entropy::new(seed),
            sessions: Slab::new(),
            by_id: HashMap::new(),
            demux: Demux::default(),
            pipes: Pipes::default(),
            streams: Streams::new(core),
            timers: Timers::new(),
            road: Road::default(),
            abroad: Abroad::default(),
            crossing: Crossing::default(),
        }
    }

    /// When the hub wants to hear of the time next.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what has become due, until the outbox is full.
    pub fn timeout(&mut self, now: Instant, events: &mut Vec<Event>, out: &mut Outbox) {
        while !out.is_full() {
            let Some(timer) = self.timers.due(now) else { break };
            match timer {
                Timer::Session(key) => self.advance(now, key, events, out),
                Timer::Setup(key) => {
                    if !self.sessions[key].session.is_connected() {
                        let why = "no connection within 15 s; is UDP blocked on the way?";
                        self.end(now, key, why, events, out);
                    }
                }
                Timer::Silence(key) => self.check_silence(now, key, events, out),
                Timer::Keyframe(track) => self.ask_keyframe(now, track, events, out),
                Timer::CatchUp(sink, track) => self.catch_up(now, sink, track, out),
                Timer::Choose(key) => self.choose(now, key, events),
                Timer::Pace(key) => self.pace(now, key, out),
                Timer::Probe(key) => self.probe(now, key, out),
                Timer::Stranger(stream) => self.end_stream(stream, out),
                Timer::Detour(key) => self.try_detour(key, out),
            }
        }
        self.fan_out(now, events, out);
    }

    fn advance(
        &mut self,
        now: Instant,
        key: SessionKey,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        let mut heard = std::mem::take(&mut self.road.events);
        let session = &mut self.sessions[key].session;
        session.advance(now, &mut self.entropy, &mut heard, out);
        self.timers.hasten(Timer::Session(key), session.deadline());
        self.listen(now, key, &mut heard, events, out);
        self.road.events = heard;
    }

    /// Takes what a session told.
    fn listen(
        &mut self,
        now: Instant,
        key: SessionKey,
        heard: &mut Vec<SessionEvent>,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        let mut gone = None;
        for event in heard.drain(..) {
            let member = &self.sessions[key];
            match event {
                SessionEvent::Packet { layer, packet } => {
                    if let Some(track) = member.layers.clone().nth(layer) {
                        self.road.arrived(track, packet);
                    }
                }
                SessionEvent::Lost { layer, sequence } => {
                    if let Some(track) = member.layers.clone().nth(layer) {
                        self.lost(track, sequence);
                    }
                }
                SessionEvent::Clock { layer, clock } => {
                    if let Some(track) = member.layers.clone().nth(layer) {
                        self.road.tells_time(track, clock);
                        self.cross_clock(track, clock, out);
                    }
                }
                SessionEvent::KeyframeWished { lane } => {
                    let watch = member.watches.get(lane);
                    watch
                        .and_then(Watch::current)
                        .into_iter()
                        .for_each(|track| self.road.wish(track));
                }
                SessionEvent::Carried { over_tcp } => {
                    events.push(Event::Carried { session: member.id, over_tcp });
                }
                SessionEvent::Connected => self.connected(now, key, events, out),
                SessionEvent::Gone(why) => gone = Some(why),
            }
        }
        if let Some(why) = gone {
            self.end(now, key, why, events, out);
        }
    }
}
