//! The streams of a hub: which session each comes from, what it is made of, who is there for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::hub::demux::SessionKey;
use crate::media::track::{StreamName, Track};

/// A hub's name for one track of one life of a stream; never reused.
pub(crate) type TrackId = u64;

/// All streams that have a source or somebody who waits for it to come back.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    by_name: BTreeMap<StreamName, Stream>,
    next_track: TrackId,
    /// Where each track comes from.
    sources: BTreeMap<TrackId, (SessionKey, usize)>,
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
    ids: Vec<TrackId>,
}

impl Streams {
    /// The tracks of a stream that has a source.
    pub(crate) fn tracks(&self, name: &StreamName) -> Option<&[Track]> {
        let stream = self.by_name.get(name)?;
        stream.source.is_some().then_some(&stream.tracks)
    }

    /// A stream has a source now. Returns the names of its tracks, and the sinks that can go on
    /// with it: all of them if it is made of what it was made of before, else none.
    pub(crate) fn publish(
        &mut self,
        name: &StreamName,
        session: SessionKey,
        tracks: Vec<Track>,
    ) -> (Vec<TrackId>, Vec<SessionKey>) {
        let first = self.next_track;
        let ids: Vec<TrackId> = (first..first + tracks.len() as u64).collect();
        self.next_track += tracks.len() as u64;
        for (slot, id) in ids.iter().enumerate() {
            self.sources.insert(*id, (session, slot));
        }
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

    /// A source is gone. Returns the tracks that went with it; `None` if it was no source.
    pub(crate) fn unpublish(
        &mut self,
        name: &StreamName,
        session: SessionKey,
    ) -> Option<Vec<TrackId>> {
        let stream = self.by_name.get_mut(name)?;
        let source = stream.source.take_if(|source| source.session == session)?;
        for id in &source.ids {
            self.sources.remove(id);
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

    /// A sink is gone. Returns the tracks that it may be attached to.
    pub(crate) fn leave(&mut self, name: &StreamName, sink: SessionKey) -> Vec<TrackId> {
        let Some(stream) = self.by_name.get_mut(name) else { return Vec::new() };
        stream.sinks.remove(&sink);
        if stream.sinks.is_empty() && stream.source.is_none() {
            self.by_name.remove(name);
            return Vec::new();
        }
        stream.source.as_ref().map(|source| source.ids.clone()).unwrap_or_default()
    }

    /// The track number `slot` of a stream, for a sink whose session was negotiated for it.
    pub(crate) fn track_for(
        &self,
        name: &StreamName,
        sink: SessionKey,
        slot: usize,
    ) -> Option<TrackId> {
        let stream = self.by_name.get(name)?;
        let ids = &stream.source.as_ref()?.ids;
        stream.sinks.contains(&sink).then(|| ids.get(slot).copied()).flatten()
    }

    /// Where a track comes from: the session and its number there.
    pub(crate) fn source_of(&self, track: TrackId) -> Option<(SessionKey, usize)> {
        self.sources.get(&track).copied()
    }
}
