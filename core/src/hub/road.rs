//! The way of the packets: what one burst brought goes to every sink, session by session, so that
//! each session's state is touched once and its datagrams lie back to back. Wishes for keyframes go
//! the other way.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use crate::hub::between::Between;
use crate::hub::choice::Layer;
use crate::hub::demux::SessionKey;
use crate::hub::egress::Wish;
use crate::hub::fanout::{Fanout, SinkId};
use crate::hub::history::History;
use crate::hub::holes::Holes;
use crate::hub::keyframe::KeyframeWishes;
use crate::hub::legs::{Leg, Legs};
use crate::hub::meter::{Measured, Meter, Pace};
use crate::hub::session::SessionEvent;
use crate::hub::start::Starts;
use crate::hub::streams::{Origin, Source, TrackId};
use crate::hub::words::Event;
use crate::hub::{Hub, Timer};
use crate::limits;
use crate::media::codec::Codec;
use crate::media::keyframe;
use crate::media::packet::{Packet, SourceClock};
use crate::media::track::Kind;
use crate::outbox::Outbox;
use crate::report::Report;

/// What is on the road; all of its lists are reused.
#[derive(Debug, Default)]
pub(super) struct Road {
    pub(super) fanout: Fanout,
    /// Who changes to a layer at its next keyframe.
    awaited: Fanout,
    arrivals: Vec<(TrackId, Packet)>,
    pub(super) legs: Legs,
    wishes: BTreeMap<TrackId, KeyframeWishes>,
    holes: Holes,
    /// BTreeMap: a handful of tracks, and a fixed order.
    histories: BTreeMap<TrackId, History>,
    meters: BTreeMap<TrackId, Meter>,
    pub(super) starts: Starts,
    pub(super) wished: Vec<TrackId>,
    pub(super) written: Vec<SessionKey>,
    /// Lent to whoever hears feedback.
    pub(super) feedback: Vec<Wish>,
    /// Lent to whoever drains a session.
    pub(super) events: Vec<SessionEvent>,
}

impl Road {
    /// A packet of a track arrived.
    pub(super) fn arrived(&mut self, track: TrackId, packet: Packet) {
        self.arrivals.push((track, packet));
    }

    /// What was kept of a track where it comes from.
    pub(super) fn past(&mut self, track: TrackId, codec: Codec, packets: &[Packet]) {
        let history = self.histories.entry(track).or_default();
        for packet in packets {
            history.keep(packet, keyframe::begins(codec, &packet.payload));
        }
    }

    /// The source of a track said how its clocks are related.
    pub(super) fn tells_time(&mut self, track: TrackId, clock: SourceClock) {
        self.histories.entry(track).or_default().set_clock(clock);
    }

    /// How the track goes on that these are the layers of.
    pub(super) fn pace(&self, layers: impl Iterator<Item = TrackId>) -> Pace {
        layers.filter_map(|track| self.meters.get(&track)).fold(Pace::default(), Pace::with)
    }

    /// What a layer takes at the moment, or each of the spatial layers that come as one, of a track
    /// that goes on so.
    pub(super) fn measured(
        &self,
        now: Instant,
        track: TrackId,
        pace: Pace,
    ) -> impl Iterator<Item = (u8, Layer)> {
        self.meters.get(&track).into_iter().flat_map(move |meter| meter.layers(now, pace))
    }

    /// What is kept of a track.
    pub(super) fn history(&self, track: TrackId) -> Option<&History> {
        self.histories.get(&track)
    }

    /// A sink needs a keyframe of a track.
    pub(super) fn wish(&mut self, track: TrackId) {
        self.wished.push(track);
    }

    /// A sink gets a track's packets from now on.
    pub(super) fn attach(&mut self, track: TrackId, sink: SinkId) {
        self.fanout.attach(track, sink);
    }

    /// Whether a sink gets a track's packets.
    pub(super) fn reaches(&self, track: TrackId, sink: SinkId) -> bool {
        self.fanout.sinks(track).binary_search(&sink).is_ok()
    }

    /// A session gets these tracks' packets no more.
    pub(super) fn leave(&mut self, tracks: Range<TrackId>, session: SessionKey) {
        for track in tracks {
            self.fanout.leave(track, session);
            self.awaited.leave(track, session);
        }
    }

    /// A sink gets a layer in place of the one that it gets now, from its next keyframe on.
    pub(super) fn await_keyframe(&mut self, track: TrackId, sink: SinkId) {
        self.awaited.attach(track, sink);
        self.wish(track);
    }

    /// A sink stays with what it gets.
    pub(super) fn forget_change(&mut self, track: TrackId, sink: SinkId) {
        self.awaited.detach(track, sink);
    }

    /// Whether somebody waits for a keyframe of this layer.
    fn is_awaited(&self, track: TrackId) -> bool {
        !self.awaited.sinks(track).is_empty()
    }

    /// A layer's keyframe begins: who has waited for it gets this layer now.
    pub(super) fn next_change(&mut self, track: TrackId) -> Option<SinkId> {
        let sink = *self.awaited.sinks(track).first()?;
        self.awaited.detach(track, sink);
        Some(sink)
    }

    /// A sink gets another layer than before.
    pub(super) fn change(&mut self, from: TrackId, to: TrackId, sink: SinkId) {
        self.fanout.detach(from, sink);
        self.fanout.attach(to, sink);
    }

    /// A track is gone.
    pub(super) fn remove(&mut self, track: TrackId) {
        self.fanout.remove(track);
        self.awaited.remove(track);
        self.holes.remove(track);
        self.histories.remove(&track);
        self.meters.remove(&track);
        self.starts.remove(track);
        self.wishes.remove(&track);
    }
}

