//! The streams of a hub: which session each comes from, what it is made of, who is there for it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::hub::demux::SessionKey;
use crate::media::track::{StreamName, Track, layers_of};

/// A hub's name for one layer of one track of one life of a stream; never reused.
pub(crate) type TrackId = u64;

/// All streams that have a source or somebody who waits for it to come back.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    by_name: BTreeMap<StreamName, Stream>,
    next_track: TrackId,
    /// Where each layer comes from.
    sources: BTreeMap<TrackId, Origin>,
}

/// Where a layer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Who sends it.
    pub(crate) session: SessionKey,
    /// Its number there, counted through all tracks.
    pub(crate) layer: usize,
    /// The number of its track.
    pub(crate) slot: usize,
}

#[derive(Debug, Default)]
struct Stream {
    source: Option<Source>,
    tracks: Vec<Track>,
    sinks: BTreeSet<SessionKey>,
}

#[derive(Debug)]
struct Source {
    session: SessionKey,
    /// Of its layers, counted through all tracks.
    ids: Range<TrackId>,
}

impl Streams {
    /// The tracks of a stream that has a source.
    pub(crate) fn tracks(&self, name: &StreamName) -> Option<&[Track]> {
        let stream = self.by_name.get(name)?;
        stream.source.is_some().then_some(&stream.tracks)
    }

    /// A stream has a source now. Returns the names of its layers, and the sinks that can go on
    /// with it: all of them if it is made of what it was made of before, else none.
    pub(crate) fn publish(
        &mut self,
        name: &StreamName,
        session: SessionKey,
        tracks: Vec<Track>,
    ) -> (Range<TrackId>, Vec<SessionKey>) {
        let first = self.next_track;
        for slot in 0..tracks.len() {
            for layer in layers_of(&tracks, slot) {
                self.sources.insert(self.next_track, Origin { session, layer, slot });
                self.next_track += 1;
            }
        }
        let ids = first..self.next_track;
        let stream = self.by_name.entry(name.clone()).or_default();
        let same = stream.tracks == tracks;
        stream.tracks = tracks;
        stream.source = Some(Source { session, ids: ids.clone() });
        if !same {
            // Their sessions were negotiated for other codecs; their owner plays anew.
            stream.sinks.clear();
        }
        (ids, stream.sinks.iter().copied().collect())
    }

    /// A source is gone. Returns the layers that went with it; `None` if it was no source.
    pub(crate) fn unpublish(
        &mut self,
        name: &StreamName,
        session: SessionKey,
    ) -> Option<Range<TrackId>> {
        let stream = self.by_name.get_mut(name)?;
        let source = stream.source.take_if(|source| source.session == session)?;
        for id in source.ids.clone() {
            self.sources.remove(&id);
        }
        if stream.sinks.is_empty() {
            self.by_name.remove(name);
        }
        Some(source.ids)
    }

    /// A sink is there for a stream.
    pub(crate) fn join(&mut self, name: &StreamName, sink: SessionKey) {
        self.by_name.entry(name.clone()).or_default().sinks.insert(sink);
    }

    /// A sink is gone. Returns the layers that it may get.
    pub(crate) fn leave(&mut self, name: &StreamName, sink: SessionKey) -> Range<TrackId> {
        let Some(stream) = self.by_name.get_mut(name) else { return 0..0 };
        stream.sinks.remove(&sink);
        if stream.sinks.is_empty() && stream.source.is_none() {
            self.by_name.remove(name);
            return 0..0;
        }
        stream.source.as_ref().map_or(0..0, |source| source.ids.clone())
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
        source.map_or(0..0, |(stream, source)| {
            let layers = layers_of(&stream.tracks, slot);
            let first = source.ids.start;
            first + layers.start as u64..first + layers.end as u64
        })
    }

    /// Where a layer comes from.
    pub(crate) fn source_of(&self, track: TrackId) -> Option<Origin> {
        self.sources.get(&track).copied()
    }
}
