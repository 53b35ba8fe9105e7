//! A viewer's signalling as Farcast's SDK does it: a WebSocket that stays open as long as the
//! picture. It carries no media.

use async_tungstenite::tungstenite::{Error, Message};
use async_tungstenite::{WebSocketStream, client_async};
use farcast_adapters::runtime::{ByteStream, Runtime};
use futures_lite::StreamExt;
use serde_json::{Value, json};
use std::net::SocketAddr;

use super::target;

/// A conversation with a node.
pub(super) struct Socket<S> {
    stream: WebSocketStream<S>,
    /// What is watched.
    name: String,
}

impl<S: ByteStream> Socket<S> {
    /// Opens one at this address, for the stream of a WHEP endpoint.
    pub(super) async fn open<R>(runtime: &R, at: SocketAddr, whep: &str) -> Result<Self, String>
    where
        R: Runtime<Tcp = S>,
    {
        let (url, name) = target::socket(whep).ok_or_else(|| {
            format!("--ws finds no WebSocket for {whep}; write http://…/whep/NAME")
        })?;
        let stream = runtime.connect(at).await;
        let stream = stream.map_err(|error| format!("no connection to {at}: {error}"))?;
        let opened = client_async(&url, stream).await.map_err(|error| broken(&error))?;
        Ok(Socket { stream: opened.0, name })
    }

    /// Asks to play, again when there is something to play. Returns the answer.
    pub(super) async fn play(
        &mut self,
        token: Option<&str>,
        offer: &str,
    ) -> Result<String, String> {
        let name = self.name.clone();
        let ask = json!({"type": "play", "id": "1", "stream": name, "token": token, "sdp": offer});
        self.say(&ask).await?;
        loop {
            let said = self.hear().await?;
            match said["type"].as_str() {
                Some("answer") => return Ok(said["sdp"].as_str().unwrap_or_default().to_owned()),
                Some("published") => self.say(&ask).await?,
                Some("error") => {
                    let words = said["detail"].as_str().or(said["title"].as_str());
                    return Err(format!(
                        "the server answered {}: {}",
                        said["status"],
                        words.unwrap_or_default()
                    ));
                }
                _ => {}
            }
        }
    }

    /// Listens until the server ends it; the error says how.
    pub(super) async fn listen(&mut self) -> Result<(), String> {
        loop {
            let said = self.hear().await?;
            if said["type"] == "ended" {
                return Err(format!("the server ended the session: {}", said["reason"]));
            }
        }
    }

    /// Says goodbye, which ends the session.
    pub(super) async fn close(mut self) {
        // A server that is gone needs no goodbye.
        self.stream.close(None).await.ok();
    }

    async fn say(&mut self, words: &Value) -> Result<(), String> {
        let text = Message::text(words.to_string());
        self.stream.send(text).await.map_err(|error| broken(&error))
    }

    async fn hear(&mut self) -> Result<Value, String> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text)
                        .map_err(|error| format!("the server's message is no JSON: {error}"));
                }
                Some(Ok(Message::Close(_))) | None => {
                    return Err("the server closed the WebSocket".to_owned());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
    }
}

fn broken(error: &Error) -> String {
    format!("the WebSocket failed: {error}")
}
