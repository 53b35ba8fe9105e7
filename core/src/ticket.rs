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
}

impl Via {
    /// By the reply to a request that makes no session, or not yet.
    pub fn http(request: RequestId) -> Self {
        Via::Http { request, location: String::new() }
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
