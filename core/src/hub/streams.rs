//! The streams of a hub: where each comes from, what it is made of, who is there for it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::cores::CoreId;
use crate::hub::demux::SessionKey;
use crate::media::codec::Codec;
use crate::media::track::{StreamName, Track, layers_of};

/// A node's name for one layer of one track of one life of a stream; never reused.
pub(crate) type TrackId = u64;

/// Names that one core gives.
const OF_ONE_CORE: TrackId = 1 << 48;

/// All streams that have a source or somebody who waits for it to come back.
#[derive(Debug)]
pub(crate) struct Streams {
    by_name: BTreeMap<StreamName, Stream>,
    next_track: TrackId,
    /// Where each layer comes from.
    sources: BTreeMap<TrackId, Origin>,
}

/// Where a stream comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A publisher or an upstream node.
    Session(SessionKey),
    /// Another core of this node, which has the session.
    Core(CoreId),
}

/// Where a layer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Who sends it.
    pub(crate) source: Source,
    /// Its number there, counted through all tracks.
    pub(crate) layer: usize,
    /// How its packets are coded.
    pub(crate) codec: Codec,
}

#[derive(Debug, Default)]
struct Stream {
    source: Option<(Source, Range<TrackId>)>,
    tracks: Vec<Track>,
    sinks: BTreeSet<SessionKey>,
    /// The sinks whose media flows, or soon will.
    wanting: BTreeSet<SessionKey>,
}

impl Stream {
    /// The core that it comes from, if that is another one, and its layers.
    fn abroad(&self) -> Option<(CoreId, Range<TrackId>)> {
        match self.source.clone()? {
            (Source::Core(core), layers) => Some((core, layers)),
            (Source::Session(_), _) => None,
        }
    }

    fn is_idle(&self) -> bool {
        self.source.is_none() && self.sinks.is_empty()
    }
}

impl Streams {
    pub(crate) fn new(core: CoreId) -> Self {
        let next_track = core.0 as TrackId * OF_ONE_CORE;
        Streams { by_name: BTreeMap::new(), next_track, sources: BTreeMap::new() }
    }

    /// The tracks of a stream that has a source.
    pub(crate) fn tracks(&self, name: &StreamName) -> Option<&[Track]> {
        let stream = self.by_name.get(name)?;
        stream.source.is_some().then_some(&stream.tracks)
    }

    /// New names for the layers of these tracks, counted through all of them.
    pub(crate) fn name_layers(&mut self, tracks: &[Track]) -> Range<TrackId> {
        let first = self.next_track;
        self.next_track += tracks.iter().map(|track| track.layers as TrackId).sum::<TrackId>();
        first..self.next_track
    }

    /// A stream has a source now, whose layers have these names. Returns the sinks that can go on
    /// with it: all of them if it is made of what it was made of before, else none.
    pub(crate) fn publish(
        &mut self,
        name: &StreamName,
        source: Source,
        tracks: Vec<Track>,
        layers: Range<TrackId>,
    ) -> Vec<SessionKey> {
        for (slot, track) in tracks.iter().enumerate() {
            for layer in layers_of(&tracks, slot) {
                let origin = Origin { source, layer, codec: track.codec };
                self.sources.insert(layers.start + layer as TrackId, origin);
            }
        }
        let stream = self.by_name.entry(name.clone()).or_default();
        let same = stream.tracks == tracks;
        stream.tracks = tracks;
        stream.source = Some((source, layers));
        if !same {
            // Their sessions were negotiated for other codecs; their owner plays anew.
            stream.sinks.clear();
            stream.wanting.clear();
        }
        stream.sinks.iter().copied().collect()
    }

    /// A source is gone. Returns the layers that went with it; `None` if it was no source.
    pub(crate) fn unpublish(
        &mut self,
        name: &StreamName,
        source: Source,
    ) -> Option<Range<TrackId>> {
        let stream = self.by_name.get_mut(name)?;
        let (_, layers) = stream.source.take_if(|(its, _)| *its == source)?;
        if stream.is_idle() {
            self.by_name.remove(name);
        }
        for layer in layers.clone() {
            self.sources.remove(&layer);
        }
        Some(layers)
    }

    /// The layers of a stream that comes from another core.
    pub(crate) fn abroad(&self, name: &StreamName) -> Option<(CoreId, Range<TrackId>)> {
        self.by_name.get(name)?.abroad()
    }

    /// Whether the media of a stream flows to somebody, or soon will.
    pub(crate) fn is_wanted(&self, name: &StreamName) -> bool {
        self.by_name.get(name).is_some_and(|stream| !stream.wanting.is_empty())
    }

    /// Media will flow to a sink. Returns which layers are to be had from which core, if this is
    /// the first sink that wants them.
    pub(crate) fn want(
        &mut self,
        name: &StreamName,
        sink: SessionKey,
    ) -> Option<(CoreId, Range<TrackId>)> {
        let stream = self.by_name.get_mut(name).filter(|stream| stream.sinks.contains(&sink))?;
        let is_first = stream.wanting.is_empty();
        stream.wanting.insert(sink);
        stream.abroad().filter(|_| is_first)
    }

    /// Media does not flow to a sink any more. Returns which layers nobody wants now, and of which
    /// core.
    pub(crate) fn unwant(
        &mut self,
        name: &StreamName,
        sink: SessionKey,
    ) -> Option<(CoreId, Range<TrackId>)> {
        let stream = self.by_name.get_mut(name)?;
        let was_last = stream.wanting.remove(&sink) && stream.wanting.is_empty();
        stream.abroad().filter(|_| was_last)
    }

    /// Whether a sink is there for a stream, whose tracks its session was negotiated for.
    pub(crate) fn has(&self, name: &StreamName, sink: SessionKey) -> bool {
        self.by_name.get(name).is_some_and(|stream| stream.sinks.contains(&sink))
    }

    /// A sink is there for a stream.
    pub(crate) fn join(&mut self, name: &StreamName, sink: SessionKey) {
        self.by_name.entry(name.clone()).or_default().sinks.insert(sink);
    }

    /// A sink is gone. Returns the layers that it may get.
    pub(crate) fn leave(&mut self, name: &StreamName, sink: SessionKey) -> Range<TrackId> {
        let Some(stream) = self.by_name.get_mut(name) else { return 0..0 };
        stream.sinks.remove(&sink);
        if stream.is_idle() {
            self.by_name.remove(name);
            return 0..0;
        }
        stream.source.as_ref().map_or(0..0, |(_, layers)| layers.clone())
    }

    /// The layers of track number `slot` of a stream, for a sink whose session was negotiated for
    /// it.
    pub(crate) fn layers_for(
        &self,
        name: &StreamName,
        sink: SessionKey,
        slot: usize,
    ) -> Range<TrackId> {
        let stream = self.by_name.get(name).filter(|stream| stream.sinks.contains(&sink));
        let source = stream.and_then(|stream| Some((stream, stream.source.as_ref()?)));
        source.map_or(0..0, |(stream, (_, all))| {
            let layers = layers_of(&stream.tracks, slot);
            all.start + layers.start as TrackId..all.start + layers.end as TrackId
        })
    }

    /// Where a layer comes from.
    pub(crate) fn source_of(&self, track: TrackId) -> Option<Origin> {
        self.sources.get(&track).copied()
    }
}
