//! A browser's way through a firewall: a byte stream to the TURN server that its node has named,
//! and an allocation there. It knows neither WebRTC nor who carries its bytes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use farcast_core::http::Reply;

use crate::turn_client::{Line, TurnClient};

/// Seconds that an allocation lives (RFC 8656 section 3.2).
const LIFETIME: u32 = 600;
/// Permissions last five minutes (RFC 8656 section 9).
const KEEP: Duration = Duration::from_secs(240);

/// What a tunnel wants of its world.
#[derive(Debug)]
pub enum Errand {
    /// A connection with TLS.
    Connect {
        /// From where.
        near: SocketAddr,
        /// To whom.
        server: SocketAddr,
    },
    /// Bytes on it.
    Write {
        /// To whom.
        server: SocketAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// Its end.
    HangUp {
        /// To whom.
        server: SocketAddr,
    },
}

/// A tunnel.
pub(super) struct Tunnel {
    server: SocketAddr,
    turn: TurnClient,
    /// Peers that it has a channel to, or has asked for one.
    peers: Vec<SocketAddr>,
    /// When what it has at the server must be kept from ending; `None` until it is open.
    keep_at: Option<Duration>,
}

impl Tunnel {
    /// A tunnel to the server in a node's answer (draft-ietf-wish-whep: `Link` with `ice-server`);
    /// `None` if it names none.
    pub(super) fn named(answer: &Reply) -> Option<Self> {
        let link = answer.header("link")?;
        let url = link.strip_prefix('<')?.split_once('>')?.0;
        let server = url.strip_prefix("turns:")?.split('?').next()?.parse().ok()?;
        let (username, credential) = (value(link, "username")?, value(link, "credential")?);
        let turn = TurnClient::new(Line::Stream, username, credential);
        Some(Tunnel { server, turn, peers: Vec::new(), keep_at: None })
    }

    pub(super) fn server(&self) -> SocketAddr {
        self.server
    }

    /// The connection is there.
    pub(super) fn opened(&mut self, now: Duration) {
        self.keep_at = Some(now + KEEP);
    }

    pub(super) fn deadline(&self) -> Duration {
        self.keep_at.unwrap_or(Duration::MAX)
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Duration) {
        if self.deadline() <= now {
            self.keep_at = Some(now + KEEP);
            self.turn.refresh(LIFETIME);
        }
    }

    pub(super) fn relayed(&self) -> Option<SocketAddr> {
        self.turn.relayed()
    }

    /// What came through from whom.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
        self.turn.receive(bytes)
    }

    pub(super) fn send(&mut self, to: SocketAddr, payload: &[u8]) {
        if !self.peers.contains(&to) {
            self.peers.push(to);
            self.turn.bind(to);
        }
        self.turn.send(to, payload);
    }

    /// What is to be written.
    pub(super) fn write(&mut self, errands: &mut VecDeque<Errand>) {
        while let Some(bytes) = self.keep_at.and_then(|_| self.turn.next_outgoing()) {
            errands.push_back(Errand::Write { server: self.server, bytes });
        }
    }
}

fn value<'l>(link: &'l str, name: &str) -> Option<&'l str> {
    let (_, rest) = link.split_once(&format!("; {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}
