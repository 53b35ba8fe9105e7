//! Messages as strangers may write them on an open WebSocket.
//!
//! An input is text with one message in each line. `{session}` stands for the name of the latest
//! session, `{offer}` for an offer that every node takes; a line `+500` lets so many milliseconds
//! pass, a line `switch` goes on with the other one of two connections.

use std::time::Duration;

use farcast_core::config::Access;
use farcast_core::limits;

use crate::sdp::OFFER;
use crate::stage::Stage;

/// Messages that one input may hold; more teach nothing new.
const MESSAGES: usize = 200;

/// Messages, one after another.
pub fn websocket_message(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let quoted = serde_json::Value::from(OFFER).to_string();
    let offer = quoted.trim_matches('"');
    let mut stage = Stage::new(Access::Open);
    let mut connections = [stage.open(), stage.open()];
    let mut session = String::new();
    for line in text.lines().take(MESSAGES) {
        if line == "switch" {
            connections.reverse();
            continue;
        }
        if let Some(time) = line.strip_prefix('+').and_then(|time| time.parse().ok()) {
            stage.run_for(Duration::from_millis(u64::min(time, 60_000)));
            continue;
        }
        let message = line.replace("{offer}", offer).replace("{session}", &session);
        if message.len() > limits::WEBSOCKET_MESSAGE {
            continue;
        }
        for heard in stage.say(connections[0], &message) {
            if let Some(name) = heard["session"].as_str().filter(|_| heard["type"] == "answer") {
                name.clone_into(&mut session);
            }
        }
        assert!(stage.population().sessions <= 2 * limits::PER_CONNECTION as u64);
    }
    stage.finish();
}
