//! The machine that a node runs on in the in-memory world: its address, its sockets, its outbox.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use farcast_core::config::Config;
use farcast_core::machine::Machine;
use farcast_core::outbox::Outbox;
use farcast_core::report::Report;

use crate::cores::Cores;

/// The first port that a host gives to a socket that may have any (RFC 6335 section 6: dynamic).
const FIRST_PORT: u16 = 49_152;

/// A host. Its node may be dead.
pub(crate) struct Host {
    pub(crate) ip: IpAddr,
    pub(crate) node: Option<Cores>,
    pub(crate) outbox: Outbox,
    pub(crate) config: Config,
    /// What its calendar says at the world's start, since 1970.
    pub(crate) calendar: Duration,
    pub(crate) reports: Vec<(Instant, Report)>,
    /// Whether the machine itself is gone: nobody says that nobody listens.
    pub(crate) gone: bool,
    /// Counts the lives of its nodes.
    pub(crate) life: u64,
    /// How often its node was woken for nothing but the time.
    pub(crate) wakes: u64,
    bound: BTreeSet<SocketAddr>,
    next_port: u16,
}

impl Host {
    /// A host on which nothing runs yet.
    pub(crate) fn new(ip: IpAddr, config: Config, calendar: Duration) -> Self {
        Host {
            ip,
            node: None,
            outbox: Outbox::default(),
            config,
            calendar,
            reports: Vec::new(),
            gone: false,
            life: 0,
            wakes: 0,
            bound: BTreeSet::new(),
            next_port: FIRST_PORT,
        }
    }

    /// When its node wants to hear of the time.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.node.as_ref().and_then(Machine::deadline)
    }

    /// Binds a socket at this address, or at any port of its IP if that is 0.
    pub(crate) fn bind(&mut self, near: SocketAddr) -> Result<SocketAddr, String> {
        let mut at = near;
        if near.port() == 0 {
            at.set_port(self.next_port);
            self.next_port += 1;
        }
        match self.bound.insert(at) {
            true => Ok(at),
            false => Err(format!("{at} is in use")),
        }
    }

    /// A free port of this IP, for a stream.
    pub(crate) fn near_end(&mut self, ip: IpAddr) -> SocketAddr {
        self.next_port += 1;
        SocketAddr::new(ip, self.next_port - 1)
    }

    /// Closes a socket.
    pub(crate) fn unbind(&mut self, at: SocketAddr) {
        self.bound.remove(&at);
    }

    /// Whether a socket is bound there.
    pub(crate) fn is_bound(&self, at: SocketAddr) -> bool {
        self.bound.contains(&at) || self.config.addresses.udp.contains(&at)
    }

    /// The node is gone, and its sockets with it; the machine too, perhaps.
    pub(crate) fn kill(&mut self, gone: bool) {
        self.node = None;
        self.gone = gone;
        self.life += 1;
        self.bound.clear();
    }
}
