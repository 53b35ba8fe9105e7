//! A TURN server (RFC 8656) as a machine: clients behind firewalls ask it for relayed addresses. It
//! knows no session and no stream of media.

mod address;
mod allocate;
mod allocation;
mod backlog;
mod channel;
mod client;
mod fast;
mod framing;
pub mod guard;
mod icmp;
pub(crate) mod keys;
mod lifetime;
mod message;
mod meter;
pub(crate) mod nonce;
mod opaque;
mod peers;
mod permission;
mod permit;
mod ports;
pub(crate) mod reach;
mod refusal;
mod requests;
mod revoked;
#[cfg(test)]
mod rfc5769;
pub mod seal;
mod standalone;
mod streams;
mod table;
mod tcp;
pub(crate) mod throttle;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

pub use standalone::Standalone;

use crate::config::{Birth, OwnMedia, RelayIp, Turn as Config};
use crate::limits;
use crate::machine::{BindId, Door, Input, StreamId};
use crate::outbox::{Outbox, Runs};
use crate::seed::Seed;
use crate::timers::Timers;
use keys::Keys;
use lifetime::Reservation;
use nonce::Nonces;
use peers::{Machine, Peers};
use ports::Ports;
use reach::Reach;
use revoked::Revoked;
use streams::Streams;
use table::Table;
use tcp::Connections;
use throttle::Throttle;

/// The TURN server of one node.
pub(crate) struct Turn {
    realm: String,
    per_user: usize,
    bitrate: Option<u64>,
    /// Whose credentials do not count.
    revoked: Revoked,
    /// Where new clients are sent instead.
    alternates: Vec<SocketAddr>,
    /// No new allocations: the process ends.
    stopped: bool,
    birth: Birth,
    seed: Seed,
    keys: Keys,
    nonces: Nonces,
    throttle: Throttle,
    peers: Peers,
    /// One for each family at most.
    relays: Vec<Ports>,
    /// Whether relayed addresses have sockets.
    sockets: bool,
    table: Table,
    /// Who waits for which socket: the allocation's place and serial.
    binds: BTreeMap<BindId, (usize, u64)>,
    reservations: BTreeMap<u64, Reservation>,
    streams: Streams,
    connections: Connections,
    timers: Timers<Due>,
    /// The last name given to an errand or an allocation.
    names: u64,
}

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// Something of an allocation is over.
    Allocation(usize),
    /// Nobody came for a reserved port.
    Reservation(u64),
    /// A stream has said nothing of use.
    Silence(StreamId),
    /// A stream took a whole burst, and there is more.
    Flush(StreamId),
    /// Nobody came for a connection to a peer.
    Connection(u32),
    /// A stream of a connection may have brought as much as its allocation lets through by now.
    Read(StreamId),
}

/// What the server leaves its errands in, lent from above.
pub(crate) struct Desk<'a> {
    pub(crate) now: Instant,
    pub(crate) inward: &'a mut Inward,
    pub(crate) out: &'a mut Outbox,
}

/// What is for this node's own media, and leaves the process by no socket.
#[derive(Debug, Default)]
pub(crate) struct Inward {
    /// Datagrams that clients send there.
    pub(crate) datagrams: Runs,
    /// What becomes of the relayed addresses that such datagrams come from.
    pub(crate) news: Vec<News>,
}

/// What becomes of a relayed address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// So many bytes wait for its client, whose line takes no more; 0: none any more.
    Waiting { relayed: SocketAddr, bytes: usize },
    /// It is nobody's any more.
    Ended { relayed: SocketAddr },
}

impl Inward {
    pub(crate) fn is_empty(&self) -> bool {
        self.datagrams.is_empty() && self.news.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.datagrams.clear();
        self.news.clear();
    }
}

impl Turn {
    /// A server without allocations. Datagrams for `own` addresses stay inside the process.
    pub(crate) fn new(config: Config, own: Vec<OwnMedia>, birth: Birth, mut seed: Seed) -> Self {
        let sockets = config.ports.is_some();
        let range = config.ports.unwrap_or(limits::TURN_VIRTUAL_PORTS);
        let first_of = |is_v4: bool| {
            let is_of = |ip: &&RelayIp| ip.announced.is_ipv4() == is_v4;
            config.relays.iter().find(is_of).map(|ip| Ports::new(*ip, range))
        };
        Turn {
            relays: [true, false].into_iter().filter_map(first_of).collect(),
            realm: config.realm,
            per_user: config.per_user,
            bitrate: config.bitrate,
            revoked: Revoked::default(),
            alternates: config.alternates,
            stopped: false,
            birth,
            keys: Keys::new(config.users, config.secrets),
            nonces: Nonces::new(seed.bytes()),
            throttle: Throttle::new(seed.bytes()),
            peers: Peers::new(
                Reach::new(config.allow, config.deny),
                own,
                Machine { ips: config.machine, relayed: range },
                sockets,
            ),
            seed,
            sockets,
            table: Table::default(),
            binds: BTreeMap::new(),
            reservations: BTreeMap::new(),
            streams: Streams::default(),
            connections: Connections::default(),
            timers: Timers::new(),
            names: 0,
        }
    }

    /// When the server wants to hear of the time next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Any other fact that concerns the server.
    pub(crate) fn hear(&mut self, input: &Input<'_>, desk: &mut Desk<'_>) {
        match input {
            Input::Bound { bind, result } => self.bound(*bind, result, false, desk),
            Input::Listening { bind, result } => self.bound(*bind, result, true, desk),
            Input::Unreachable { local, peer, icmp } => {
                self.unreachable(*local, *peer, *icmp, desk);
            }
            Input::Accepted { stream, door, local, peer } => match door {
                Door::Turn { .. } => self.accepted(*stream, *local, *peer, desk.now),
                Door::Listener => self.incoming(*stream, (*local, *peer), desk),
                Door::Ice => {}
            },
            Input::Connected { connect, result } => self.connected(*connect, result, desk),
            Input::Bytes { stream, bytes } => self.bytes(*stream, bytes, desk),
            Input::Unsent { stream, bytes } => self.unsent(*stream, *bytes, desk),
            Input::Ended { stream } => self.ended(*stream, desk),
            Input::Alternates(servers) => self.alternates.clone_from(servers),
            Input::Stopping => self.stop(desk),
            Input::Timeout => self.timeout(desk),
            _ => {}
        }
    }

    fn timeout(&mut self, desk: &mut Desk<'_>) {
        while let Some(due) = self.timers.due(desk.now) {
            match due {
                Due::Allocation(index) => self.expire(index, "it was not refreshed", desk),
                Due::Reservation(token) => self.release(token),
                Due::Silence(stream) => self.end_stream(stream, desk),
                Due::Flush(stream) => self.flush(stream, desk),
                Due::Connection(id) => self.end_connection(id, desk),
                Due::Read(stream) => self.bytes(stream, &[], desk),
            }
        }
    }

    /// Whoever has credentials that were made for `name` may not go on.
    pub(crate) fn revoke(&mut self, name: &str, desk: &mut Desk<'_>) {
        self.revoked.add(desk.now, name.as_bytes());
        for index in self.table.of_name(name.as_bytes()) {
            self.free(index, "its credentials were revoked", desk);
        }
    }

    /// Takes no new allocations, and frees all there are.
    pub(crate) fn stop(&mut self, desk: &mut Desk<'_>) {
        self.stopped = true;
        for index in self.table.all() {
            self.free(index, "the server stops", desk);
        }
    }

    /// A name that was never given before.
    fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }
}
