//! Clients on byte streams: their frames, what waits for them, and how long they may say nothing.
//! What their messages mean it leaves to others.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::allocation::Allocation;
use super::backlog::Backlog;
use super::client::{Asker, Client};
use super::fast::is_channel_data;
use super::framing::Framing;
use super::{Desk, Due, News, Turn};
use crate::limits;
use crate::machine::{Output, StreamId};
use crate::report::Report;
use crate::timers::Timers;

/// All byte streams of the server.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// Looked up only. The world gives the names.
    by_id: HashMap<StreamId, Stream>,
}

/// A byte stream.
#[derive(Debug)]
pub(super) struct Stream {
    local: SocketAddr,
    peer: SocketAddr,
    framing: Framing,
    backlog: Backlog,
    /// Whether somebody has shown credentials.
    is_known: bool,
    pub(super) role: Role,
}

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Messages and media of a client.
    Client,
    /// A connection to a peer, or the client's end of it (RFC 6062).
    Connection(u32),
}

impl Streams {
    pub(super) fn insert(&mut self, id: StreamId, addresses: (SocketAddr, SocketAddr), role: Role) {
        let (local, peer) = addresses;
        let (framing, backlog) = (Framing::default(), Backlog::default());
        let stream = Stream { local, peer, framing, backlog, is_known: false, role };
        self.by_id.insert(id, stream);
    }

    pub(super) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: StreamId) -> Option<Stream> {
        self.by_id.remove(&id)
    }

    pub(super) fn role(&self, id: StreamId) -> Option<Role> {
        self.by_id.get(&id).map(|stream| stream.role)
    }

    /// Media for a client, and how long it is worth anything.
    pub(super) fn media(
        &mut self,
        id: StreamId,
        parts: &[&[u8]],
        age: Option<Duration>,
        timers: &mut Timers<Due>,
        desk: &mut Desk<'_>,
    ) {
        let Some(stream) = self.by_id.get_mut(&id) else { return };
        stream.backlog.media(id, parts, age, desk.now, desk.out);
        stream.flush_later(id, timers, desk.now);
    }

    /// Tells our own media how much waits for a client that it reaches, if that is news.
    pub(super) fn tell_waiting(&mut self, allocation: &Allocation, desk: &mut Desk<'_>) {
        let stream = allocation.asker.stream().filter(|_| allocation.is_inward);
        let Some(stream) = stream.and_then(|id| self.by_id.get_mut(&id)) else { return };
        let Some(bytes) = stream.backlog.tell_waiting() else { return };
        let relayed = allocation.relayed.iter().map(|relayed| relayed.announced);
        desk.inward.news.extend(relayed.map(|relayed| News::Waiting { relayed, bytes }));
    }
}

impl Stream {
    /// The stream turns into a connection: what was to be said of it is said.
    pub(super) fn join(&mut self, id: StreamId, connection: u32, desk: &mut Desk<'_>) {
        self.backlog.write_answers(id, desk.out);
        self.role = Role::Connection(connection);
    }

    /// What a burst left over is written soon; what the kernel left over, when it has room.
    fn flush_later(&self, id: StreamId, timers: &mut Timers<Due>, now: Instant) {
        if !self.backlog.is_empty() && !self.backlog.is_blocked() {
            timers.hasten(Due::Flush(id), now + limits::TURN_BURST_PAUSE);
        }
    }

    /// How long it may say nothing of use.
    fn patience(&self) -> Duration {
        if self.is_known { limits::TURN_STREAM_UNUSED } else { limits::TURN_STREAM_SILENT }
    }
}

impl Turn {
    /// A client has connected.
    pub(super) fn accepted(
        &mut self,
        id: StreamId,
        local: SocketAddr,
        peer: SocketAddr,
        now: Instant,
    ) {
        self.streams.insert(id, (local, peer), Role::Client);
        self.timers.set(Due::Silence(id), now + limits::TURN_STREAM_SILENT);
    }

    pub(super) fn bytes(&mut self, id: StreamId, bytes: &[u8], desk: &mut Desk<'_>) {
        match self.streams.role(id) {
            Some(Role::Client) => self.client_bytes(id, bytes, desk),
            Some(Role::Connection(connection)) => self.splice(connection, id, bytes, desk),
            None => {}
        }
    }

