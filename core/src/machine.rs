//! The door of every machine: facts go in, errands come out; it knows no clock and no socket.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::http::{Call, CallError, Reply, Request};
use crate::outbox::Outbox;
use crate::report::Report;

/// A deterministic state machine: the same facts at the same times give the same errands.
pub trait Machine {
    /// Takes one fact and leaves its errands in `out`. Facts never fail: what cannot be used
    /// becomes a [`Report`].
    fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox);

    /// When this machine wants to hear [`Input::Timeout`] next; O(1).
    fn deadline(&self) -> Option<Instant>;
}

/// A fact about the world.
#[derive(Debug)]
pub enum Input<'a> {
    /// Everything that one read of a UDP socket brought, in order of arrival.
    Datagrams(&'a [Datagram<'a>]),
    /// The answer to [`Output::Bind`]: the bound address, or why there is none.
    Bound {
        /// The errand that this answers.
        bind: BindId,
        /// The bound address; its IP is unspecified if the errand's was.
        result: Result<SocketAddr, String>,
    },
    /// Somebody asks us over HTTP; exactly one [`Output::Reply`] follows, at once or later.
    Asked {
        /// The world's name for the request.
        id: RequestId,
        /// What is asked.
        request: Request,
    },
    /// A WebSocket is open.
    Opened {
        /// The world's name for the connection, never reused.
        connection: ConnectionId,
        /// Who opened it.
        peer: SocketAddr,
    },
    /// A text message arrived on a WebSocket.
    Said {
        /// On which connection.
        connection: ConnectionId,
        /// The message; at most [`crate::limits::WEBSOCKET_MESSAGE`] bytes.
        text: &'a str,
    },
    /// A connection took some of what we wrote.
    Writable {
        /// Which connection.
        connection: ConnectionId,
        /// Bytes that we wrote and that the kernel has not taken yet.
        unsent: usize,
    },
    /// A connection is gone. Nothing more comes from it or may be written to it.
    Left {
        /// Which connection.
        connection: ConnectionId,
        /// Whether the peer said goodbye (a WebSocket close frame), as a page that is closed does.
        clean: bool,
    },
    /// The answer to [`Output::Call`].
    Answered {
        /// The errand that this answers.
        call: CallId,
        /// The reply, whatever its status, or why there is none.
        result: Result<Reply, CallError>,
    },
    /// How loaded this machine is, as the world measured it.
    Measured(Load),
    /// The operator wants this process to end: say goodbye to everybody now.
    Stopping,
    /// The deadline that the machine named has come.
    Timeout,
}

/// One UDP datagram.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub peer: SocketAddr,
    /// The local address it was sent to (from packet info on a wildcard socket).
    pub local: SocketAddr,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// An errand that is not a datagram; those lie in the outbox's slab.
#[derive(Debug)]
pub enum Output {
    /// Bind a UDP socket at this address (port 0: any); [`Input::Bound`] answers.
    Bind {
        /// Names the errand.
        bind: BindId,
        /// Where to bind.
        near: SocketAddr,
    },
    /// Close the socket that an earlier `Bind` brought.
    Unbind {
        /// Its bound address, as [`Input::Bound`] gave it.
        local: SocketAddr,
    },
    /// Answer an HTTP request.
    Reply {
        /// Which request.
        id: RequestId,
        /// The answer.
        reply: Reply,
    },
    /// Write a text message to a WebSocket; [`Input::Writable`] tells how it drains.
    Write {
        /// Which connection.
        connection: ConnectionId,
        /// The message.
        text: String,
    },
    /// Close a WebSocket with a reason for the peer to read.
    Close {
        /// Which connection.
        connection: ConnectionId,
        /// The close frame's reason, at most 123 bytes (RFC 6455 section 5.5).
        reason: &'static str,
    },
    /// Ask another node over HTTP; [`Input::Answered`] follows, at the latest after its time-out.
    Call {
        /// Names the errand.
        call: CallId,
        /// What to ask.
        request: Call,
    },
    /// Tell operators, metrics and simulations what happened.
    Report(Report),
}

/// What the world measured of the machine it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// CPU use of this process, in thousandths of one core.
    pub cpu_permille: u32,
    /// Over which time this was measured.
    pub over: Duration,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);
    )*};
}

ids! {
    /// The world's name for an HTTP request that it passed in.
    RequestId,
    /// The world's name for a WebSocket.
    ConnectionId,
    /// The machine's name for an HTTP call that it makes.
    CallId,
    /// The machine's name for a socket that it wants bound.
    BindId,
}
