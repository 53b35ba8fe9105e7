//! What a director tells a hub, and what a hub tells its director: plain values that could cross a
//! core.

use std::net::SocketAddr;

use crate::http::Problem;
use crate::media::sdp::Description;
use crate::media::track::{Epoch, StreamName, Track};
use crate::ticket::Ticket;

/// The director's name for a session; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// The ICE credentials of one side (RFC 8839 section 5.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Names the session in STUN checks.
    pub ufrag: String,
    /// Proves that a check belongs to it.
    pub password: String,
}

impl Credentials {
    /// Checks what a peer sent: 4 to 256 and 22 to 256 ice-chars (RFC 8839 section 5.4).
    pub fn parse(ufrag: String, password: String) -> Option<Self> {
        let fits = |text: &str, least| (least..=256).contains(&text.len());
        let plain =
            |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b));
        let good = fits(&ufrag, 4) && fits(&password, 22) && plain(&ufrag) && plain(&password);
        good.then_some(Credentials { ufrag, password })
    }
}

/// How a viewer gets its video, if there is a choice or its line is too slow for any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// Which layer, counted from the smallest.
    pub layer: usize,
    /// Of how many.
    pub layers: usize,
    /// Whether nothing but keyframes gets through.
    pub is_paused: bool,
}

/// What a director wants of a hub.
#[derive(Debug)]
pub enum Command {
    /// Take a stream from the peer who offers it.
    Publish {
        /// The new session.
        session: SessionId,
        /// What it publishes.
        stream: StreamName,
        /// Which life of the stream this is.
        epoch: Epoch,
        /// The session whose place it takes, if its offer can be used.
        replaces: Option<SessionId>,
        /// The peer's offer.
        offer: Description,
        /// Where the answer goes.
        ticket: Ticket,
    },
    /// Serve a stream to the peer who offers to receive it.
    Play {
        /// The new session.
        session: SessionId,
        /// What it plays.
        stream: StreamName,
        /// The peer's offer.
        offer: Description,
        /// Where the answer goes.
        ticket: Ticket,
    },
    /// Make an offer of a stream for a downstream node, on a socket of its own.
    Push {
        /// The new session.
        session: SessionId,
        /// What it relays.
        stream: StreamName,
        /// The socket.
        bound: SocketAddr,
    },
    /// Take the downstream node's answer.
    Accept {
        /// The session that made the offer.
        session: SessionId,
        /// The SDP answer.
        answer: String,
    },
    /// Restart ICE with the peer's new credentials.
    Restart {
        /// Whose.
        session: SessionId,
        /// The peer's new credentials.
        credentials: Credentials,
        /// Where the answer goes.
        ticket: Ticket,
    },
    /// Give a viewer no more than it can make use of.
    Prefer {
        /// Whose.
        session: SessionId,
        /// Lines of its window, if it says.
        height: Option<u16>,
        /// The best layer that it wants, counted from the smallest.
        layer: Option<usize>,
    },
    /// End a session.
    Close {
        /// Which.
        session: SessionId,
        /// Why, for the report.
        why: &'static str,
    },
}

impl Command {
    /// The session that it is about, if that should be there already.
    pub(crate) fn of_session(&self) -> Option<SessionId> {
        match self {
            Command::Publish { .. } | Command::Play { .. } | Command::Push { .. } => None,
            Command::Accept { session, .. }
            | Command::Restart { session, .. }
            | Command::Prefer { session, .. }
            | Command::Close { session, .. } => Some(*session),
        }
    }
}

/// What happened in a hub.
#[derive(Debug)]
pub enum Event {
    /// The answer to [`Command::Publish`] or [`Command::Play`]. On an error there is no session.
    Answered {
        /// Which.
        session: SessionId,
        /// Where the answer goes.
        ticket: Ticket,
        /// The SDP answer.
        result: Result<String, Problem>,
    },
    /// The answer to [`Command::Push`]. On an error there is no session.
    Offered {
        /// Which.
        session: SessionId,
        /// The SDP offer, or why there is none.
        result: Result<String, &'static str>,
    },
    /// The answer to [`Command::Restart`].
    Restarted {
        /// Where the answer goes.
        ticket: Ticket,
        /// Our new credentials and candidates, as an SDP fragment.
        result: Result<String, Problem>,
    },
    /// A session's media can flow.
    Connected {
        /// Which.
        session: SessionId,
    },
    /// Media of a session whose offer we made goes over TCP from now on, or over UDP.
    Carried {
        /// Which.
        session: SessionId,
        /// Whether it is TCP.
        over_tcp: bool,
    },
    /// A stream has a connected publisher.
    Published {
        /// The publisher.
        session: SessionId,
        /// What the stream is made of.
        tracks: Vec<Track>,
    },
    /// A viewer gets its video otherwise than before.
    Seen {
        /// Who.
        session: SessionId,
        /// How.
        quality: Quality,
    },
    /// A peer has been silent for a while, or is heard again.
    Quiet {
        /// Whose.
        session: SessionId,
        /// Whether it is silent now.
        quiet: bool,
    },
    /// A session is gone.
    Ended {
        /// Which.
        session: SessionId,
        /// Why.
        why: &'static str,
    },
}
