//! Which layer of a track each sink gets, and the change from one to another at a keyframe. What is
//! best for a viewer says `choice`; it does not know packets.

use std::time::Instant;

use crate::hub::choice::{Cap, Choice, Layer, Mode, Situation};
use crate::hub::demux::SessionKey;
use crate::hub::egress::Line;
use crate::hub::fanout::SinkId;
use crate::hub::road::Road;
use crate::hub::session::Session;
use crate::hub::session::filter::Share;
use crate::hub::session::sending::Outlet;
use crate::hub::streams::TrackId;
use crate::hub::words::{Event, Quality};
use crate::hub::{Hub, Member, Role, Timer};
use crate::limits;
use crate::media::packet::{Packet, SourceClock};
use crate::media::temporal::ALL_SPATIAL;
use crate::outbox::Outbox;

/// What a sink gets.
#[derive(Debug, Default)]
pub(super) struct Watch {
    current: Option<TrackId>,
    /// The layer that it gets from its next keyframe on.
    next: Option<TrackId>,
    cap: Cap,
    choice: Choice,
    /// How the sink gets it, and what its viewer was told last.
    quality: Option<Quality>,
    told: Option<Quality>,
    /// While nothing goes to the sink, the last packets that did, and of which layer: the line is
    /// probed with them.
    stock: Option<(TrackId, Vec<Packet>)>,
}

impl Watch {
    /// The layer that goes to the sink now.
    pub(super) fn current(&self) -> Option<TrackId> {
        self.current
    }

    /// What its line can be probed with, if that is not what goes to the sink anyway.
    pub(super) fn stock(&self) -> Option<(TrackId, &[Packet])> {
        self.stock.as_ref().map(|(track, packets)| (*track, packets.as_slice()))
    }

    /// Its sink gets nothing any more, and will get what is best for it.
    pub(super) fn begin_anew(&mut self) {
        (self.current, self.next, self.stock) = (None, None, None);
    }
}

/// How a viewer's line is shared: sound first, the rest by all videos alike.
struct Budget {
    /// What is left for video.
    line: Line,
    sound: u64,
    videos: u64,
}

impl Budget {
    fn of(session: &mut Session, now: Instant) -> Self {
        let unknown = Line { bitrate: u64::MAX, is_congested: false, is_limited: false };
        let mut line = session.line(now).unwrap_or(unknown);
        let (sounds, videos) = session.counts();
        let sound = sounds * limits::SOUND;
        line.bitrate = line.bitrate.saturating_sub(sound);
        Budget { line, sound, videos: videos.max(1) }
    }

    /// What the line must take so that each video gets so much.
    fn whole(&self, video: u64) -> u64 {
        self.sound + video.saturating_mul(self.videos)
    }
}

/// One thing that a viewer may get: a layer, or the spatial layers of one up to some height.
#[derive(Debug, Clone, Copy, Default)]
struct Rung {
    track: TrackId,
    spatial: u8,
    layer: Layer,
}

/// What a track offers up to a spatial layer, from small to large, and how much that is.
fn rungs(
    road: &Road,
    now: Instant,
    tracks: impl Iterator<Item = TrackId> + Clone,
    highest: u8,
) -> ([Rung; limits::LAYERS], usize) {
    let mut all = [Rung::default(); limits::LAYERS];
    let mut count = 0;
    let pace = road.pace(tracks.clone());
    for track in tracks {
        let first = count;
        let measured = road.measured(now, track, pace).filter(|(spatial, _)| *spatial <= highest);
        for (place, (spatial, layer)) in all[first..].iter_mut().zip(measured) {
            *place = Rung { track, spatial, layer };
            count += 1;
        }
        if count == first && first < all.len() {
            all[first].track = track;
            count += 1;
        }
    }
    all[..count].sort_unstable_by_key(|Rung { track, spatial, layer }| {
        (layer.height, layer.bitrate, *track, *spatial)
    });
    (all, count)
}

