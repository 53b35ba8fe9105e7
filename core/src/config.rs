//! What a node is told at birth: values only. Where they come from (files, flags) it does not know.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What makes a node the node it is. Origin and edge differ in nothing else.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// How other nodes and people call this node: `origin`, `edge1`.
    pub name: String,
    /// Who may do what.
    pub access: Access,
    /// Where media arrives, and what is said about it.
    pub addresses: Addresses,
    /// The port of plain HTTP, if there is one.
    pub http_port: Option<u16>,
    /// The port of HTTPS, if there is one.
    pub https_port: Option<u16>,
    /// The host that viewers are told for this node itself, when it has no edges.
    pub public_host: Option<String>,
    /// Nodes that take every stream of this one and serve its viewers.
    pub edges: Vec<Edge>,
}

/// A downstream node.
#[derive(Clone, Default)]
pub struct Edge {
    /// How people call it.
    pub name: String,
    /// How this node reaches it: `http://10.77.2.1:8080`, without a path.
    pub url: String,
    /// What viewers are told; the same as `url` if `None`.
    pub public_url: Option<String>,
    /// The bearer token that the edge wants from us; made from our own first key if `None`.
    pub token: Option<String>,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the token: whoever reads it can relay.
        let Edge { name, url, public_url, token: _ } = self;
        write!(f, "Edge({name}, {url}, {public_url:?}, …)")
    }
}

/// Who may do what.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// Everybody may publish, play and relay.
    #[default]
    Open,
    /// Bearers of a token that one of these keys signed; the first one signs ours.
    Keys(Vec<Key>),
}

/// A secret for tokens (HS256).
#[derive(Clone)]
pub struct Key {
    /// At least [`Key::SHORTEST`] bytes.
    pub secret: Vec<u8>,
}

impl Key {
    /// As long as the hash (RFC 7518 section 3.2).
    pub const SHORTEST: usize = 32;
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The node's UDP sockets and what candidates say about them.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// The bound sockets; an unspecified IP stands for every interface of its family.
    pub udp: Vec<SocketAddr>,
    /// The IPs of this machine's interfaces, for wildcard sockets.
    pub interfaces: Vec<IpAddr>,
    /// The IPs under which the world sees this machine (1:1 NAT, containers); empty: as bound.
    pub public: Vec<IpAddr>,
}

/// What enters a machine at birth, so that nothing in it asks for the time or rolls dice.
#[derive(Debug, Clone, Copy)]
pub struct Birth {
    /// Where all randomness comes from.
    pub seed: [u8; 32],
    /// Calendar time at the first instant that the machine hears of, since the Unix epoch.
    pub calendar: Duration,
    /// The machine's first instant.
    pub start: std::time::Instant,
}
