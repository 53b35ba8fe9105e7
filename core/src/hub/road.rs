//! The way of the packets: what one burst brought goes to every sink, session by session, so that
//! each session's state is touched once and its datagrams lie back to back. Wishes for keyframes go
//! the other way.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::hub::demux::SessionKey;
use crate::hub::fanout::Fanout;
use crate::hub::holes::Holes;
use crate::hub::keyframe::KeyframeWishes;
use crate::hub::session::SessionEvent;
use crate::hub::streams::TrackId;
use crate::hub::words::Event;
use crate::hub::{Hub, Timer};
use crate::media::packet::Packet;
use crate::media::track::Kind;
use crate::outbox::Outbox;
use crate::report::Report;

/// What is on the road; all of its lists are reused.
#[derive(Debug, Default)]
pub(super) struct Road {
    fanout: Fanout,
    arrivals: Vec<(TrackId, Packet)>,
    wishes: BTreeMap<TrackId, KeyframeWishes>,
    holes: Holes,
    wished: Vec<TrackId>,
    written: Vec<SessionKey>,
    /// Lent to whoever drains a session.
    pub(super) events: Vec<SessionEvent>,
}

impl Road {
    /// A packet of a track arrived.
    pub(super) fn arrived(&mut self, track: TrackId, packet: Packet) {
        self.arrivals.push((track, packet));
    }

    /// A sink needs a keyframe of a track.
    pub(super) fn wish(&mut self, track: TrackId) {
        self.wished.push(track);
    }

    /// A sink gets a track's packets from now on.
    pub(super) fn attach(&mut self, track: TrackId, sink: SessionKey) {
        self.fanout.attach(track, sink);
    }

    /// A sink gets these tracks' packets no more.
    pub(super) fn detach(&mut self, tracks: Vec<TrackId>, sink: SessionKey) {
        self.fanout.detach(tracks, sink);
    }

    /// A track is gone.
    pub(super) fn remove(&mut self, track: TrackId) {
        self.fanout.remove(track);
        self.holes.remove(track);
        self.wishes.remove(&track);
    }
}

impl Hub {
    /// Sends what arrived in this burst to everybody who watches it.
    pub(super) fn fan_out(&mut self, now: Instant, events: &mut Vec<Event>, out: &mut Outbox) {
        if !self.road.arrivals.is_empty() {
            let mut arrivals = std::mem::take(&mut self.road.arrivals);
            if !arrivals.is_sorted_by_key(|(track, _)| *track) {
                arrivals.sort_by_key(|(track, _)| *track);
            }
            self.write(now, &arrivals, events, out);
            self.road.arrivals = arrivals;
            self.road.arrivals.clear();
        }
        while let Some(track) = self.road.wished.pop() {
            self.wish(now, track, events, out);
        }
    }

    /// Track by track, each sent before the next one is written: where two tracks of a session wait
    /// at the same time, str0m goes by the order of a hash map.
    fn write(
        &mut self,
        now: Instant,
        arrivals: &[(TrackId, Packet)],
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        let (mut packets, mut bytes) = (0, 0);
        for run in arrivals.chunk_by(|one, other| one.0 == other.0) {
            let track = run[0].0;
            let passage = self.road.holes.pass(track, &run[0].1, &run[run.len() - 1].1);
            if passage.hole {
                self.road.wish(track);
            }
            let Some((_, slot)) = self.streams.source_of(track) else { continue };
            for sink in self.road.fanout.sinks(track) {
                let member = &mut self.sessions[*sink];
                for (_, packet) in run.iter().filter(|(_, p)| p.sequence >= passage.fence) {
                    if member.session.write(slot, track, packet) {
                        packets += 1;
                        bytes += packet.payload.len() as u64;
                    }
                }
                if member.session.wishes_keyframe(now, slot) {
                    self.road.wished.push(track);
                }
                self.road.written.push(*sink);
            }
            self.flush(now, events, out);
        }
        let received = arrivals.iter().map(|(_, packet)| packet.payload.len() as u64).sum();
        out.report(Report::Received { packets: arrivals.len() as u64, bytes: received });
        out.report(Report::Forwarded { packets, bytes });
    }

    fn flush(&mut self, now: Instant, events: &mut Vec<Event>, out: &mut Outbox) {
        let mut written = std::mem::take(&mut self.road.written);
        for key in written.drain(..) {
            if self.sessions.contains(key) {
                self.advance(now, key, events, out);
            }
        }
        self.road.written = written;
    }

    fn wish(&mut self, now: Instant, track: TrackId, events: &mut Vec<Event>, out: &mut Outbox) {
        if self.kind_of(track) != Some(Kind::Video) {
            return;
        }
        let wishes = self.road.wishes.entry(track).or_default();
        if wishes.wish(now) {
            self.request(now, track, events, out);
        } else if let Some(at) = wishes.deadline() {
            self.timers.set(Timer::Keyframe(track), at);
        }
    }

    /// The time has come for a wish that waited.
    pub(super) fn ask_keyframe(
        &mut self,
        now: Instant,
        track: TrackId,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        if self.road.wishes.get_mut(&track).is_some_and(|wishes| wishes.due(now)) {
            self.request(now, track, events, out);
        }
    }

    fn request(&mut self, now: Instant, track: TrackId, events: &mut Vec<Event>, out: &mut Outbox) {
        let Some((key, slot)) = self.streams.source_of(track) else { return };
        let member = &mut self.sessions[key];
        member.session.ask_keyframe(slot);
        out.report(Report::KeyframeAsked { session: member.id.0, track });
        self.advance(now, key, events, out);
    }

    fn kind_of(&self, track: TrackId) -> Option<Kind> {
        let (key, slot) = self.streams.source_of(track)?;
        let tracks = self.streams.tracks(&self.sessions.get(key)?.stream)?;
        Some(tracks.get(slot)?.kind())
    }
}
