//! What somebody wants of a stream, and what came of it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::camera::Film;

/// What somebody wants.
#[derive(Debug, Clone)]
pub struct Script {
    /// What they film, if they publish.
    pub film: Option<Film>,
    /// The stream.
    pub stream: String,
    /// Whom they ask.
    pub door: Door,
    /// Whether a firewall lets nothing but TCP through.
    pub firewalled: bool,
    /// When they open the page, since the world's start.
    pub opens: Duration,
    /// When they close it.
    pub closes: Duration,
}

/// Whom somebody asks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The node at this address, for the stream.
    Node(SocketAddr),
    /// The node at this address, for the address of a node that has the stream.
    Balancer(SocketAddr),
}

/// One try to connect, and what came of it. Times are since the world's start.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When the first question left.
    pub asked: Duration,
    /// Which node it went to, once that was known.
    pub node: Option<SocketAddr>,
    /// When ICE and DTLS were done.
    pub connected: Option<Duration>,
    /// How many frames had been shown before.
    pub frames_before: usize,
    /// When the first frame was shown.
    pub first_frame: Option<Duration>,
    /// When it was over, and why.
    pub ended: Option<(Duration, &'static str)>,
}

impl Door {
    /// The node that is asked.
    pub fn address(self) -> SocketAddr {
        match self {
            Door::Node(at) | Door::Balancer(at) => at,
        }
    }
}

impl Attempt {
    /// A try that begins now.
    pub fn new(asked: Duration, frames_before: usize) -> Self {
        let (node, connected, first_frame, ended) = (None, None, None, None);
        Attempt { asked, node, connected, frames_before, first_frame, ended }
    }
}
