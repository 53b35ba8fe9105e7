//! A TURN server that is alone in its process: everything that comes is for it. It knows no hub.

use std::time::Instant;

use super::{Desk, Inward, Turn};
use crate::config::{Birth, Turn as Config};
use crate::http::Problem;
use crate::machine::{Input, Machine, Output};
use crate::outbox::Outbox;
use crate::seed::Seed;

/// The machine of `farcast-turn`.
pub struct Standalone {
    turn: Turn,
    /// For media of this node, which has none.
    inward: Inward,
}

impl Standalone {
    /// A server that begins at its birth's instant.
    pub fn new(config: Config, birth: Birth) -> Self {
        let turn = Turn::new(config, Vec::new(), birth, Seed::new(birth.seed));
        Standalone { turn, inward: Inward::default() }
    }
}

impl Machine for Standalone {
    fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox) {
        let mut desk = Desk { now, inward: &mut self.inward, out };
        match input {
            Input::Datagrams(datagrams) => {
                // One read is of one socket.
                let Some(first) = datagrams.first() else { return };
                if self.turn.is_relayed(first.local) {
                    self.turn.from_peers(datagrams, &mut desk);
                } else {
                    self.turn.from_clients(datagrams, &mut desk);
                }
            }
            Input::Asked { id, .. } => {
                let detail = "this is a TURN server; it serves nothing over HTTP";
                let reply = Problem::new(404, "not found", detail).to_reply();
                desk.out.push(Output::Reply { id, reply });
            }
            input => self.turn.hear(&input, &mut desk),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.turn.deadline()
    }
}
