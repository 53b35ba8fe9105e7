//! The WebSockets of the node: what each still has to take, which sessions it holds and which
//! streams it waits for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::hub::words::SessionId;
use crate::limits;
use crate::machine::{ConnectionId, Output};
use crate::media::track::StreamName;
use crate::outbox::Outbox;

/// All open WebSockets.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: BTreeMap<ConnectionId, Connection>,
    /// Who wants to hear when a stream is published.
    waiting: BTreeMap<StreamName, BTreeSet<ConnectionId>>,
}

#[derive(Debug, Default)]
struct Connection {
    unsent: usize,
    /// The host that its client asked.
    host: String,
    /// Told to go; it hears no more.
    closing: bool,
    sessions: BTreeSet<SessionId>,
    waits_for: BTreeSet<StreamName>,
}

impl Connections {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn open(&mut self, connection: ConnectionId, host: String) {
        self.open.insert(connection, Connection { host, ..Connection::default() });
    }

    /// The host that its client asked; empty if it named none.
    pub(crate) fn host(&self, connection: ConnectionId) -> String {
        self.open.get(&connection).map(|open| open.host.clone()).unwrap_or_default()
    }

    /// A connection is gone; these were its sessions.
    pub(crate) fn left(&mut self, connection: ConnectionId) -> BTreeSet<SessionId> {
        let Some(gone) = self.open.remove(&connection) else { return BTreeSet::new() };
        for stream in &gone.waits_for {
            self.unlist(stream, connection);
        }
        gone.sessions
    }

    /// The kernel took some of what was written.
    pub(crate) fn writable(&mut self, connection: ConnectionId, unsent: usize) {
        if let Some(open) = self.open.get_mut(&connection) {
            open.unsent = unsent;
        }
    }

    /// Writes a message. A connection that does not drain is closed: its client is better served
    /// by a fresh one than by old news.
    pub(crate) fn tell(&mut self, connection: ConnectionId, message: &Value, out: &mut Outbox) {
        let open = self.open.get_mut(&connection).filter(|open| !open.closing);
        let Some(open) = open else { return };
        let text = message.to_string();
        open.unsent += text.len();
        if open.unsent > limits::WEBSOCKET_UNSENT {
            open.closing = true;
            let reason = "too slow: messages pile up";
            return out.push(Output::Close { connection, reason });
        }
        out.push(Output::Write { connection, text });
    }

    /// A connection holds a session; `false` if it holds too many already.
    pub(crate) fn hold(&mut self, connection: ConnectionId, session: SessionId) -> bool {
        let Some(open) = self.open.get_mut(&connection) else { return false };
        let room = open.sessions.len() < limits::PER_CONNECTION;
        if room {
            open.sessions.insert(session);
        }
        room
    }

    /// A connection holds a session no more.
    pub(crate) fn release(&mut self, connection: ConnectionId, session: SessionId) {
        if let Some(open) = self.open.get_mut(&connection) {
            open.sessions.remove(&session);
        }
    }

    /// A connection waits for a stream; `false` if it waits for too many already.
    pub(crate) fn wait(&mut self, connection: ConnectionId, stream: &StreamName) -> bool {
        let Some(open) = self.open.get_mut(&connection) else { return false };
        let room = open.waits_for.len() < limits::PER_CONNECTION;
        if room {
            open.waits_for.insert(stream.clone());
            self.waiting.entry(stream.clone()).or_default().insert(connection);
        }
        room
    }

    /// A connection waits for a stream no more.
    pub(crate) fn forget(&mut self, connection: ConnectionId, stream: &StreamName) {
        if let Some(open) = self.open.get_mut(&connection) {
            open.waits_for.remove(stream);
        }
        self.unlist(stream, connection);
    }

    /// Everybody who waited for a stream; they wait no more.
    pub(crate) fn awaken(&mut self, stream: &StreamName) -> BTreeSet<ConnectionId> {
        let waiting = self.waiting.remove(stream).unwrap_or_default();
        for connection in &waiting {
            if let Some(open) = self.open.get_mut(connection) {
                open.waits_for.remove(stream);
            }
        }
        waiting
    }

    /// Closes all of them.
    pub(crate) fn close_all(&mut self, reason: &'static str, out: &mut Outbox) {
        for connection in self.open.keys().copied() {
            out.push(Output::Close { connection, reason });
        }
    }

    fn unlist(&mut self, stream: &StreamName, connection: ConnectionId) {
        if let Some(waiting) = self.waiting.get_mut(stream) {
            waiting.remove(&connection);
            if waiting.is_empty() {
                self.waiting.remove(stream);
            }
        }
    }
}
