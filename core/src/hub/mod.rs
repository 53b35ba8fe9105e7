//! The media road of one core: sessions, who gets whose packets, and when. It knows streams by
//! name and decides nothing about who may do what.

mod choice;
mod commands;
mod demux;
mod detour;
pub mod egress;
mod estimate;
mod fanout;
mod feedback;
pub mod framing;
mod history;
mod holes;
mod keyframe;
mod layers;
mod meter;
mod numbering;
mod pipes;
mod probe;
mod reception;
mod recovery;
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

use crate::config::{Addresses, Egress};
use crate::hub::demux::{Demux, SessionKey};
use crate::hub::fanout::SinkId;
use crate::hub::layers::Watch;
use crate::hub::pipes::Pipes;
use crate::hub::probe::Probing;
use crate::hub::road::Road;
use crate::hub::session::crypto::Crypto;
use crate::hub::session::entropy::Entropy;
use crate::hub::session::path::Paths;
use crate::hub::session::sending::Outlet;
use crate::hub::session::{Session, SessionEvent};
use crate::hub::streams::{Streams, TrackId};
use crate::hub::words::{Event, SessionId};
use crate::limits;
use crate::machine::StreamId;
use crate::media::track::{Epoch, StreamName, Track};
use crate::outbox::Outbox;
use crate::report::Report;
use crate::seed::Seed;
use crate::timers::Timers;

/// The sessions of one core and the road between them.
pub struct Hub {
    crypto: Crypto,
    egress: Egress,
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
    /// The next packets of a probe leave.
    Probe(SessionKey),
    /// A byte stream should have shown by now whose it is.
    Stranger(StreamId),
    /// A relay link should have found a way over UDP by now.
    Detour(SessionKey),
}

impl Timer {
    /// All that one session may have.
    fn of_session(key: SessionKey) -> [Timer; 6] {
        [
            Timer::Session(key),
            Timer::Setup(key),
            Timer::Silence(key),
            Timer::Choose(key),
            Timer::Probe(key),
            Timer::Detour(key),
        ]
    }
}

impl Hub {
    /// A hub whose shared sockets are `addresses.udp`.
    pub fn new(addresses: Addresses, crypto: Crypto, egress: Egress, seed: Seed) -> Self {
        Hub {
            paths: Arc::new(Paths::new(&addresses.udp, &addresses)),
            listeners: Arc::new(Paths::new(&addresses.tcp, &addresses)),
            crypto,
            egress,
            addresses,
            entropy: Entropy::new(seed),
            sessions: Slab::new(),
            by_id: HashMap::new(),
            demux: Demux::default(),
            pipes: Pipes::default(),
            streams: Streams::default(),
            timers: Timers::new(),
            road: Road::default(),
        }
    }

    /// When the hub wants to hear of the time next.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what has become due.
    pub fn timeout(&mut self, now: Instant, events: &mut Vec<Event>, out: &mut Outbox) {
        while let Some(timer) = self.timers.due(now) {
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
                Timer::Probe(key) => self.probe(now, key, out),
                Timer::Stranger(stream) => self.end_stream(stream, out),
                Timer::Detour(key) => self.try_detour(key, out),
            }
        }
        self.fan_out(now, events, out);
    }

    fn check_silence(
        &mut self,
        now: Instant,
        key: SessionKey,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        let member = &mut self.sessions[key];
        let heard = member.session.heard_at();
        let silent = now.saturating_duration_since(heard);
        if silent >= limits::SILENT {
            return self.end(now, key, "the peer fell silent", events, out);
        }
        let quiet = silent >= limits::QUIET;
        if quiet != member.quiet {
            member.quiet = quiet;
            events.push(Event::Quiet { session: member.id, quiet });
        }
        // A quiet peer is looked at often, so that it counts as heard again soon after it is.
        let next = if quiet { now + limits::QUIET / 8 } else { heard + limits::QUIET };
        self.timers.set(Timer::Silence(key), next);
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
                SessionEvent::Clock { layer, clock } => {
                    if let Some(track) = member.layers.clone().nth(layer) {
                        self.road.tells_time(track, clock);
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

    fn connected(
        &mut self,
        now: Instant,
        key: SessionKey,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        self.timers.clear(Timer::Setup(key));
        let member = &self.sessions[key];
        let (id, stream) = (member.id, member.stream.clone());
        if let Some(place) = member.session.places().next_back() {
            out.report(Report::SessionConnected { session: id.0, peer: place.peer });
        }
        events.push(Event::Connected { session: id });
        if let Role::Publisher { epoch, tracks } = member.role.clone() {
            out.report(Report::Published { stream: stream.to_string(), epoch, session: id.0 });
            events.push(Event::Published { session: id, tracks: tracks.clone() });
            let (layers, sinks) = self.streams.publish(&stream, key, tracks);
            self.sessions[key].layers = layers;
            for sink in sinks {
                self.attach(now, sink);
            }
        } else {
            self.attach(now, key);
        }
    }

    /// A connected sink gets its stream's packets from now on.
    fn attach(&mut self, now: Instant, key: SessionKey) {
        let member = &self.sessions[key];
        if !member.session.is_connected() {
            return;
        }
        let outlets: Vec<Outlet> = member.session.sending().collect();
        self.sessions[key].watches.resize_with(outlets.len(), Watch::default);
        for (lane, outlet) in outlets.into_iter().enumerate() {
            let sink = SinkId { session: key, lane };
            if let Some(track) = self.first_layer(now, sink, outlet) {
                self.begin(now, sink, track);
            }
        }
        self.choose_soon(now, key);
    }

    fn end(
        &mut self,
        now: Instant,
        key: SessionKey,
        why: &'static str,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        let Some(mut member) = self.sessions.try_remove(key) else { return };
        member.session.close(now, &mut self.entropy, out);
        let session = &member.session;
        self.by_id.remove(&member.id);
        let locals = session.paths().locals().chain(member.bound);
        self.demux.remove(key, session.ufrag(), session.places(), locals);
        for place in session.places() {
            self.end_place(place, out);
        }
        for timer in Timer::of_session(key) {
            self.timers.clear(timer);
        }
        for (sink, track) in self.road.starts.leave(key) {
            self.timers.clear(Timer::CatchUp(sink, track));
        }
        let (id, role) = (member.id, member.role.as_str());
        out.report(Report::SessionEnded { session: id.0, role, why });
        events.push(Event::Ended { session: id, why });
        match member.role {
            Role::Publisher { epoch, .. } => {
                let Some(tracks) = self.streams.unpublish(&member.stream, key) else { return };
                let stream = member.stream.to_string();
                out.report(Report::Unpublished { stream, epoch });
                for track in tracks {
                    self.road.remove(track);
                    self.timers.clear(Timer::Keyframe(track));
                }
            }
            Role::Viewer | Role::Relay => {
                let tracks = self.streams.leave(&member.stream, key);
                self.road.leave(tracks, key);
            }
        }
    }

    /// Ends every session: the process is about to stop.
    pub fn stop(&mut self, now: Instant, events: &mut Vec<Event>, out: &mut Outbox) {
        let keys: Vec<SessionKey> = self.sessions.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.end(now, key, "this node stops", events, out);
        }
    }
}
