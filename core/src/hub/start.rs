//! How somebody who joins begins: with the latest keyframe and what has come since, from the
//! track's history, faster than it was filmed. No round trip to the publisher, and no keyframe for
//! others.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::hub::demux::SessionKey;
use crate::hub::fanout::SinkId;
use crate::hub::streams::TrackId;
use crate::hub::{Hub, Role, Timer};
use crate::limits;
use crate::media::packet;
use crate::outbox::Outbox;
use crate::report::Report;

/// Who is catching up with what.
#[derive(Debug, Default)]
pub(super) struct Starts {
    under_way: BTreeMap<(SinkId, TrackId), Start>,
    joined: BTreeMap<TrackId, Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Start {
    /// The number of the next packet.
    next: u64,
    /// Packets of one step.
    step: usize,
}

impl Starts {
    /// Whether others may be expected to join, since somebody has.
    pub(super) fn expects(&self, now: Instant, track: TrackId) -> bool {
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < limits::JOINS_EXPECTED;
        self.joined.get(&track).is_some_and(is_recent)
    }

    /// A session is gone. Returns what it was catching up with.
    pub(super) fn leave(&mut self, session: SessionKey) -> Vec<(SinkId, TrackId)> {
        let first = |session| (SinkId { session, lane: 0 }, TrackId::MIN);
        let of_session = self.under_way.range(first(session)..first(session + 1));
        let starts: Vec<_> = of_session.map(|(start, _)| *start).collect();
        for start in &starts {
            self.under_way.remove(start);
        }
        starts
    }

    /// A sink gets another layer instead of what it was catching up with.
    pub(super) fn give_up(&mut self, sink: SinkId, track: TrackId) {
        self.under_way.remove(&(sink, track));
    }

    /// A track is gone.
    pub(super) fn remove(&mut self, track: TrackId) {
        self.joined.remove(&track);
        self.under_way.retain(|(_, other), _| *other != track);
    }
}

impl Hub {
    /// A sink gets a track from now on: from its latest keyframe if there is one, else from the
    /// next one, which is asked for. Who gets it already has missed something.
    pub(super) fn begin(&mut self, now: Instant, sink: SinkId, track: TrackId) {
        if self.road.reaches(track, sink) {
            return self.road.wish(track);
        }
        if self.road.starts.under_way.contains_key(&(sink, track)) {
            return;
        }
        self.road.starts.joined.insert(track, now);
        // Who watches a downstream node is there already, and wants the present alone. A byte
        // stream begins slowly: it would have no room for the past.
        let member = &self.sessions[sink.session];
        let may_begin = member.role == Role::Viewer && member.session.takes_bursts();
        let history = self.road.history(track).filter(|_| may_begin);
        let Some(first) = history.and_then(|history| history.latest_keyframe(now)) else {
            self.road.attach(track, sink);
            self.road.wish(track);
            return;
        };
        let packets = history.map_or(0, |history| history.since(first).count());
        let steps = limits::CATCH_UP.as_millis() / limits::CATCH_UP_STEP.as_millis();
        let step = packets.div_ceil(steps as usize).max(1);
        self.road.starts.under_way.insert((sink, track), Start { next: first, step });
        self.timers.set(Timer::CatchUp(sink, track), now);
    }

    /// Sends the next packets to a sink that is catching up. It begins with the whole keyframe.
    pub(super) fn catch_up(
        &mut self,
        now: Instant,
        sink: SinkId,
        track: TrackId,
        out: &mut Outbox,
    ) {
        let Some(start) = self.road.starts.under_way.get(&(sink, track)).copied() else { return };
        let Some(member) = self.sessions.get_mut(sink.session) else { return };
        if member.session.is_held(sink.lane) {
            return self.timers.set(Timer::CatchUp(sink, track), now + limits::CATCH_UP_STEP);
        }
        let (mut next, mut sent, mut frame) = (start.next, 0, None);
        let (mut forwarded, mut bytes) = (0, 0);
        let packets = self.road.history(track).map(|history| history.since(start.next));
        let packets = packets.into_iter().flatten();
        out.foresee(packet::longest(packets.clone().take(start.step)));
        for packet in packets {
            let begun = frame.is_none_or(|frame| frame == packet.timestamp);
            if sent >= start.step && !begun {
                break;
            }
            frame = frame.or(Some(packet.timestamp));
            if member.session.write(now, sink.lane, track, packet, out) {
                (forwarded, bytes) = (forwarded + 1, bytes + packet.payload.len() as u64);
            }
            (next, sent) = (packet.sequence + 1, sent + 1);
        }
        out.foresee(0);
        out.report(Report::Forwarded { packets: forwarded, bytes });
        let is_end =
            self.road.history(track).is_none_or(|history| history.since(next).next().is_none());
        if is_end {
            self.road.starts.under_way.remove(&(sink, track));
            self.road.attach(track, sink);
        } else {
            self.road.starts.under_way.insert((sink, track), Start { next, ..start });
            self.timers.set(Timer::CatchUp(sink, track), now + limits::CATCH_UP_STEP);
        }
    }
}
