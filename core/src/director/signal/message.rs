//! The SDK's messages (`docs/signalling.md`): JSON objects over a WebSocket, in both directions.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::Problem;
use crate::hub::words::Quality;
use crate::limits;
use crate::ticket::IceServer;

/// The version of the protocol, for clients that must know.
const VERSION: u32 = 1;

/// What a client says; unknown members are ignored.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ClientMessage {
    Publish(Offer),
    Play(Offer),
    Candidates {
        session: String,
        fragment: String,
    },
    Restart {
        #[serde(default)]
        id: String,
        session: String,
        fragment: String,
    },
    Stop {
        #[serde(default)]
        id: String,
        session: String,
    },
    /// Asks for fresh TURN credentials.
    Renew {
        #[serde(default)]
        id: String,
        session: String,
    },
    /// What a viewer can make use of.
    Layer {
        session: String,
        /// Lines of its window; without it there is no bound.
        #[serde(default)]
        height: Option<u16>,
        /// The best layer that it wants, counted from the smallest.
        #[serde(default)]
        layer: Option<usize>,
    },
    Forget {
        stream: String,
    },
    Ping {
        #[serde(default)]
        id: String,
        /// A session that the client believes in.
        #[serde(default)]
        session: Option<String>,
    },
}

/// What `publish` and `play` hold.
#[derive(Debug, Deserialize)]
pub(crate) struct Offer {
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) stream: String,
    #[serde(default)]
    pub(crate) token: Option<String>,
    pub(crate) sdp: String,
}

impl ClientMessage {
    /// Reads a message from outside. On an error, the client's id of it is returned too, if it can
    /// be read.
    pub(crate) fn parse(text: &str) -> Result<Self, (String, Problem)> {
        serde_json::from_str(text).map_err(|error| {
            let detail = format!("{error}; docs/signalling.md lists the messages");
            (id_of(text), Problem::new(400, "malformed message", detail))
        })
    }
}

impl ClientMessage {
    /// The client's own name for it; empty for messages that have no answer.
    pub(crate) fn id(&self) -> &str {
        match self {
            ClientMessage::Publish(offer) | ClientMessage::Play(offer) => &offer.id,
            ClientMessage::Restart { id, .. }
            | ClientMessage::Stop { id, .. }
            | ClientMessage::Renew { id, .. }
            | ClientMessage::Ping { id, .. } => id,
            ClientMessage::Candidates { .. }
            | ClientMessage::Layer { .. }
            | ClientMessage::Forget { .. } => "",
        }
    }
}

fn id_of(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    value.get("id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(crate) fn hello(node: &str) -> Value {
    json!({ "type": "hello", "version": VERSION, "node": node })
}

pub(crate) fn answer(id: &str, session: &str, stream: &str, sdp: &str) -> Value {
    json!({ "type": "answer", "id": id, "session": session, "stream": stream, "sdp": sdp })
}

/// Adds the TURN servers that the client may use, and for how many seconds.
pub(crate) fn with_ice_servers(mut message: Value, ice_server: Option<&IceServer>) -> Value {
    if let Some(IceServer { urls, username, credential }) = ice_server {
        let server = json!({ "urls": urls, "username": username, "credential": credential });
        message["iceServers"] = json!([server]);
        message["iceServersTtl"] = json!(limits::TURN_CREDENTIALS.as_secs());
    }
    message
}

pub(crate) fn ice_servers(id: &str, session: &str) -> Value {
    json!({ "type": "iceServers", "id": id, "session": session, "iceServers": [] })
}

pub(crate) fn waiting(id: &str, stream: &str) -> Value {
    json!({ "type": "waiting", "id": id, "stream": stream })
}

pub(crate) fn restarted(id: &str, session: &str, fragment: &str) -> Value {
    json!({ "type": "restarted", "id": id, "session": session, "fragment": fragment })
}

pub(crate) fn stopped(id: &str, session: &str) -> Value {
    json!({ "type": "stopped", "id": id, "session": session })
}

pub(crate) fn pong(id: &str) -> Value {
    json!({ "type": "pong", "id": id })
}

pub(crate) fn error(id: &str, problem: &Problem) -> Value {
    json!({
        "type": "error",
        "id": id,
        "status": problem.status,
        "title": problem.title,
        "detail": problem.detail,
        "retryAfter": problem.retry_after,
    })
}

pub(crate) fn connected(session: &str) -> Value {
    json!({ "type": "connected", "session": session })
}

pub(crate) fn published(stream: &str) -> Value {
    json!({ "type": "published", "stream": stream })
}

/// `state` is `waiting` or `playing`.
pub(crate) fn status(session: &str, state: &str) -> Value {
    json!({ "type": "status", "session": session, "state": state })
}

/// Which layer a viewer gets, and whether its line has room for keyframes alone.
pub(crate) fn quality(session: &str, quality: Quality) -> Value {
    let Quality { layer, layers, is_paused } = quality;
    json!({
        "type": "quality", "session": session, "layer": layer, "layers": layers,
        "paused": is_paused,
    })
}

pub(crate) fn renegotiate(session: &str, stream: &str) -> Value {
    json!({ "type": "renegotiate", "session": session, "stream": stream })
}

pub(crate) fn ended(session: &str, reason: &str) -> Value {
    json!({ "type": "ended", "session": session, "reason": reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_sdk_writes_and_ignores_what_it_does_not_know() {
        let text = r#"{"type":"play","id":"2","stream":"s","sdp":"v=0","later":true}"#;
        let ClientMessage::Play(offer) = ClientMessage::parse(text).unwrap() else { panic!() };
        assert_eq!((offer.id.as_str(), offer.stream.as_str(), offer.token), ("2", "s", None));
    }

    #[test]
    fn an_unreadable_message_is_answered_by_its_id() {
        let (id, problem) = ClientMessage::parse(r#"{"type":"dance","id":"7"}"#).unwrap_err();
        assert_eq!((id.as_str(), problem.status), ("7", 400));
        assert_eq!(ClientMessage::parse("{").unwrap_err().0, "");
    }
}
