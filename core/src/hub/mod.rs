//! The media road of one core: sessions, who gets whose packets, and when. It knows streams by
//! name and decides nothing about who may do what.

mod commands;
mod demux;
mod fanout;
mod holes;
mod keyframe;
mod numbering;
mod road;
pub mod session;
mod streams;
pub mod words;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use slab::Slab;

use crate::config::Addresses;
use crate::hub::demux::{Demux, SessionKey};
use crate::hub::road::Road;
use crate::hub::session::crypto::Crypto;
use crate::hub::session::entropy::Entropy;
use crate::hub::session::path::Paths;
use crate::hub::session::{Session, SessionEvent};
use crate::hub::streams::{Streams, TrackId};
use crate::hub::words::{Event, SessionId};
use crate::limits;
use crate::machine::{Datagram, Input};
use crate::media::track::{Epoch, StreamName, Track};
use crate::outbox::Outbox;
use crate::report::Report;
use crate::seed::Seed;
use crate::timers::Timers;

/// The sessions of one core and the road between them.
pub struct Hub {
    crypto: Crypto,
    addresses: Addresses,
    /// Of the sockets that all sessions but relay links share.
    paths: Arc<Paths>,
    entropy: Entropy,
    sessions: Slab<Member>,
    by_id: HashMap<SessionId, SessionKey>,
    demux: Demux,
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
    /// What a connected publisher's tracks are called on the road, by their number.
    tracks: Vec<TrackId>,
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
}

impl Hub {
    /// A hub whose shared sockets are `addresses.udp`.
    pub fn new(addresses: Addresses, crypto: Crypto, seed: Seed) -> Self {
        Hub {
            paths: Arc::new(Paths::new(&addresses.udp, &addresses)),
            crypto,
            addresses,
            entropy: Entropy::new(seed),
            sessions: Slab::new(),
            by_id: HashMap::new(),
            demux: Demux::default(),
            streams: Streams::default(),
            timers: Timers::new(),
            road: Road::default(),
        }
    }

    /// When the hub wants to hear of the time next.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// A fact about a byte stream that is ours.
    pub(crate) fn stream(
        &mut self,
        _now: Instant,
        _input: &Input<'_>,
        _events: &mut Vec<Event>,
        _out: &mut Outbox,
    ) {
    }

    /// Everything that one read of a socket brought.
    pub fn datagrams(
        &mut self,
        now: Instant,
        datagrams: &[Datagram<'_>],
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        let mut stray = 0;
        let mut heard = std::mem::take(&mut self.road.events);
        for datagram in datagrams {
            let Some(key) = self.owner(now, datagram) else {
                stray += 1;
                continue;
            };
            let Some(member) = self.sessions.get_mut(key) else { continue };
            let session = &mut member.session;
            session.receive(now, datagram, &mut self.entropy, &mut heard, out);
            self.timers.hasten(Timer::Session(key), session.deadline());
            self.listen(now, key, &mut heard, events, out);
        }
        self.road.events = heard;
        if stray > 0 {
            out.report(Report::Stray { datagrams: stray });
        }
        self.fan_out(now, events, out);
    }

    /// Whose datagram this is. An ICE check names its session, and only one that carries the
    /// session's password makes its sender's address known.
    fn owner(&mut self, now: Instant, datagram: &Datagram<'_>) -> Option<SessionKey> {
        // STUN is 0..=3 (RFC 7983 section 7).
        let is_stun = datagram.payload.first().is_some_and(|byte| *byte <= 3);
        if !is_stun {
            return self.demux.by_address(datagram.local, datagram.peer);
        }
        if let Some(key) = self.demux.by_socket(datagram.local) {
            return Some(key);
        }
        let key = session::checked(datagram.payload, |ufrag| self.demux.by_ufrag(ufrag))?;
        let known = self.demux.by_address(datagram.local, datagram.peer);
        if known == Some(key) {
            self.heed_nomination(now, key, datagram);
            return known;
        }
        // Somebody with a session of its own could spoof the address of another one's peer.
        if known.is_some_and(|owner| self.is_heard(now, owner)) {
            return None;
        }
        let session = &mut self.sessions.get_mut(key)?.session;
        if !session.authenticates(datagram.payload, &self.crypto) {
            return None;
        }
        self.demux.learn(datagram.peer, key);
        if let Some(forgotten) = session.add_peer(datagram.peer) {
            self.demux.unlearn(forgotten, key);
        }
        self.heed_nomination(now, key, datagram);
        Some(key)
    }

    /// Who has moved has missed something, and needs a keyframe.
    fn heed_nomination(&mut self, now: Instant, key: SessionKey, check: &Datagram<'_>) {
        if self.sessions[key].session.heed_nomination(now, check, &self.crypto) {
            self.attach(key);
        }
    }

    fn is_heard(&self, now: Instant, key: SessionKey) -> bool {
        let member = self.sessions.get(key);
        member.is_some_and(|m| now.duration_since(m.session.heard_at()) < limits::QUIET)
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
                SessionEvent::Packet { slot, packet } => {
                    if let Some(track) = member.tracks.get(slot) {
                        self.road.arrived(*track, packet);
                    }
                }
                SessionEvent::KeyframeWished { slot } => {
                    let track = self.streams.track_for(&member.stream, key, slot);
                    if let Some(track) = track {
                        self.road.wish(track);
                    }
                }
                SessionEvent::Connected => self.connected(key, events, out),
                SessionEvent::Gone(why) => gone = Some(why),
            }
        }
        if let Some(why) = gone {
            self.end(now, key, why, events, out);
        }
    }

    fn connected(&mut self, key: SessionKey, events: &mut Vec<Event>, out: &mut Outbox) {
        self.timers.clear(Timer::Setup(key));
        let member = &self.sessions[key];
        let (id, stream) = (member.id, member.stream.clone());
        if let Some(peer) = member.session.peers().last().copied() {
            out.report(Report::SessionConnected { session: id.0, peer });
        }
        events.push(Event::Connected { session: id });
        if let Role::Publisher { epoch, tracks } = member.role.clone() {
            out.report(Report::Published { stream: stream.to_string(), epoch, session: id.0 });
            events.push(Event::Published { session: id, tracks: tracks.clone() });
            let (ids, sinks) = self.streams.publish(&stream, key, tracks);
            self.sessions[key].tracks = ids;
            for sink in sinks {
                self.attach(sink);
            }
        } else {
            self.attach(key);
        }
    }

    /// A connected sink gets its stream's packets from now on, and needs a keyframe first.
    fn attach(&mut self, key: SessionKey) {
        let member = &self.sessions[key];
        if !member.session.is_connected() {
            return;
        }
        for slot in member.session.sending() {
            if let Some(track) = self.streams.track_for(&member.stream, key, slot) {
                self.road.attach(track, key);
                self.road.wish(track);
            }
        }
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
        self.demux.remove(key, session.ufrag(), session.peers(), locals);
        for timer in [Timer::Session(key), Timer::Setup(key), Timer::Silence(key)] {
            self.timers.clear(timer);
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
                self.road.detach(tracks, key);
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
