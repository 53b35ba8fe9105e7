//! What happened, for operators, metrics and simulations: the core's log is an errand too.

use std::fmt;
use std::net::SocketAddr;

/// Something that happened. [`Report::name`] makes a counter of it, `Display` a line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Report {
    /// A stream has a publisher and can be watched.
    Published { stream: String, epoch: u64, session: u64 },
    /// A stream's publisher is gone.
    Unpublished { stream: String, epoch: u64 },
    /// A session exists; it is not connected yet.
    SessionOpened { session: u64, role: &'static str, stream: String },
    /// A session's ICE and DTLS are done.
    SessionConnected { session: u64, peer: SocketAddr },
    /// A session is gone.
    SessionEnded { session: u64, role: &'static str, why: &'static str },
    /// A relay to an edge carries its stream.
    RelayUp { stream: String, edge: String },
    /// A relay to an edge found no way over UDP.
    RelayOverTcp { stream: String, edge: String },
    /// A relay to an edge failed and is tried again after this many milliseconds.
    RelayFailed { stream: String, edge: String, why: String, retry_ms: u64 },
    /// A relay to an edge ended because its publisher left.
    RelayStopped { stream: String, edge: String },
    /// An edge answers its polls and gets viewers.
    EdgeUp { edge: String },
    /// An edge missed its polls and gets no new viewers.
    EdgeDown { edge: String, why: String },
    /// Somebody was refused.
    Refused { status: u16, title: &'static str, detail: String },
    /// The publisher was asked for a keyframe.
    KeyframeAsked { session: u64, track: u64 },
    /// A burst was forwarded.
    Forwarded { packets: u64, bytes: u64 },
    /// A burst of media arrived from publishers.
    Received { packets: u64, bytes: u64 },
    /// Packets were sent once more to somebody who missed them.
    Repaired { packets: u64 },
    /// Datagrams that no session of ours wants.
    Stray { datagrams: u64 },
    /// Something that a peer sent could not be used.
    Bad { session: u64, what: &'static str, why: String },
    /// A TURN client has a relayed address; twice for one of each family.
    TurnAllocated { allocation: u64, user: String, client: SocketAddr, relayed: SocketAddr },
    /// A TURN allocation is gone.
    TurnFreed { allocation: u64, user: String, why: &'static str },
    /// A TURN client with good credentials was refused.
    TurnRefused { user: String, client: SocketAddr, code: u16, why: &'static str },
    /// A TURN client's line, or its share, was too small for what came.
    TurnDropped { allocation: u64, packets: u64 },
    /// A relayed address could not be bound.
    TurnUnbound { why: String },
    /// How many sessions and connections there are now.
    Population { publishers: u64, viewers: u64, relays: u64, connections: u64, streams: u64 },
}

/// How much an operator should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every burst: for counters alone.
    Trace,
    /// What one looks at when something is wrong.
    Debug,
    /// The life of streams and nodes.
    Info,
    /// Needs the operator's eyes.
    Warn,
}

impl Report {
    /// A stable name in snake case, the same for every report of one kind.
    pub fn name(&self) -> &'static str {
        use Report::*;
        match self {
            Published { .. } => "published",
            Unpublished { .. } => "unpublished",
            SessionOpened { .. } => "session_opened",
            SessionConnected { .. } => "session_connected",
            SessionEnded { .. } => "session_ended",
            RelayUp { .. } => "relay_up",
            RelayOverTcp { .. } => "relay_over_tcp",
            RelayFailed { .. } => "relay_failed",
            RelayStopped { .. } => "relay_stopped",
            EdgeUp { .. } => "edge_up",
            EdgeDown { .. } => "edge_down",
            Refused { .. } => "refused",
            KeyframeAsked { .. } => "keyframe_asked",
            Forwarded { .. } => "forwarded",
            Received { .. } => "received",
            Repaired { .. } => "repaired",
            Stray { .. } => "stray_datagrams",
            Bad { .. } => "bad_input",
            TurnAllocated { .. } => "turn_allocated",
            TurnFreed { .. } => "turn_freed",
            TurnRefused { .. } => "turn_refused",
            TurnDropped { .. } => "turn_dropped_packets",
            TurnUnbound { .. } => "turn_unbound",
            Population { .. } => "population",
        }
    }

    /// How much an operator should care.
    pub fn level(&self) -> Level {
        use Report::*;
        match self {
            Forwarded { .. } | Received { .. } | Repaired { .. } => Level::Trace,
            Stray { .. } | Population { .. } => Level::Trace,
            SessionOpened { .. } | SessionConnected { .. } | SessionEnded { .. } => Level::Debug,
            KeyframeAsked { .. } | Bad { .. } => Level::Debug,
            TurnAllocated { .. } | TurnFreed { .. } | TurnDropped { .. } => Level::Debug,
            Published { .. } | Unpublished { .. } | RelayUp { .. } => Level::Info,
            RelayStopped { .. } | EdgeUp { .. } | Refused { .. } => Level::Info,
            TurnRefused { .. } => Level::Info,
            RelayFailed { .. } | RelayOverTcp { .. } | EdgeDown { .. } | TurnUnbound { .. } => {
                Level::Warn
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Report::*;
        match self {
            Published { stream, epoch, session } => {
                write!(f, "stream {stream} is live (epoch {epoch}, session {session})")
            }
            Unpublished { stream, epoch } => write!(f, "stream {stream} ended (epoch {epoch})"),
            SessionOpened { session, role, stream } => {
                write!(f, "session {session}: {role} of {stream}")
            }
            SessionConnected { session, peer } => {
                write!(f, "session {session}: connected to {peer}")
            }
            SessionEnded { session, role, why } => write!(f, "session {session} ({role}): {why}"),
            RelayUp { stream, edge } => write!(f, "relaying {stream} to {edge}"),
            RelayOverTcp { stream, edge } => {
                write!(f, "link to {edge} runs over TCP ({stream}): is UDP blocked?")
            }
            RelayFailed { stream, edge, why, retry_ms } => {
                write!(f, "relay of {stream} to {edge} failed: {why}; again in {retry_ms} ms")
            }
            RelayStopped { stream, edge } => write!(f, "relay of {stream} to {edge} stopped"),
            EdgeUp { edge } => write!(f, "edge {edge} is up"),
            EdgeDown { edge, why } => write!(f, "edge {edge} is down, gets no viewers: {why}"),
            Refused { status, title, detail } => write!(f, "refused ({status} {title}): {detail}"),
            KeyframeAsked { session, track } => {
                write!(f, "session {session}: asked for a keyframe of track {track}")
            }
            Forwarded { packets, bytes } => write!(f, "forwarded {packets} packets, {bytes} bytes"),
            Received { packets, bytes } => write!(f, "received {packets} packets, {bytes} bytes"),
            Repaired { packets } => write!(f, "repaired {packets} packets"),
            Stray { datagrams } => write!(f, "{datagrams} datagrams belong to no session"),
            Bad { session, what, why } => write!(f, "session {session}: bad {what}: {why}"),
            TurnAllocated { .. }
            | TurnFreed { .. }
            | TurnRefused { .. }
            | TurnDropped { .. }
            | TurnUnbound { .. } => self.write_turn(f),
            Population { publishers, viewers, relays, connections, streams } => write!(
                f,
                "{publishers} publishers, {viewers} viewers, {relays} relays, \
                 {connections} connections, {streams} streams"
            ),
        }
    }
}

impl Report {
    fn write_turn(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Report::*;
        match self {
            TurnAllocated { allocation, user, client, relayed } => {
                write!(f, "TURN allocation {allocation}: {relayed} for {user:?} at {client}")
            }
            TurnFreed { allocation, user, why } => {
                write!(f, "TURN allocation {allocation} of {user:?} ended: {why}")
            }
            TurnRefused { user, client, code, why } => {
                write!(f, "TURN refused {user:?} at {client} ({code} {why})")
            }
            TurnDropped { allocation, packets } => {
                write!(f, "TURN allocation {allocation}: dropped {packets} packets")
            }
            TurnUnbound { why } => write!(f, "TURN could not bind a relayed address: {why}"),
            _ => Ok(()),
        }
    }
}
