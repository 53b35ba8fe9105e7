//! How the tasks around the driver (HTTP server, HTTP client, signals) talk with it: bounded
//! channels of plain values. Everything runs on one thread.

use std::net::SocketAddr;

use async_channel::Sender;
use farcast_core::http::{Call, CallError, Reply, Request};
use farcast_core::machine::{CallId, ConnectionId, Load};

/// Something that a task tells the driver.
#[derive(Debug)]
pub enum Fact {
    /// Somebody asks over HTTP.
    Asked {
        /// What.
        request: Request,
        /// Takes the one reply; has room for it.
        answer: Sender<Reply>,
    },
    /// A WebSocket is open.
    Opened {
        /// Unique among all connections of this process.
        connection: ConnectionId,
        /// Who opened it.
        peer: SocketAddr,
        /// The Host field of its request; empty if it has none.
        host: String,
        /// Takes what the core writes. Full means that the peer is too slow: close it.
        writer: Sender<ToPeer>,
    },
    /// A text message came from a WebSocket.
    Said {
        /// Which.
        connection: ConnectionId,
        /// The message.
        text: String,
    },
    /// The WebSocket's writer made progress.
    Writable {
        /// Which.
        connection: ConnectionId,
        /// Bytes still to be taken by the kernel.
        unsent: usize,
    },
    /// A WebSocket is gone.
    Left {
        /// Which.
        connection: ConnectionId,
        /// With a close frame from the peer.
        clean: bool,
    },
    /// A call to another node ended.
    Answered {
        /// Which.
        call: CallId,
        /// How.
        result: Result<Reply, CallError>,
    },
    /// A measurement of this process.
    Measured(Load),
    /// New TURN clients shall go there instead.
    Alternates(Vec<SocketAddr>),
    /// The process shall end.
    Stopping,
}

/// Something that the core sends to a WebSocket.
#[derive(Debug)]
pub enum ToPeer {
    /// A text message.
    Text(String),
    /// A close frame with this reason, then the end.
    Close(&'static str),
}

/// A call that the core wants made.
#[derive(Debug)]
pub struct Errand {
    /// Names it.
    pub call: CallId,
    /// What to ask whom.
    pub request: Call,
}
