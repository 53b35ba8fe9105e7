//! The time of one frame at a node with a few viewers. It does not know what they say to it.

use farcast_core::config::Egress;
use farcast_sim::handshake::Dtls;

use super::Work;
use crate::meter::{Cost, Meter};
use crate::room::{Room, TRAIN};

/// So many that most of the work is theirs, and so few that they connect soon under valgrind.
const VIEWERS: usize = 20;

/// Frames of [`TRAIN`] packets through a node, and what its viewers say of them.
pub struct Frames(Room);

impl Frames {
    /// A room whose viewers are connected.
    #[allow(clippy::new_without_default, reason = "all works are made alike")]
    pub fn new() -> Self {
        Frames(Room::new(VIEWERS, Egress::Own, Dtls::Rehearsed))
    }
}

impl Work for Frames {
    /// The room has a meter of its own.
    fn round(&mut self, _: &Meter) -> Cost {
        let frame = self.0.frame(TRAIN);
        let mut cost = frame.media;
        cost += frame.rest;
        cost
    }
}
