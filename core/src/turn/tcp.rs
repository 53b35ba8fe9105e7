//! TCP allocations (RFC 6062): connections between peers and relayed addresses, each spliced to a
//! stream of the client. It reads nothing of what passes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::allocation::Transport;
use super::fast::transaction;
use super::message::{Answer, Family, Transaction, method};
use super::opaque::ConnectionId;
use super::peers::Way;
use super::permit::way;
use super::refusal::Refusal;
use super::requests::{Handled, Request};
use super::streams::Role;
use super::{Desk, Due, Turn};
use crate::machine::{ConnectId, Output, StreamId};
use crate::outbox::Outbox;
use crate::{limits, sorting};

/// All connections to peers.
#[derive(Debug, Default)]
pub(super) struct Connections {
    by_id: BTreeMap<u32, Connection>,
    by_connect: BTreeMap<ConnectId, u32>,
    /// Serials of allocations, and their connections.
    by_allocation: BTreeSet<(u64, u32)>,
}

#[derive(Debug)]
struct Connection {
    /// The allocation's place in the table, and its serial.
    index: usize,
    serial: u64,
    peer: SocketAddr,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The world makes it; then this transaction is answered.
    Connecting { connect: ConnectId, transaction: Transaction },
    /// It waits for the client's stream. What the peer has said meanwhile is kept.
    Waiting { peer: StreamId, held: Vec<u8> },
    /// Both streams are one.
    Joined { peer: Half, client: Half },
}

/// One stream of a splice. It is not read as long as there is a reason, for nothing is dropped.
#[derive(Debug, Clone, Copy)]
struct Half {
    stream: StreamId,
    /// The other one does not take what it brings.
    is_blocked: bool,
    /// It has brought more than its allocation lets through.
    is_ahead: bool,
}

impl Half {
    fn new(stream: StreamId) -> Self {
        Half { stream, is_blocked: false, is_ahead: false }
    }

    fn is_read(&self) -> bool {
        !self.is_blocked && !self.is_ahead
    }

    /// Takes these reasons, and tells the world if they make a difference.
    fn turn_into(&mut self, now: Half, out: &mut Outbox) {
        let before = std::mem::replace(self, now);
        if before.is_read() != now.is_read() {
            out.push(Output::Read { stream: self.stream, on: now.is_read() });
        }
    }
}

impl Connections {
    fn of(&self, serial: u64) -> impl Iterator<Item = (u32, &Connection)> {
        let ids = self.by_allocation.range((serial, 0)..=(serial, u32::MAX));
        ids.filter_map(|(_, id)| Some((*id, self.by_id.get(id)?)))
    }

    fn insert(&mut self, id: u32, connection: Connection) {
        self.by_allocation.insert((connection.serial, id));
        if let Stage::Connecting { connect, .. } = connection.stage {
            self.by_connect.insert(connect, id);
        }
        self.by_id.insert(id, connection);
    }

    fn remove(&mut self, id: u32) -> Option<Connection> {
        let connection = self.by_id.remove(&id)?;
        self.by_allocation.remove(&(connection.serial, id));
        if let Stage::Connecting { connect, .. } = connection.stage {
            self.by_connect.remove(&connect);
        }
        Some(connection)
    }
}

impl Turn {
    /// Connect (RFC 6062 section 5.2).
    pub(super) fn connect(&mut self, request: &Request, desk: &mut Desk<'_>) -> Handled {
        let (index, _) = self.allocation_of(request)?;
        let allocation = self.table.get(index).ok_or(Refusal::AllocationMismatch)?;
        if allocation.transport != Transport::Tcp {
            return Err(Refusal::BadRequest("Not a TCP Allocation"));
        }
        let peer = request.words.peer().ok_or(Refusal::BadRequest("Peer Missing"))?;
        let relayed = allocation.relayed(Family::of(peer)).ok_or(Refusal::FamilyMismatch)?;
        let (serial, from) = (allocation.serial, Some(relayed.local));
        if way(&self.peers, allocation, peer) != Some(Way::Outward) {
            return Err(Refusal::Forbidden);
        }
        if self.connections.of(serial).any(|(_, connection)| connection.peer == peer) {
            return Err(Refusal::ConnectionExists);
        }
        if self.connections.of(serial).count() >= limits::TURN_CONNECTIONS {
            return Err(Refusal::InsufficientCapacity);
        }
        let connect = ConnectId(self.name() | sorting::TURN);
        let stage = Stage::Connecting { connect, transaction: request.transaction };
        let id = self.connection_id();
        self.connections.insert(id, Connection { index, serial, peer, stage });
        desk.out.push(Output::Connect { connect, from, to: peer });
        Ok(None)
    }