impl Hub {
    /// The layer that a sink begins with, or goes on with if it gets one already.
    pub(super) fn first_layer(
        &mut self,
        now: Instant,
        sink: SinkId,
        outlet: Outlet,
    ) -> Option<TrackId> {
        let member = &self.sessions[sink.session];
        let mut layers = self.streams.layers_for(&member.stream, sink.session, outlet.slot);
        let current = member.watches[sink.lane].current;
        if current.is_some_and(|current| layers.contains(&current)) {
            return current;
        }
        self.sessions[sink.session].watches[sink.lane].next = None;
        let first = match outlet.layer {
            Some(layer) => layers.nth(layer),
            None => self.best_layer(now, sink, outlet).or_else(|| layers.next()),
        };
        self.sessions[sink.session].watches[sink.lane].current = first;
        first
    }

    /// The layers of a viewer are looked at soon, and again and again; unless there is no choice.
    pub(super) fn choose_soon(&mut self, now: Instant, key: SessionKey) {
        let Member { session, stream, watches, .. } = &mut self.sessions[key];
        let is_layered = (0..watches.len()).any(|lane| {
            let Some(outlet) = session.adaptive(lane) else { return false };
            let tracks = self.streams.layers_for(stream, key, outlet.slot);
            session.spatial(lane).is_some() || tracks.count() > 1
        });
        if is_layered || session.line(now).is_some() {
            self.timers.set(Timer::Choose(key), now + limits::DECISION);
        }
    }

    /// Looks whether other layers are better for a viewer now, and whether its line may take more.
    pub(super) fn choose(&mut self, now: Instant, key: SessionKey, events: &mut Vec<Event>) {
        let mut wanted = None;
        for lane in 0..self.sessions[key].watches.len() {
            let Some(outlet) = self.sessions[key].session.adaptive(lane) else { continue };
            let sink = SinkId { session: key, lane };
            let best = self.best_layer(now, sink, outlet);
            let watch = &self.sessions[key].watches[lane];
            if let Some(track) = best.filter(|_| watch.current.is_some()) {
                wanted = watch.choice.wanted().map(|rate| (sink, rate)).or(wanted);
                self.turn_to(sink, track);
                self.reopen(now, sink, track);
            }
            self.tell_quality(sink, events);
        }
        self.choose_soon(now, key);
        let budget = Budget::of(&mut self.sessions[key].session, now);
        if let Some((sink, rate)) = wanted.filter(|_| self.sessions[key].probing.is_none()) {
            let wanted = budget.whole(rate);
            if let Some(probe) = self.sessions[key].session.probe(now, wanted) {
                self.begin_probe(now, sink, probe);
            }
        }
    }

    /// A viewer can make use of no more than this.
    pub(super) fn prefer(&mut self, now: Instant, key: SessionKey, cap: Cap) {
        self.sessions[key].watches.iter_mut().for_each(|watch| watch.cap = cap);
        self.timers.hasten(Timer::Choose(key), now);
    }

    /// Tells of a viewer's video if it gets it otherwise than before, and not as well as can be.
    fn tell_quality(&mut self, sink: SinkId, events: &mut Vec<Event>) {
        let member = &mut self.sessions[sink.session];
        let watch = &mut member.watches[sink.lane];
        let is_settled = watch.next.is_none() && !member.session.is_rising(sink.lane);
        let Some(quality) = watch.quality.filter(|_| is_settled) else { return };
        let is_best = !quality.is_paused && quality.layers == 1;
        let told = watch.told.replace(quality);
        if told != Some(quality) && (told.is_some() || !is_best) {
            events.push(Event::Seen { session: member.id, quality });
        }
    }

    /// A picture that was stopped shall go on, for which it needs a keyframe.
    fn reopen(&mut self, now: Instant, sink: SinkId, track: TrackId) {
        if self.sessions[sink.session].session.awaits_keyframe(now, sink.lane) {
            self.road.wish(track);
        }
    }

