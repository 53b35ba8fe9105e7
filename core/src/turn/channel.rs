//! The channels of one allocation (RFC 8656 section 12). It knows no message.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use super::peers::Way;
use crate::limits;

/// Channels, and which of them a peer has: each peer at most one.
#[derive(Debug, Default)]
pub(super) struct Channels {
    by_number: BTreeMap<u16, Channel>,
    by_peer: BTreeMap<SocketAddr, u16>,
}

#[derive(Debug)]
struct Channel {
    peer: SocketAddr,
    way: Way,
    until: Instant,
}

/// Why a channel cannot be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conflict {
    /// The number is another peer's, or the peer has another number.
    Taken,
    /// There are too many.
    Full,
}

impl Channels {
    /// Whether this number could be bound to this peer.
    pub(super) fn check(&self, number: u16, peer: SocketAddr) -> Result<(), Conflict> {
        let holder = self.by_number.get(&number).map(|channel| channel.peer);
        let held = self.by_peer.get(&peer).copied();
        match (holder, held) {
            (None, None) if self.by_number.len() >= limits::TURN_PEERS => Err(Conflict::Full),
            (None, None) => Ok(()),
            (Some(holder), Some(held)) if holder == peer && held == number => Ok(()),
            _ => Err(Conflict::Taken),
        }
    }

    /// Binds or refreshes one that was checked; says when something about it changes next.
    pub(super) fn bind(
        &mut self,
        number: u16,
        peer: SocketAddr,
        way: Way,
        now: Instant,
    ) -> Instant {
        let until = now + limits::TURN_CHANNEL;
        self.by_number.insert(number, Channel { peer, way, until });
        self.by_peer.insert(peer, number);
        until + limits::TURN_CHANNEL_RESERVED
    }

    /// The peer that a channel is bound to now.
    pub(super) fn peer(&self, number: u16, now: Instant) -> Option<(SocketAddr, Way)> {
        let channel = self.by_number.get(&number).filter(|channel| now < channel.until)?;
        Some((channel.peer, channel.way))
    }

    /// The channel that is bound to a peer now.
    pub(super) fn of_peer(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        let number = *self.by_peer.get(&peer)?;
        self.by_number.get(&number).is_some_and(|channel| now < channel.until).then_some(number)
    }

    /// Forgets those that nobody may claim any more; says when there are more of them.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Instant> {
        let end = |channel: &Channel| channel.until + limits::TURN_CHANNEL_RESERVED;
        self.by_number.retain(|_, channel| now < end(channel));
        self.by_peer.retain(|_, number| self.by_number.contains_key(number));
        self.by_number.values().map(end).min()
    }
}
