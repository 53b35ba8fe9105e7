//! The machine that a node runs on in the in-memory world: its address, its sockets, its outbox.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use farcast_core::config::Config;
use farcast_core::node::Node;
use farcast_core::outbox::Outbox;
use farcast_core::report::Report;

/// The first port that a host gives to a socket that may have any (RFC 6335 section 6: dynamic).
const FIRST_PORT: u16 = 49_152;

/// A host. Its node may be dead.
pub(crate) struct Host {
    pub(crate) ip: IpAddr,
    pub(crate) node: Option<Node>,
    pub(crate) outbox: Outbox,
    pub(crate) config: Config,
    pub(crate) reports: Vec<Report>,
    bound: BTreeSet<SocketAddr>,
    next_port: u16,
}

impl Host {
    /// A host on which nothing runs yet.
    pub(crate) fn new(ip: IpAddr, config: Config) -> Self {
        Host {
            ip,
            node: None,
            outbox: Outbox::default(),
            config,
            reports: Vec::new(),
            bound: BTreeSet::new(),
            next_port: FIRST_PORT,
        }
    }

    /// Binds a socket at any port of this IP.
    pub(crate) fn bind(&mut self, ip: IpAddr) -> SocketAddr {
        let at = SocketAddr::new(ip, self.next_port);
        self.next_port += 1;
        self.bound.insert(at);
        at
    }

    /// Closes a socket.
    pub(crate) fn unbind(&mut self, at: SocketAddr) {
        self.bound.remove(&at);
    }

    /// Whether a socket is bound there.
    pub(crate) fn is_bound(&self, at: SocketAddr) -> bool {
        self.bound.contains(&at)
    }

    /// The node is gone, and its sockets with it.
    pub(crate) fn kill(&mut self) {
        self.node = None;
        self.bound.clear();
    }
}