    fn client_bytes(&mut self, id: StreamId, mut bytes: &[u8], desk: &mut Desk<'_>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let (local, peer) = (stream.local, stream.peer);
        let asker = Asker { client: Client::Stream(id), local, peer };
        let mut framing = std::mem::take(&mut stream.framing);
        let mut index = self.table.of_client(asker.client);
        loop {
            match framing.next(&mut bytes) {
                Ok(Some(frame)) if is_channel_data(frame) => self.channel_data(index, frame, desk),
                Ok(Some(frame)) => {
                    if !self.message(&asker, frame, desk) {
                        return self.end_stream(id, desk);
                    }
                    index = self.table.of_client(asker.client);
                }
                Ok(None) => break,
                Err(_) => return self.end_stream(id, desk),
            }
            match self.streams.role(id) {
                Some(Role::Client) => {}
                Some(Role::Connection(connection)) => {
                    return self.splice(connection, id, bytes, desk);
                }
                None => return,
            }
        }
        if let Some(stream) = self.streams.get_mut(id) {
            stream.framing = framing;
        }
    }

    pub(super) fn answer_stream(&mut self, id: StreamId, bytes: &[u8], desk: &mut Desk<'_>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        match stream.backlog.answer(id, bytes, desk.now, desk.out) {
            Ok(()) => stream.flush_later(id, &mut self.timers, desk.now),
            Err(_) => self.end_stream(id, desk),
        }
    }

    /// The kernel took some of what was written.
    pub(super) fn unsent(&mut self, id: StreamId, bytes: usize, desk: &mut Desk<'_>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        match stream.role {
            Role::Client => {
                stream.backlog.set_unsent(bytes);
                self.flush(id, desk);
            }
            Role::Connection(connection) => self.throttle_other(connection, id, bytes, desk),
        }
    }

    pub(super) fn flush(&mut self, id: StreamId, desk: &mut Desk<'_>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.backlog.flush(id, desk.now, desk.out);
        stream.flush_later(id, &mut self.timers, desk.now);
        let packets = stream.backlog.take_dropped();
        let index = self.table.of_client(Client::Stream(id));
        let Some(allocation) = index.and_then(|index| self.table.get(index)) else { return };
        if packets > 0 {
            let allocation = allocation.serial;
            desk.out.report(Report::TurnDropped { allocation, packets });
        }
        self.streams.tell_waiting(allocation, desk);
    }

    /// A stream is gone.
    pub(super) fn ended(&mut self, id: StreamId, desk: &mut Desk<'_>) {
        let Some(stream) = self.streams.remove(id) else { return };
        self.timers.clear(Due::Silence(id));
        self.timers.clear(Due::Flush(id));
        match stream.role {
            Role::Client => {
                if let Some(index) = self.table.of_client(Client::Stream(id)) {
                    self.free(index, "the client's stream ended", desk);
                }
            }
            Role::Connection(connection) => self.end_connection(connection, desk),
        }
    }

    /// We have enough of a stream.
    pub(super) fn end_stream(&mut self, id: StreamId, desk: &mut Desk<'_>) {
        desk.out.push(Output::End { stream: id });
        self.ended(id, desk);
    }

    /// Somebody on this stream has shown credentials.
    pub(super) fn note_authenticated(&mut self, asker: &Asker, now: Instant) {
        let Some(id) = asker.stream() else { return };
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.is_known = true;
        if self.table.of_client(asker.client).is_none() {
            self.timers.set(Due::Silence(id), now + stream.patience());
        }
    }

    /// Who has an allocation may be silent as long as it lives.
    pub(super) fn note_allocated(&mut self, asker: &Asker) {
        if let Some(id) = asker.stream() {
            self.timers.clear(Due::Silence(id));
        }
    }

    pub(super) fn note_freed(&mut self, asker: &Asker, now: Instant) {
        let Some(id) = asker.stream() else { return };
        if let Some(stream) = self.streams.get_mut(id) {
            self.timers.set(Due::Silence(id), now + stream.patience());
        }
    }
}