    /// The world has made a connection, or could not.
    pub(super) fn connected(
        &mut self,
        connect: ConnectId,
        result: &Result<(StreamId, SocketAddr), String>,
        desk: &mut Desk<'_>,
    ) {
        let found = self.connections.by_connect.remove(&connect);
        let connection = found.and_then(|id| Some((id, self.connections.by_id.get_mut(&id)?)));
        let Some((id, connection)) = connection else {
            if let Ok((stream, _)) = *result {
                desk.out.push(Output::End { stream });
            }
            return;
        };
        let Stage::Connecting { transaction, .. } = connection.stage else { return };
        let (index, peer) = (connection.index, connection.peer);
        let answer = match *result {
            Ok((stream, local)) => {
                connection.stage = Stage::Waiting { peer: stream, held: Vec::new() };
                self.await_bind(id, stream, (local, peer), desk);
                let answer = Answer::success(method::CONNECT, transaction);
                answer.with(ConnectionId::new(id))
            }
            Err(_) => {
                self.connections.remove(id);
                Refusal::ConnectionFailed.answer(method::CONNECT, transaction)
            }
        };
        if let Some(allocation) = self.table.get(index) {
            let (asker, key) = (allocation.asker, allocation.user.key);
            self.answer_sealed(&asker, answer, &key, desk);
        }
    }

    /// A peer has connected to a relayed address (RFC 6062 section 5.3).
    pub(super) fn incoming(
        &mut self,
        stream: StreamId,
        (local, peer): (SocketAddr, SocketAddr),
        desk: &mut Desk<'_>,
    ) {
        let index = self.of_local(local);
        let allocation = index.and_then(|index| Some((index, self.table.get(index)?)));
        let allocation = allocation.filter(|(_, allocation)| {
            allocation.permissions.allow(peer.ip(), desk.now)
                && way(&self.peers, allocation, peer) == Some(Way::Outward)
                && self.connections.of(allocation.serial).count() < limits::TURN_CONNECTIONS
        });
        let Some((index, allocation)) = allocation else {
            return desk.out.push(Output::End { stream });
        };
        let (serial, asker) = (allocation.serial, allocation.asker);
        let stage = Stage::Waiting { peer: stream, held: Vec::new() };
        let id = self.connection_id();
        self.connections.insert(id, Connection { index, serial, peer, stage });
        self.await_bind(id, stream, (local, peer), desk);
        let attempt = Answer::indication(method::CONNECTION_ATTEMPT, transaction(&mut self.seed));
        let attempt = attempt.peer(peer).with(ConnectionId::new(id));
        self.answer(&asker, &attempt.bytes(), desk);
    }

    fn await_bind(
        &mut self,
        id: u32,
        stream: StreamId,
        addresses: (SocketAddr, SocketAddr),
        desk: &mut Desk<'_>,
    ) {
        self.streams.insert(stream, addresses, Role::Connection(id));
        self.timers.set(Due::Connection(id), desk.now + limits::TURN_CONNECTION_BIND);
        desk.out.push(Output::Read { stream, on: false });
    }

