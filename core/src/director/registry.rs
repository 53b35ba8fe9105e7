//! Every session of the node by its two names: the hub's number and the public, unguessable one.

use std::collections::BTreeMap;

use crate::hub::words::SessionId;
use crate::machine::ConnectionId;
use crate::media::track::{Epoch, StreamName};

/// What the director knows of a session.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) role: Role,
    pub(crate) stream: StreamName,
    /// The last part of its `Location`; knowing it is what allows to change the session.
    pub(crate) resource: String,
    /// Counts its ICE sessions; the entity tag.
    pub(crate) generation: u32,
    /// The WebSocket that is told about it.
    pub(crate) connection: Option<ConnectionId>,
    /// Whether the peer has been silent for a while.
    pub(crate) quiet: bool,
    /// What a publisher gets once a hub has taken its offer.
    pub(crate) claim: Option<Claim>,
}

/// A publisher's right to its stream's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Which life of the stream begins.
    pub(crate) epoch: Epoch,
    /// The node that the publisher is connected to.
    pub(crate) holder: String,
    /// The node that a relay came from; `None` for a publisher's own session.
    pub(crate) sender: Option<String>,
}

/// What a session is here for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Publisher,
    Viewer,
    Relay,
}

impl Record {
    /// The entity tag of its ICE session (RFC 9725 section 4.3.1), without quotes.
    pub(crate) fn etag(&self) -> String {
        format!("ice-{}", self.generation)
    }

    /// The one that it gets by an ICE restart.
    pub(crate) fn next_etag(&self) -> String {
        format!("ice-{}", self.generation + 1)
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    by_id: BTreeMap<SessionId, Record>,
    by_resource: BTreeMap<String, SessionId>,
    publishers: u64,
    viewers: u64,
    relays: u64,
}

impl Registry {
    pub(crate) fn insert(&mut self, session: SessionId, record: Record) {
        self.by_resource.insert(record.resource.clone(), session);
        *self.count(record.role) += 1;
        self.by_id.insert(session, record);
    }

    pub(crate) fn remove(&mut self, session: SessionId) -> Option<Record> {
        let record = self.by_id.remove(&session)?;
        self.by_resource.remove(&record.resource);
        *self.count(record.role) -= 1;
        Some(record)
    }

    pub(crate) fn get(&self, session: SessionId) -> Option<&Record> {
        self.by_id.get(&session)
    }

    pub(crate) fn get_mut(&mut self, session: SessionId) -> Option<&mut Record> {
        self.by_id.get_mut(&session)
    }

    pub(crate) fn find(&self, resource: &str) -> Option<SessionId> {
        self.by_resource.get(resource).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// How many publishers, viewers and relays there are.
    pub(crate) fn population(&self) -> (u64, u64, u64) {
        (self.publishers, self.viewers, self.relays)
    }

    fn count(&mut self, role: Role) -> &mut u64 {
        match role {
            Role::Publisher => &mut self.publishers,
            Role::Viewer => &mut self.viewers,
            Role::Relay => &mut self.relays,
        }
    }
}
