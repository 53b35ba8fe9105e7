//! Who is in the in-memory world beside nodes: a peer whose story a test tells, or a browser that
//! tells its own.

use std::net::SocketAddr;
use std::time::Instant;

use crate::browser::Browser;
use crate::peer::Peer;

/// Somebody.
pub(crate) enum Guest {
    Peer(Box<Peer>),
    Browser(Box<Browser>),
}

impl Guest {
    pub(crate) fn socket(&self) -> SocketAddr {
        match self {
            Guest::Peer(peer) => peer.address(),
            Guest::Browser(browser) => browser.socket(),
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        match self {
            Guest::Peer(peer) => peer.deadline(),
            Guest::Browser(browser) => browser.deadline(),
        }
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        match self {
            Guest::Peer(peer) => peer.advance(now),
            Guest::Browser(browser) => browser.advance(now),
        }
    }

    pub(crate) fn receive(&mut self, now: Instant, from: SocketAddr, payload: &[u8]) {
        match self {
            Guest::Peer(peer) => peer.receive(now, from, payload),
            Guest::Browser(browser) => browser.receive(now, from, payload),
        }
    }

    pub(crate) fn next_outgoing(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        match self {
            Guest::Peer(peer) => peer.next_outgoing(),
            Guest::Browser(browser) => browser.next_outgoing(),
        }
    }

    pub(crate) fn next_framed(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        match self {
            Guest::Peer(peer) => peer.next_framed(),
            Guest::Browser(_) => None,
        }
    }
}
