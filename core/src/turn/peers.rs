//! Who may be reached through a relayed address, and how: by a socket, or inside the process if it
//! is this node's own media. It knows no client.

use std::net::{IpAddr, SocketAddr};

use super::reach::Reach;
use crate::config::OwnMedia;

/// How datagrams get to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the relayed address's socket.
    Outward,
    /// To this address of our own media; no socket sees them.
    Inward(SocketAddr),
}

/// Everybody whom clients may reach.
pub(super) struct Peers {
    reach: Reach,
    own: Vec<OwnMedia>,
    /// Whether relayed addresses have sockets.
    sockets: bool,
}

impl Peers {
    pub(super) fn new(reach: Reach, own: Vec<OwnMedia>, sockets: bool) -> Self {
        Peers { reach, own, sockets }
    }

    /// Whether a permission for this IP makes sense. It does not say which ports are reached.
    pub(super) fn permits(&self, ip: IpAddr) -> bool {
        self.own.iter().any(|own| own.announced.ip() == ip) || self.is_outside(ip)
    }

    /// The way to a peer, if it may be reached at all.
    pub(super) fn way(&self, peer: SocketAddr) -> Option<Way> {
        let own = self.own.iter().find(|own| own.announced == peer);
        match own {
            Some(own) => Some(Way::Inward(own.local)),
            None => (self.is_outside(peer.ip()) && peer.port() != 0).then_some(Way::Outward),
        }
    }

    /// What clients may call our own media that sends from `local`.
    pub(super) fn names(&self, local: SocketAddr) -> impl Iterator<Item = SocketAddr> {
        let own = self.own.iter().filter(move |own| own.local == local);
        own.map(|own| own.announced)
    }

    fn is_outside(&self, ip: IpAddr) -> bool {
        self.sockets && self.reach.permits(ip)
    }
}

/// Whether our own media is meant: ICE checks and their answers, DTLS, SRTP and SRTCP (RFC 7983
/// section 7). Nobody talks to the TURN server through the TURN server.
pub(super) fn is_media(payload: &[u8]) -> bool {
    match payload {
        [20..=63 | 128..=191, ..] => true,
        // Binding: a request, an indication, an answer, an error (RFC 8489 section 5).
        [0, 0x01 | 0x11, ..] | [1, 0x01 | 0x11, ..] => true,
        _ => false,
    }
}