    /// The layer that is best for a viewer now.
    fn best_layer(&mut self, now: Instant, sink: SinkId, outlet: Outlet) -> Option<TrackId> {
        let member = &mut self.sessions[sink.session];
        let ids = self.streams.layers_for(&member.stream, sink.session, outlet.slot);
        let highest = member.session.spatial(sink.lane);
        let (rungs, count) = rungs(&self.road, now, ids, highest.unwrap_or(ALL_SPATIAL));
        let layers = rungs.map(|rung| rung.layer);
        let Budget { line, videos, .. } = Budget::of(&mut member.session, now);
        let watch = &mut member.watches[sink.lane];
        let current = watch.current.and_then(|track| Some((track, self.road.history(track)?)));
        let mut own = rungs[..count].iter().filter(|rung| watch.current == Some(rung.track));
        let situation = Situation {
            layers: &layers[..count],
            estimate: line.bitrate / videos,
            cap: watch.cap,
            is_congested: line.is_congested,
            is_limited: line.is_limited,
            is_stopped: own.all(|rung| !rung.layer.is_live) && watch.current.is_some(),
            is_probed: false,
        };
        let target = watch.choice.decide(now, &situation);
        let is_paused = target.mode == Mode::KeyframesOnly;
        watch.quality = target.layer.map(|layer| Quality { layer, layers: count, is_paused });
        let is_still = target.mode != Mode::Flowing;
        watch.stock = watch.stock.take().filter(|_| is_still).or_else(|| {
            let (track, history) = current.filter(|_| is_still)?;
            Some((track, history.latest().take(limits::STOCK).cloned().collect()))
        });
        let trickle = line.bitrate / videos * limits::TRICKLE_PERCENT / 100;
        let rate = (is_paused && line.is_limited).then_some(trickle);
        let chosen = target.layer.map(|layer| rungs[layer]);
        // What a node lacks, none of its viewers can get.
        let may_lack = member.role != Role::Relay && highest.is_some();
        let spatial = chosen.filter(|_| may_lack).map_or(ALL_SPATIAL, |rung| rung.spatial);
        let share = Share { temporal: target.temporal, spatial, keyframes_only: is_paused };
        member.session.set_share(sink.lane, share, rate);
        member.session.hold(now, sink.lane, target.mode == Mode::Held);
        if member.session.due(sink.lane).is_some() {
            self.timers.hasten(Timer::Pace(sink.session), now);
        }
        chosen.map(|rung| rung.track)
    }

    /// A sink shall get another layer from its next keyframe on.
    fn turn_to(&mut self, sink: SinkId, track: TrackId) {
        let watch = &mut self.sessions[sink.session].watches[sink.lane];
        let next = (watch.current != Some(track)).then_some(track);
        let before = std::mem::replace(&mut watch.next, next);
        if let Some(before) = before.filter(|_| before != next) {
            self.road.forget_change(before, sink);
        }
        if let Some(next) = next {
            self.road.await_keyframe(next, sink);
        }
    }

    /// A keyframe of a layer begins: who waits for it gets this layer from here on.
    pub(super) fn change_layers(&mut self, now: Instant, track: TrackId, out: &mut Outbox) {
        while let Some(sink) = self.road.next_change(track) {
            let member = &mut self.sessions[sink.session];
            let watch = &mut member.watches[sink.lane];
            watch.next = None;
            let Some(before) = watch.current else { continue };
            self.release(now, sink, out);
            self.sessions[sink.session].watches[sink.lane].current = Some(track);
            let clock = |track| self.road.history(track)?.clock();
            let behind = self
                .codec_of(track)
                .and_then(|codec| Some(behind(clock(before)?, clock(track)?, codec.clock_rate())));
            self.sessions[sink.session].session.turn(now, sink.lane, behind);
            self.road.starts.give_up(sink, before);
            self.timers.clear(Timer::CatchUp(sink, before));
            self.road.change(before, track, sink);
        }
    }
}

/// How much later in RTP time one source is than another at the same moment.
fn behind(one: SourceClock, other: SourceClock, clock_rate: u32) -> u32 {
    let since = one.ntp.wrapping_sub(other.ntp) as i64;
    let ticks = (i128::from(since) * i128::from(clock_rate)) >> 32;
    one.rtp.wrapping_sub(other.rtp).wrapping_sub(ticks as u32)
}