    /// ConnectionBind (RFC 6062 section 5.4): the stream that it comes on becomes the client's end.
    pub(super) fn connection_bind(&mut self, request: &Request, desk: &mut Desk<'_>) -> Handled {
        let stream = request.asker.stream().ok_or(Refusal::BadRequest("Not on a Stream"))?;
        if self.table.of_client(request.asker.client).is_some() {
            return Err(Refusal::BadRequest("Stream Has an Allocation"));
        }
        let id = request.words.connection().ok_or(Refusal::BadRequest("Connection Missing"))?;
        let unknown = Refusal::BadRequest("No such Connection");
        let connection = self.connections.by_id.get_mut(&id).ok_or(unknown.clone())?;
        let allocation = self.table.get(connection.index).ok_or(unknown.clone())?;
        if allocation.user.username != request.user.username {
            return Err(Refusal::WrongCredentials);
        }
        let Stage::Waiting { peer, held } = &mut connection.stage else { return Err(unknown) };
        let (peer, held) = (*peer, std::mem::take(held));
        connection.stage = Stage::Joined { peer: Half::new(peer), client: Half::new(stream) };
        self.timers.clear(Due::Connection(id));
        self.timers.clear(Due::Silence(stream));
        self.timers.clear(Due::Flush(stream));
        // What the peer has said comes after the answer.
        let answer = Answer::success(method::CONNECTION_BIND, request.transaction);
        self.answer_sealed(&request.asker, answer, &request.user.key, desk);
        let Some(client) = self.streams.get_mut(stream) else {
            // It took none of our answers, and was ended.
            self.end_connection(id, desk);
            return Ok(None);
        };
        client.join(stream, id, desk);
        desk.out.push(Output::Read { stream: peer, on: true });
        self.splice(id, peer, &held, desk);
        Ok(None)
    }

    /// Bytes of one stream go to the other. They count on the allocation; if they are more than it
    /// lets through, no more is read until they are not.
    pub(super) fn splice(&mut self, id: u32, from: StreamId, bytes: &[u8], desk: &mut Desk<'_>) {
        let Some(connection) = self.connections.by_id.get_mut(&id) else { return };
        match &mut connection.stage {
            Stage::Joined { peer, client } => {
                let Some(allocation) = self.table.get_mut(connection.index) else { return };
                let (half, to, meter) = match from == peer.stream {
                    true => (peer, client.stream, &mut allocation.inbound),
                    false => (client, peer.stream, &mut allocation.outbound),
                };
                desk.out.write(to, &[bytes]);
                let again = meter.count(bytes.len(), desk.now);
                half.turn_into(Half { is_ahead: again.is_some(), ..*half }, desk.out);
                if let Some(again) = again {
                    self.timers.set(Due::Read(from), again);
                }
            }
            Stage::Waiting { held, .. } => {
                held.extend_from_slice(bytes);
                if held.len() > limits::TURN_CONNECTION_HELD {
                    self.end_connection(id, desk);
                }
            }
            Stage::Connecting { .. } => {}
        }
    }

    /// Whoever does not take what the other end sends stops it.
    pub(super) fn throttle_other(
        &mut self,
        id: u32,
        slow: StreamId,
        unsent: usize,
        desk: &mut Desk<'_>,
    ) {
        let Some(connection) = self.connections.by_id.get_mut(&id) else { return };
        let Stage::Joined { peer, client } = &mut connection.stage else { return };
        let other = if slow == peer.stream { client } else { peer };
        let most = if other.is_blocked { limits::TURN_UNSENT } else { limits::TURN_SPLICE_UNSENT };
        other.turn_into(Half { is_blocked: unsent > most, ..*other }, desk.out);
    }

    /// Ends a connection and both its streams.
    pub(super) fn end_connection(&mut self, id: u32, desk: &mut Desk<'_>) {
        let Some(connection) = self.connections.remove(id) else { return };
        self.timers.clear(Due::Connection(id));
        let streams = match connection.stage {
            Stage::Connecting { .. } => [None, None],
            Stage::Waiting { peer, .. } => [Some(peer), None],
            Stage::Joined { peer, client } => [Some(peer.stream), Some(client.stream)],
        };
        for stream in streams.into_iter().flatten() {
            self.timers.clear(Due::Read(stream));
            // The one whose end was heard is gone already.
            if self.streams.remove(stream).is_some() {
                desk.out.push(Output::End { stream });
            }
        }
    }

    /// Ends all connections of an allocation.
    pub(super) fn end_connections(&mut self, serial: u64, desk: &mut Desk<'_>) {
        let ids: Vec<u32> = self.connections.of(serial).map(|(id, _)| id).collect();
        for id in ids {
            self.end_connection(id, desk);
        }
    }

    /// A name that nobody can guess.
    fn connection_id(&mut self) -> u32 {
        loop {
            let id = (self.seed.bits() >> 32) as u32;
            if !self.connections.by_id.contains_key(&id) {
                return id;
            }
        }
    }
}
