//! Where the answer to a request goes when a hub has it: carried along, opened by signalling alone.

use crate::machine::{ConnectionId, RequestId};

/// A claim check for one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// How the asker is reached.
    pub via: Via,
    /// The session's public, unguessable name: the last part of its `Location`.
    pub resource: String,
    /// The entity tag of its ICE session (RFC 9725 section 4.3.1), without quotes.
    pub etag: String,
    /// The TURN servers that the asker may use.
    pub ice_server: Option<IceServer>,
}

/// What a client is told of TURN servers (the `RTCIceServer` of WebRTC).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `turn:` and `turns:` URLs (RFC 7065).
    pub urls: Vec<String>,
    /// Made for this client alone.
    pub username: String,
    /// The password.
    pub credential: String,
}

impl Via {
    /// By the reply to a request that makes no session, or not yet; `host` as its field says.
    pub fn http(request: RequestId, host: Option<&str>) -> Self {
        let host = host.unwrap_or_default().to_owned();
        Via::Http { request, location: String::new(), host }
    }
}

/// How an asker is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// By the reply to an HTTP request.
    Http {
        /// Which request.
        request: RequestId,
        /// The path of the session's resource.
        location: String,
        /// The host that was asked, perhaps with its port.
        host: String,
    },
    /// By a message on a WebSocket.
    WebSocket {
        /// Which connection.
        connection: ConnectionId,
        /// The client's own name for its request.
        id: String,
        /// The stream that it named.
        stream: String,
    },
}
