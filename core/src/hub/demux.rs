//! Whose datagram is this? Known address first, then the ufrag of an ICE check; never a search.

use std::collections::HashMap;
use std::net::SocketAddr;

/// The key of a session in its hub.
pub(crate) type SessionKey = usize;

/// The three indexes of a hub. All keys of `by_peer` can be chosen by strangers, so the maps keep
/// the standard library's keyed hash; nothing iterates over them.
#[derive(Debug, Default)]
pub(crate) struct Demux {
    /// Sockets of their own, one per relay link: written by `bind`.
    by_local: HashMap<SocketAddr, SessionKey>,
    /// Where sessions on the shared sockets are: written by `learn`, from authenticated checks
    /// alone, so that a stranger cannot take a session's place.
    by_peer: HashMap<SocketAddr, SessionKey>,
    /// The ufrags that we handed out: written by `admit`.
    by_ufrag: HashMap<String, SessionKey>,
}

impl Demux {
    /// The owner of a datagram by the socket it came in on, or by its peer's known address.
    pub(crate) fn by_address(&self, local: SocketAddr, peer: SocketAddr) -> Option<SessionKey> {
        self.by_socket(local).or_else(|| self.by_peer.get(&peer).copied())
    }

    /// The session that has this socket for itself.
    pub(crate) fn by_socket(&self, local: SocketAddr) -> Option<SessionKey> {
        // Most nodes have no relay links; their viewers' packets skip this look-up.
        if self.by_local.is_empty() {
            return None;
        }
        self.by_local.get(&local).copied()
    }

    /// The session that handed out this ufrag.
    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<SessionKey> {
        self.by_ufrag.get(ufrag).copied()
    }

    /// A session lives and answers to this ufrag.
    pub(crate) fn admit(&mut self, ufrag: &str, session: SessionKey) {
        self.by_ufrag.insert(ufrag.to_owned(), session);
    }

    /// A session answers to this ufrag no more.
    pub(crate) fn forget_ufrag(&mut self, ufrag: &str) {
        self.by_ufrag.remove(ufrag);
    }

    /// A session has this socket for itself.
    pub(crate) fn bind(&mut self, local: SocketAddr, session: SessionKey) {
        self.by_local.insert(local, session);
    }

    /// An authenticated check showed that a session is reached at `peer`, whoever was before.
    pub(crate) fn learn(&mut self, peer: SocketAddr, session: SessionKey) {
        self.by_peer.insert(peer, session);
    }

    /// A session is not reached at `peer` any more.
    pub(crate) fn unlearn(&mut self, peer: SocketAddr, session: SessionKey) {
        if self.by_peer.get(&peer) == Some(&session) {
            self.by_peer.remove(&peer);
        }
    }

    /// A session is gone, with all that led to it.
    pub(crate) fn remove(
        &mut self,
        session: SessionKey,
        ufrag: &str,
        peers: &[SocketAddr],
        locals: impl Iterator<Item = SocketAddr>,
    ) {
        self.by_ufrag.remove(ufrag);
        for peer in peers {
            self.unlearn(*peer, session);
        }
        for local in locals {
            if self.by_local.get(&local) == Some(&session) {
                self.by_local.remove(&local);
            }
        }
    }
}
