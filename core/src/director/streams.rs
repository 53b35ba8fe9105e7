//! The streams of the node by name: who publishes each, in which life, and who watches it here.

use std::collections::{BTreeMap, BTreeSet};

use crate::director::registry::Claim;
use crate::hub::words::SessionId;
use crate::media::track::{Epoch, StreamName, Track};

/// All streams that have a publisher, or viewers who wait for one to come back.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    by_name: BTreeMap<StreamName, Stream>,
    /// How many have a connected publisher.
    live: usize,
}

/// One stream.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Which life this is; kept when the publisher leaves, so that the next one is newer.
    pub(crate) epoch: Epoch,
    /// The node that its publisher is connected to.
    pub(crate) holder: String,
    /// The node that it is relayed from, if it is.
    pub(crate) sender: Option<String>,
    /// The session that it comes from.
    pub(crate) publisher: Option<SessionId>,
    /// Whether that session is connected.
    pub(crate) live: bool,
    /// What it is made of, or was made of when its publisher left.
    pub(crate) tracks: Vec<Track>,
    /// The sessions of its viewers here.
    pub(crate) viewers: BTreeSet<SessionId>,
}

impl Streams {
    pub(crate) fn get(&self, name: &StreamName) -> Option<&Stream> {
        self.by_name.get(name)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// How many have a connected publisher.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&StreamName, &Stream)> {
        self.by_name.iter()
    }

    /// A session publishes this name from now on.
    pub(crate) fn claim(&mut self, name: &StreamName, session: SessionId, claim: Claim) {
        let stream = self.by_name.entry(name.clone()).or_default();
        self.live -= usize::from(stream.live);
        stream.publisher = Some(session);
        stream.live = false;
        stream.epoch = claim.epoch;
        stream.holder = claim.holder;
        stream.sender = claim.sender;
    }

    /// The publisher is connected. Returns what the stream was made of before.
    pub(crate) fn publish(
        &mut self,
        name: &StreamName,
        session: SessionId,
        tracks: Vec<Track>,
    ) -> Option<Vec<Track>> {
        let stream = self.by_name.get_mut(name)?;
        if stream.publisher != Some(session) {
            return None;
        }
        self.live += usize::from(!stream.live);
        stream.live = true;
        Some(std::mem::replace(&mut stream.tracks, tracks))
    }

    /// The publisher is gone. `true` if this session was it, and it was live.
    pub(crate) fn unpublish(&mut self, name: &StreamName, session: SessionId) -> bool {
        let Some(stream) = self.by_name.get_mut(name) else { return false };
        if stream.publisher != Some(session) {
            return false;
        }
        let was_live = stream.live;
        self.live -= usize::from(was_live);
        stream.publisher = None;
        stream.live = false;
        self.drop_if_idle(name);
        was_live
    }

    /// A viewer of a stream.
    pub(crate) fn watch(&mut self, name: &StreamName, session: SessionId) {
        self.by_name.entry(name.clone()).or_default().viewers.insert(session);
    }

    /// A viewer is gone.
    pub(crate) fn release(&mut self, name: &StreamName, session: SessionId) {
        if let Some(stream) = self.by_name.get_mut(name) {
            stream.viewers.remove(&session);
            self.drop_if_idle(name);
        }
    }

    fn drop_if_idle(&mut self, name: &StreamName) {
        if self.by_name.get(name).is_some_and(|s| s.publisher.is_none() && s.viewers.is_empty()) {
            self.by_name.remove(name);
        }
    }
}