impl Hub {
    /// Sends what arrived in this burst to everybody who watches it. What is left of an earlier one
    /// goes first, wherever it is.
    pub(super) fn fan_out(&mut self, now: Instant, events: &mut Vec<Event>, out: &mut Outbox) {
        self.pass(now, |_| false, events, out);
        if !self.road.arrivals.is_empty() {
            std::mem::swap(&mut self.road.arrivals, &mut self.road.legs.burst);
            let burst = &mut self.road.legs.burst;
            if !burst.is_sorted_by_key(|(track, _)| *track) {
                burst.sort_by_key(|(track, _)| *track);
            }
            let bytes = burst.iter().map(|(_, packet)| packet.payload.len() as u64).sum();
            out.report(Report::Received { packets: burst.len() as u64, bytes });
            self.pass(now, Outbox::is_full, events, out);
        }
        while let Some(track) = self.road.wished.pop() {
            self.wish(now, track, events, out);
        }
    }

    /// A packet of a track will not come any more, and pictures need it until the next keyframe.
    /// Viewers would wait for three seconds before they ask.
    pub(super) fn lost(&mut self, track: TrackId, sequence: u64) {
        let is_needed = self.road.history(track).is_some_and(|history| history.needs(sequence));
        let sinks = self.road.fanout.sinks(track);
        let is_watched = !sinks.is_empty() || !self.crossing.cores(track).is_empty();
        if is_needed && is_watched {
            self.road.wish(track);
        }
    }

    /// Keeps what arrived of one track, which lies in the burst from `start` on, and adds the legs
    /// on which it is sent.
    pub(super) fn set_out(
        &mut self,
        now: Instant,
        run: &[(TrackId, Packet)],
        start: usize,
        out: &mut Outbox,
    ) {
        let (track, end) = (run[0].0, start + run.len());
        let passage = self.road.holes.pass(track, &run[0].1, &run[run.len() - 1].1);
        if passage.hole {
            self.road.wish(track);
        }
        if self.streams.source_of(track).is_none() {
            return;
        }
        self.cross(track, run, out);
        let fence = passage.fence;
        self.remember(now, track, run.iter().map(|(_, p)| p).filter(|p| p.sequence >= fence));
        let change = start + self.change_at(track, run);
        for (packets, changes) in [(start..change, false), (change..end, true)] {
            self.road.legs.add(Leg { track, packets, fence, changes, last: None });
        }
    }

    /// Where in a run its layer's keyframe begins, if somebody waits for it; else at its end.
    fn change_at(&self, track: TrackId, run: &[(TrackId, Packet)]) -> usize {
        let codec = self.codec_of(track).filter(|_| self.road.is_awaited(track));
        let begins =
            |codec| run.iter().position(|(_, packet)| keyframe::begins(codec, &packet.payload));
        codec.and_then(begins).unwrap_or(run.len())
    }

    /// Keeps what arrived of a track for repairs, and for whoever joins.
    fn remember<'p>(
        &mut self,
        now: Instant,
        track: TrackId,
        packets: impl Iterator<Item = &'p Packet>,
    ) {
        let Some(codec) = self.codec_of(track).filter(|codec| codec.kind() == Kind::Video) else {
            return;
        };
        let history = self.road.histories.entry(track).or_default();
        let meter = self.road.meters.entry(track).or_default();
        let mut outdated = false;
        for packet in packets {
            let begins_keyframe = keyframe::begins(codec, &packet.payload);
            let layers = packet.layers(codec);
            let measured = Measured {
                bytes: packet.payload.len() + limits::PACKET_OVERHEAD,
                timestamp: packet.timestamp,
                temporal: layers.map_or(0, |layers| layers.layer),
                spatial: layers.and_then(|layers| layers.spatial).map_or(0, |s| s.layer),
                begins_keyframe,
                heights: packet.heights(codec),
            };
            meter.add(now, &measured);
            if begins_keyframe && let Some(wishes) = self.road.wishes.get_mut(&track) {
                wishes.fulfil();
            }
            outdated |= history.keep(packet, begins_keyframe);
        }
        if outdated && self.road.starts.expects(now, track) {
            self.road.wish(track);
        }
    }

    pub(super) fn flush(&mut self, now: Instant, events: &mut Vec<Event>, out: &mut Outbox) {
        let mut written = std::mem::take(&mut self.road.written);
        for key in written.drain(..) {
            let Some(member) = self.sessions.get(key) else { continue };
            if member.session.queues() {
                self.advance(now, key, events, out);
            } else {
                self.report(now, key, out);
            }
        }
        self.road.written = written;
    }

    fn wish(&mut self, now: Instant, track: TrackId, events: &mut Vec<Event>, out: &mut Outbox) {
        if self.codec_of(track).map(Codec::kind) != Some(Kind::Video) {
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
        let Some(Origin { source, layer, .. }) = self.streams.source_of(track) else { return };
        let key = match source {
            Source::Session(key) => key,
            Source::Core(core) => return self.tell(core, Between::Wish { track }, out),
        };
        let member = &mut self.sessions[key];
        member.session.ask_keyframe(layer);
        out.report(Report::KeyframeAsked { session: member.id.0, track });
        self.advance(now, key, events, out);
    }

    pub(super) fn codec_of(&self, track: TrackId) -> Option<Codec> {
        self.streams.source_of(track).map(|origin| origin.codec)
    }
}
