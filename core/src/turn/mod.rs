//! A TURN server (RFC 8656) as a machine: clients behind firewalls ask it for relayed addresses. It
//! knows no session and no stream.

pub mod guard;
#[allow(dead_code, reason = "for the server's machine")]
pub(crate) mod keys;
#[allow(dead_code, reason = "for the server's machine")]
pub(crate) mod nonce;
#[allow(dead_code, reason = "for the server's machine")]
pub(crate) mod reach;
#[cfg(test)]
mod rfc5769;
pub mod seal;
pub mod standalone;
#[allow(dead_code, reason = "for the server's machine")]
pub(crate) mod throttle;

use std::net::SocketAddr;
use std::time::Instant;

use crate::config::{Birth, OwnMedia, Turn as Config};
use crate::machine::{Datagram, Input};
use crate::outbox::{Outbox, Runs};
use crate::seed::Seed;

/// The TURN server of one node.
pub(crate) struct Turn {}

/// What the server leaves its errands in, lent from above.
pub(crate) struct Desk<'a> {
    pub(crate) now: Instant,
    /// Takes the datagrams that clients send to this node's own media.
    pub(crate) inward: &'a mut Runs,
    pub(crate) out: &'a mut Outbox,
}

impl Turn {
    /// A server without allocations. Datagrams for `own` addresses stay inside the process.
    pub(crate) fn new(_config: Config, _own: Vec<OwnMedia>, _birth: Birth, _seed: Seed) -> Self {
        Turn {}
    }

    /// When the server wants to hear of the time next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Whether this is the address of a relayed address's socket.
    pub(crate) fn is_relayed(&self, _local: SocketAddr) -> bool {
        false
    }

    /// Datagrams of clients.
    pub(crate) fn from_clients(&mut self, _datagrams: &[Datagram<'_>], _desk: &mut Desk<'_>) {}

    /// Datagrams of peers, on relayed addresses' sockets.
    pub(crate) fn from_peers(&mut self, _datagrams: &[Datagram<'_>], _desk: &mut Desk<'_>) {}

    /// Datagrams of this node's own media for relayed addresses.
    pub(crate) fn from_media(&mut self, _datagrams: &Runs, _desk: &mut Desk<'_>) {}

    /// Any other fact that concerns the server.
    pub(crate) fn hear(&mut self, _input: &Input<'_>, _desk: &mut Desk<'_>) {}

    /// Whoever has credentials that were made for `name` may not go on.
    pub(crate) fn revoke(&mut self, _name: &str, _desk: &mut Desk<'_>) {}

    /// Takes no new allocations, and frees all there are.
    pub(crate) fn stop(&mut self, _desk: &mut Desk<'_>) {}
}
