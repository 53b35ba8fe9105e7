//! A session's life in its hub: connected, its stream there for others, silent, gone.

use std::ops::Range;
use std::time::Instant;

use crate::hub::between::Life;
use crate::hub::demux::SessionKey;
use crate::hub::fanout::SinkId;
use crate::hub::layers::Watch;
use crate::hub::session::sending::Outlet;
use crate::hub::streams::{Source, TrackId};
use crate::hub::words::Event;
use crate::hub::{Hub, Member, Role, Timer};
use crate::limits;
use crate::media::track::Track;
use crate::outbox::Outbox;
use crate::report::Report;

impl Hub {
    pub(super) fn connected(
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
            self.publish_here(now, key, tracks, out);
        } else {
            self.attach(now, key);
        }
    }

    /// A connected publisher's stream can be watched, here and on the other cores.
    pub(super) fn publish_here(
        &mut self,
        now: Instant,
        key: SessionKey,
        tracks: Vec<Track>,
        out: &mut Outbox,
    ) {
        let layers = self.streams.name_layers(&tracks);
        let member = &mut self.sessions[key];
        member.layers = layers.clone();
        let stream = member.stream.clone();
        let source = Source::Session(key);
        let sinks = self.streams.publish(&stream, source, tracks.clone(), layers.clone());
        self.announce(Life { stream, core: self.core, layers, tracks: Some(tracks) }, out);
        for sink in sinks {
            self.attach(now, sink);
        }
    }

    /// A connected sink gets its stream's packets from now on.
    pub(super) fn attach(&mut self, now: Instant, key: SessionKey) {
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

    pub(super) fn end(
        &mut self,
        now: Instant,
        key: SessionKey,
        why: &'static str,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        let Some(mut member) = self.depart(key, out) else { return };
        member.session.close(now, &mut self.entropy, out);
        let (id, role) = (member.id, member.role.as_str());
        out.report(Report::SessionEnded { session: id.0, role, why });
        events.push(Event::Ended { session: id, why });
        if let Role::Publisher { epoch, .. } = member.role
            && !member.layers.is_empty()
        {
            out.report(Report::Unpublished { stream: member.stream.to_string(), epoch });
        }
    }

    /// Takes a session out of the hub, and its stream if it publishes one.
    pub(super) fn depart(&mut self, key: SessionKey, out: &mut Outbox) -> Option<Member> {
        let mut member = self.sessions.try_remove(key)?;
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
        match member.role {
            Role::Publisher { .. } => {
                let layers = self.streams.unpublish(&member.stream, Source::Session(key));
                member.layers = layers.clone().unwrap_or_default();
                if let Some(layers) = layers {
                    self.remove_layers(layers.clone());
                    let (stream, core) = (member.stream.clone(), self.core);
                    self.announce(Life { stream, core, layers, tracks: None }, out);
                }
            }
            Role::Viewer | Role::Relay => {
                self.unwant(&member.stream, key, out);
                let tracks = self.streams.leave(&member.stream, key);
                self.road.leave(tracks, key);
            }
        }
        Some(member)
    }

    /// Layers are gone.
    pub(super) fn remove_layers(&mut self, layers: Range<TrackId>) {
        for track in layers {
            self.road.remove(track);
            self.crossing.remove(track);
            self.timers.clear(Timer::Keyframe(track));
        }
    }

    /// Ends every session: the process is about to stop.
    pub fn stop(&mut self, now: Instant, events: &mut Vec<Event>, out: &mut Outbox) {
        let keys: Vec<SessionKey> = self.sessions.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.end(now, key, "this node stops", events, out);
        }
    }

    pub(super) fn check_silence(
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
}
