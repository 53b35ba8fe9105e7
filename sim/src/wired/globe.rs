//! A net under sockets of a real or simulated machine: which of its addresses belong to which node.
//! It opens none of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Home;
use crate::net::Net;

/// The world that nodes share, each on its own thread.
#[derive(Debug)]
pub struct Globe {
    net: Mutex<Net>,
    entries: Mutex<BTreeMap<(Kind, SocketAddr), IpAddr>>,
}

/// What an address is used for; UDP and TCP ports have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Udp,
    Listener,
    /// A connection that a node of ours has made: it takes the distance upon itself.
    Dialled,
}

impl Globe {
    /// A world over this net, in which every node has a place by its IP.
    pub fn new(net: Net) -> Arc<Globe> {
        Arc::new(Globe { net: Mutex::new(net), entries: Mutex::default() })
    }

    /// The net; hold it briefly.
    pub fn net(&self) -> MutexGuard<'_, Net> {
        self.net.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters what a node uses, for as long as the entry lives.
    pub(super) fn enter(self: &Arc<Self>, kind: Kind, all: Vec<SocketAddr>, node: IpAddr) -> Entry {
        self.entries().extend(all.iter().map(|at| ((kind, *at), node)));
        Entry { globe: Arc::clone(self), kind, all }
    }

    pub(super) fn is_dialled(&self, from: SocketAddr) -> bool {
        self.entries().contains_key(&(Kind::Dialled, from))
    }

    /// How the net knows an address of ours or of somebody else.
    pub(super) fn known_as(&self, kind: Kind, at: SocketAddr) -> SocketAddr {
        let node = self.entries().get(&(kind, at)).copied();
        SocketAddr::new(node.unwrap_or(at.ip()), at.port())
    }

    /// What is to be added to a connection that comes from here: peer to node, node to peer.
    pub(super) fn accepting(&self, home: &Home, from: SocketAddr) -> [Duration; 2] {
        // Ports of UDP sockets may have places of their own.
        let peer = SocketAddr::new(from.ip(), 0);
        self.both_ways(home, peer)
    }

    /// What is to be added to a connection that goes there: node to peer, peer to node.
    pub(super) fn dialling(&self, home: &Home, to: SocketAddr) -> [Duration; 2] {
        let [back, out] = self.both_ways(home, self.known_as(Kind::Listener, to));
        [out, back]
    }

    fn both_ways(&self, home: &Home, peer: SocketAddr) -> [Duration; 2] {
        let here = SocketAddr::new(home.ip, 0);
        let net = self.net();
        [(peer, here), (here, peer)]
            .map(|(from, to)| net.delay(from, to).saturating_sub((home.below.takes)(from, to)))
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<(Kind, SocketAddr), IpAddr>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends when what it stands for does: then the port may become anybody's.
pub(super) struct Entry {
    globe: Arc<Globe>,
    kind: Kind,
    all: Vec<SocketAddr>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut entries = self.globe.entries();
        for at in &self.all {
            entries.remove(&(self.kind, *at));
        }
    }
}
