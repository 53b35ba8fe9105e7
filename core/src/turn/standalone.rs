//! A TURN server that is a program of its own.

use std::time::Instant;

use crate::config::{Birth, Turn as Config};
use crate::machine::{Input, Machine};
use crate::outbox::{Outbox, Runs};
use crate::seed::Seed;
use crate::turn::{Desk, Turn};

/// A TURN server alone.
pub struct Standalone {
    turn: Turn,
    inward: Runs,
}

impl Standalone {
    /// A server without allocations.
    pub fn new(config: Config, birth: Birth) -> Self {
        let turn = Turn::new(config, Vec::new(), birth, Seed::new(birth.seed));
        Standalone { turn, inward: Runs::default() }
    }
}

impl Machine for Standalone {
    fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox) {
        self.turn.hear(&input, &mut Desk { now, inward: &mut self.inward, out });
    }

    fn deadline(&self) -> Option<Instant> {
        self.turn.deadline()
    }
}
