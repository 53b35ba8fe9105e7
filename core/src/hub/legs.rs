//! What of a burst is on its way to its sinks. Once the outbox is full it waits until that has been
//! sent: so whoever comes first does not wait until the packets of all others are sealed.

use std::collections::VecDeque;
use std::hint::black_box;
use std::ops::Range;
use std::time::Instant;

use crate::hub::fanout::SinkId;
use crate::hub::streams::TrackId;
use crate::hub::words::Event;
use crate::hub::{Hub, Timer};
use crate::limits;
use crate::media::packet::{self, Packet};
use crate::outbox::Outbox;
use crate::report::Report;

/// A burst, and where it is; reused.
#[derive(Debug, Default)]
pub(super) struct Legs {
    /// Track by track.
    pub(super) burst: Vec<(TrackId, Packet)>,
    /// Where in it the next track begins.
    next: usize,
    /// Of the track before.
    left: VecDeque<Leg>,
}

/// Packets of one track, which go to one of its sinks after the other.
#[derive(Debug)]
pub(super) struct Leg {
    /// Whose.
    pub(super) track: TrackId,
    /// Which of the burst.
    pub(super) packets: Range<usize>,
    /// Those below this number are left out.
    pub(super) fence: u64,
    /// Whether a keyframe begins with them that somebody waits for.
    pub(super) changes: bool,
    /// Who got them last.
    pub(super) last: Option<SinkId>,
}

impl Legs {
    /// These packets of the burst are to be sent when all before them have been.
    pub(super) fn add(&mut self, leg: Leg) {
        if !leg.packets.is_empty() {
            self.left.push_back(leg);
        }
    }
}

impl Hub {
    /// Whether a burst is on its way.
    pub(crate) fn is_under_way(&self) -> bool {
        let Legs { burst, next, left } = &self.road.legs;
        !left.is_empty() || *next < burst.len()
    }

    /// Whether there is more to do now than the outbox had room for.
    pub(crate) fn has_more(&self, now: Instant, out: &Outbox) -> bool {
        let is_due = || self.deadline().is_some_and(|at| at <= now);
        self.is_under_way() || out.is_full() && is_due()
    }

    /// The outbox has room again.
    pub(crate) fn go_on(&mut self, now: Instant, events: &mut Vec<Event>, out: &mut Outbox) {
        self.pass(now, Outbox::is_full, events, out);
        if !self.is_under_way() {
            self.timeout(now, events, out);
        }
    }

    /// Sends what is left of the burst until the outbox `stops` it.
    pub(super) fn pass(
        &mut self,
        now: Instant,
        stops: impl Fn(&Outbox) -> bool,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        let mut burst = std::mem::take(&mut self.road.legs.burst);
        while let Some(mut leg) = self.next_leg(now, &burst, out) {
            if std::mem::take(&mut leg.changes) {
                self.change_layers(now, leg.track, out);
            }
            if !self.forward(now, &mut leg, &burst, &stops, out) {
                self.road.legs.left.push_front(leg);
                self.road.legs.burst = burst;
                return;
            }
            self.flush(now, events, out);
        }
        burst.clear();
        (self.road.legs.burst, self.road.legs.next) = (burst, 0);
    }

    /// What is to be sent next: of each track only when all before it has been sent. Where two
    /// tracks of a session wait at the same time, str0m goes by the order of a hash map.
    fn next_leg(
        &mut self,
        now: Instant,
        burst: &[(TrackId, Packet)],
        out: &mut Outbox,
    ) -> Option<Leg> {
        while self.road.legs.left.is_empty() {
            let start = self.road.legs.next;
            let run = burst[start..].chunk_by(|one, other| one.0 == other.0).next()?;
            self.road.legs.next = start + run.len();
            self.set_out(now, run, start, out);
        }
        self.road.legs.left.pop_front()
    }

    /// Sends packets of a layer to its sinks. `false`: not yet to all.
    fn forward(
        &mut self,
        now: Instant,
        leg: &mut Leg,
        burst: &[(TrackId, Packet)],
        stops: impl Fn(&Outbox) -> bool,
        out: &mut Outbox,
    ) -> bool {
        let (mut packets, mut bytes, mut stopped) = (0, 0, false);
        let run = &burst[leg.packets.clone()];
        let sinks = self.road.fanout.sinks(leg.track);
        let done = leg.last.map_or(0, |last| sinks.partition_point(|sink| *sink <= last));
        out.foresee(packet::longest(run.iter().map(|(_, packet)| packet)));
        for (place, sink) in sinks.iter().enumerate().skip(done) {
            if let Some(next) = sinks.get(place + 1) {
                black_box(self.sessions[next.session].session.warm(next.lane));
            }
            let member = &mut self.sessions[sink.session];
            for (_, packet) in run.iter().filter(|(_, packet)| packet.sequence >= leg.fence) {
                if member.session.forward(now, sink.lane, leg.track, packet, out) {
                    packets += 1;
                    bytes += packet.payload.len() as u64;
                }
            }
            if member.session.due(sink.lane).is_some() {
                self.timers.hasten(Timer::Pace(sink.session), now + limits::PACE_STEP);
            }
            if member.session.wishes_keyframe(now, sink.lane) {
                self.road.wished.push(leg.track);
            }
            if member.session.queues() || member.session.reports(now) {
                self.road.written.push(sink.session);
            }
            leg.last = Some(*sink);
            stopped = stops(out);
            if stopped {
                break;
            }
        }
        out.foresee(0);
        out.report(Report::Forwarded { packets, bytes });
        !stopped
    }
}
