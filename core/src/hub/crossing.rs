//! Streams that are wanted on several cores of a node: each crosses once as shared packets, and
//! wishes for keyframes come back the same way. Sessions do not notice.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crate::cores::CoreId;
use crate::hub::Hub;
use crate::hub::between::{Between, Life};
use crate::hub::demux::SessionKey;
use crate::hub::streams::{Source, TrackId};
use crate::media::packet::{Packet, SourceClock};
use crate::media::track::StreamName;
use crate::outbox::Outbox;

/// Which cores want which layers of ours. BTreeMap: a handful, and a fixed order.
#[derive(Debug, Default)]
pub(super) struct Crossing(BTreeMap<TrackId, Vec<CoreId>>);

impl Crossing {
    pub(super) fn cores(&self, track: TrackId) -> &[CoreId] {
        self.0.get(&track).map_or(&[], Vec::as_slice)
    }

    /// A layer is gone.
    pub(super) fn remove(&mut self, track: TrackId) {
        self.0.remove(&track);
    }
}

impl Hub {
    /// Tells all other hubs of a stream. The first one passes it on, so that whatever else it tells
    /// them, such as that a viewer moves there, comes in the right order.
    pub(super) fn announce(&self, life: Life, out: &mut Outbox) {
        if self.core != CoreId::FIRST {
            return self.tell(CoreId::FIRST, Between::Life(life), out);
        }
        for core in (1..self.cores).map(CoreId).filter(|core| *core != life.core) {
            self.tell(core, Between::Life(life.clone()), out);
        }
    }

    /// A stream begins or ends on another core.
    pub(super) fn announced(&mut self, now: Instant, life: Life, out: &mut Outbox) {
        if self.core == CoreId::FIRST {
            self.announce(life.clone(), out);
        }
        let Life { stream, core, layers, tracks } = life;
        let source = Source::Core(core);
        let Some(tracks) = tracks else {
            if self.streams.abroad(&stream) == Some((core, layers.clone())) {
                self.streams.unpublish(&stream, source);
                self.remove_layers(layers);
            }
            return;
        };
        if let Some((before, old)) = self.streams.abroad(&stream) {
            self.streams.unpublish(&stream, Source::Core(before));
            self.remove_layers(old);
        }
        let sinks = self.streams.publish(&stream, source, tracks, layers.clone());
        if self.streams.is_wanted(&stream) {
            self.tell(core, Between::Want { layers }, out);
        }
        for sink in sinks {
            self.attach(now, sink);
        }
    }

    /// A sink's media will flow soon.
    pub(super) fn want(&mut self, key: SessionKey, out: &mut Outbox) {
        let stream = &self.sessions[key].stream;
        if let Some((core, layers)) = self.streams.want(stream, key) {
            self.tell(core, Between::Want { layers }, out);
        }
    }

    /// A sink's media flows no more.
    pub(super) fn unwant(&mut self, stream: &StreamName, key: SessionKey, out: &mut Outbox) {
        if let Some((core, layers)) = self.streams.unwant(stream, key) {
            self.tell(core, Between::Unwant { layers }, out);
        }
    }

    /// Another core wants layers of ours: from their latest keyframe on, so that whoever joins
    /// there begins as one does here.
    pub(super) fn wanted(
        &mut self,
        now: Instant,
        core: CoreId,
        layers: Range<TrackId>,
        out: &mut Outbox,
    ) {
        for track in layers {
            if self.streams.source_of(track).is_none() {
                continue;
            }
            let cores = self.crossing.0.entry(track).or_default();
            if !cores.contains(&core) {
                cores.push(core);
            }
            let Some(history) = self.road.history(track) else { continue };
            if let Some(clock) = history.clock() {
                self.tell(core, Between::Clock { track, clock }, out);
            }
            if let Some(first) = history.latest_keyframe(now) {
                let packets = history.since(first).cloned().collect();
                self.tell(core, Between::Packets { track, packets, past: true }, out);
            }
        }
    }

    /// Another core wants layers no more.
    pub(super) fn unwanted(&mut self, core: CoreId, layers: Range<TrackId>) {
        for track in layers {
            if let Some(cores) = self.crossing.0.get_mut(&track) {
                cores.retain(|other| *other != core);
            }
        }
    }

    /// Sends what arrived of a layer to the cores that want it.
    pub(super) fn cross(&self, track: TrackId, run: &[(TrackId, Packet)], out: &mut Outbox) {
        let cores = self.crossing.cores(track);
        if cores.is_empty() {
            return;
        }
        let packets: Arc<[Packet]> = run.iter().map(|(_, packet)| packet.clone()).collect();
        for core in cores {
            let packets = Arc::clone(&packets);
            self.tell(*core, Between::Packets { track, packets, past: false }, out);
        }
    }

    /// Tells the cores that want a layer how its source's clocks are related.
    pub(super) fn cross_clock(&self, track: TrackId, clock: SourceClock, out: &mut Outbox) {
        for core in self.crossing.cores(track) {
            self.tell(*core, Between::Clock { track, clock }, out);
        }
    }

    /// Packets of a layer came from another core.
    pub(super) fn crossed(&mut self, track: TrackId, packets: &[Packet], past: bool) {
        let Some(codec) = self.codec_of(track) else { return };
        if past {
            return self.road.past(track, codec, packets);
        }
        for packet in packets {
            self.road.arrived(track, packet.clone());
        }
    }
}
