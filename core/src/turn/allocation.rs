//! An allocation (RFC 8656 section 3.2): a client, its relayed addresses, and whom it lets through.
//! It knows neither sockets nor other allocations.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::channel::Channels;
use super::client::Asker;
use super::keys::Key;
use super::message::{Family, Transaction};
use super::meter::Meter;
use super::permission::Permissions;
use crate::limits;
use crate::machine::BindId;

/// Whoever may use the server, as a request has shown.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) username: Vec<u8>,
    pub(super) key: Key,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.username))
    }
}

/// What a relayed address carries: REQUESTED-TRANSPORT (RFC 8656 section 18.7, RFC 6062 section
/// 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// An allocation, or one in the making.
#[derive(Debug)]
pub(super) struct Allocation {
    /// Never used again; for reports.
    pub(super) serial: u64,
    pub(super) asker: Asker,
    pub(super) user: User,
    pub(super) transport: Transport,
    /// Of the request that made it: who repeats that hears the same again.
    pub(super) transaction: Transaction,
    pub(super) born: Instant,
    /// Its sockets are still being bound.
    pub(super) attempt: Option<Attempt>,
    /// One for each family at most.
    pub(super) relayed: Vec<Relayed>,
    /// The family that was wanted as well and could not be had, and the error's code.
    pub(super) missing: Option<(Family, u16)>,
    /// The token of the port after its own.
    pub(super) token: Option<u64>,
    pub(super) permissions: Permissions,
    pub(super) channels: Channels,
    /// Whether its client has sent anything to this node's own media.
    pub(super) is_inward: bool,
    /// From peers to the client.
    pub(super) inbound: Meter,
    /// From the client to peers.
    pub(super) outbound: Meter,
    /// Packets that were more than the meters let through, since the last report.
    pub(super) dropped: u64,
}

/// A relayed transport address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relayed {
    pub(super) family: Family,
    /// Where it is bound; the announced address if it has no socket.
    pub(super) local: SocketAddr,
    /// What client and peers call it.
    pub(super) announced: SocketAddr,
    pub(super) has_socket: bool,
    pub(super) until: Instant,
}

/// What an Allocate request waits for.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) lifetime: Duration,
    /// Whether the ports must be even, and if so, whether the next one is reserved.
    pub(super) even: Option<bool>,
    pub(super) wanted: BTreeMap<BindId, Wanted>,
}

/// A socket that is being bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) family: Family,
    pub(super) port: u16,
    pub(super) tries: u32,
}

/// How a datagram from a peer reaches the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heading {
    Channel(u16),
    Data,
}

impl Allocation {
    pub(super) fn relayed(&self, family: Family) -> Option<&Relayed> {
        self.relayed.iter().find(|relayed| relayed.family == family)
    }

    /// Whether it may go on though its credentials have expired.
    pub(super) fn is_young(&self, now: Instant) -> bool {
        now < self.born + limits::TURN_OLDEST
    }

    /// How what `peer` sends reaches the client, if it may (RFC 8656 section 11.3).
    pub(super) fn heading(&self, peer: SocketAddr, now: Instant) -> Option<Heading> {
        if !self.permissions.allow(peer.ip(), now) {
            return None;
        }
        let channel = self.channels.of_peer(peer, now);
        Some(channel.map_or(Heading::Data, Heading::Channel))
    }

    /// Forgets what is over, but for relayed addresses; says when to look again.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Instant> {
        let relayed = self.relayed.iter().map(|relayed| relayed.until).min();
        let ends = [relayed, self.permissions.expire(now), self.channels.expire(now)];
        ends.into_iter().flatten().min()
    }
}
