//! The door of every machine: facts go in, errands come out; it knows no clock and no socket.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::cores::{CoreId, Word};
use crate::http::{Call, CallError, Reply, Request};
use crate::outbox::Outbox;
use crate::report::Report;

/// A deterministic state machine: the same facts at the same times give the same errands.
pub trait Machine {
    /// Takes one fact and leaves its errands in `out`. Facts never fail: what cannot be used
    /// becomes a [`Report`]. [`finish`] follows.
    fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox);

    /// When this machine wants to hear [`Input::Timeout`] next; O(1).
    fn deadline(&self) -> Option<Instant>;
}

/// Lets a machine finish what a fact has begun, for which the outbox had no room: `send` sends the
/// datagrams and bytes that lie there. The last of them, and all errands, are the caller's to do.
pub fn finish(
    machine: &mut impl Machine,
    now: Instant,
    out: &mut Outbox,
    mut send: impl FnMut(&Outbox),
) {
    while out.has_more() {
        send(out);
        out.clear_sent();
        machine.handle(now, Input::Sent, out);
    }
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
    /// The answer to [`Output::Listen`], as above.
    Listening {
        /// The errand that this answers.
        bind: BindId,
        /// Where connections are taken.
        result: Result<SocketAddr, String>,
    },
    /// An ICMP error came back for a datagram that we sent.
    Unreachable {
        /// The bound address that it was sent from.
        local: SocketAddr,
        /// Whom it was sent to.
        peer: SocketAddr,
        /// What the network says.
        icmp: Icmp,
    },
    /// Somebody connected to us over TCP, and does not speak HTTP.
    Accepted {
        /// The world's name for the byte stream, never reused.
        stream: StreamId,
        /// Where it came in, and what it speaks.
        door: Door,
        /// The listener's address, with the IP that was connected to.
        local: SocketAddr,
        /// Who connected.
        peer: SocketAddr,
    },
    /// The answer to [`Output::Connect`]: the stream and its own address, or why there is none.
    Connected {
        /// The errand that this answers.
        connect: ConnectId,
        /// The stream's name and local address.
        result: Result<(StreamId, SocketAddr), String>,
    },
    /// Bytes of a stream, cut wherever the reading ended.
    Bytes {
        /// Which stream.
        stream: StreamId,
        /// At least one byte.
        bytes: &'a [u8],
    },
    /// The kernel did not take all that was written to a stream, or has taken more of it since.
    /// Without this fact, everything that was written is taken.
    Unsent {
        /// Which stream.
        stream: StreamId,
        /// Bytes that still wait; 0: none any more.
        bytes: usize,
    },
    /// A stream is gone; nothing more comes from it or may be written to it.
    Ended {
        /// Which stream.
        stream: StreamId,
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
        /// The Host field of its request (RFC 9110 section 7.2); empty if it has none.
        host: String,
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
    /// Where the operator wants new TURN clients to go instead of here, from now on: for each
    /// family the first one. Empty: they may stay.
    Alternates(Vec<SocketAddr>),
    /// Another core of this node tells something.
    Told(Word),
    /// That core could not be told ([`Output::Tell`]): too many words wait for it.
    Untold(Word),
    /// The operator wants this process to end: say goodbye to everybody now.
    Stopping,
    /// The deadline that the machine named has come.
    Timeout,
    /// What lay in the outbox has been sent, which had room for no more ([`Outbox::has_more`]).
    Sent,
}

/// One datagram.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// What it came in on; [`Carrier::Udp`] in everything that a world tells.
    pub carrier: Carrier,
    /// Who sent it.
    pub peer: SocketAddr,
    /// The local address it was sent to (from packet info on a wildcard socket).
    pub local: SocketAddr,
    /// Its bytes.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// A datagram that came over UDP.
    pub fn udp(peer: SocketAddr, local: SocketAddr, payload: &'a [u8]) -> Self {
        Datagram { carrier: Carrier::Udp, peer, local, payload }
    }
}

/// What carries datagrams between a peer and us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// A UDP socket.
    Udp,
    /// A byte stream that frames them (RFC 4571).
    Stream(StreamId),
    /// A TURN allocation of this very node: they never leave the process.
    Relay,
}

/// Where a byte stream came in, and what it speaks: its first bytes have told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// STUN messages and ChannelData (RFC 8656 section 12.5).
    Turn {
        /// Whether TLS is around it.
        secure: bool,
    },
    /// Framed datagrams of an ICE agent (RFC 6544).
    Ice,
    /// A listener that the machine wanted ([`Output::Listen`]); nobody looked at its bytes.
    Listener,
}

/// An ICMP error (RFC 792, RFC 4443).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Icmp {
    /// The type, of ICMP or ICMPv6 as the address family says.
    pub kind: u8,
    /// The code.
    pub code: u8,
    /// What follows: the next hop's MTU if the datagram was too big, else 0.
    pub data: u32,
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
    /// Take TCP connections at this address; [`Input::Listening`] answers.
    Listen {
        /// Names the errand.
        bind: BindId,
        /// Where to listen.
        near: SocketAddr,
    },
    /// Take no more connections there. Those that were taken stay.
    Unlisten {
        /// The address, as [`Input::Listening`] gave it.
        local: SocketAddr,
    },
    /// Connect over TCP; [`Input::Connected`] answers, at the latest after
    /// [`crate::limits::CONNECT`].
    Connect {
        /// Names the errand.
        connect: ConnectId,
        /// The address to connect from; the world's choice if `None`.
        from: Option<SocketAddr>,
        /// Whom to connect to.
        to: SocketAddr,
    },
    /// Read from a stream, or stop it until further notice: what is spliced may not be dropped.
    Read {
        /// Which stream.
        stream: StreamId,
        /// Whether to read.
        on: bool,
    },
    /// End a stream as soon as the kernel has taken what was written; nothing is read any more,
    /// and no [`Input::Ended`] follows.
    End {
        /// Which stream.
        stream: StreamId,
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
    /// Tell another core of this node: [`Input::Told`] there, in the order of telling, or
    /// [`Input::Untold`] here.
    Tell {
        /// Which core.
        core: CoreId,
        /// What.
        word: Word,
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
    /// The world's name for a byte stream.
    StreamId,
    /// The machine's name for a connection that it wants made.
    ConnectId,
}
