//! The deterministic heart of Farcast: state machines that take facts and leave errands.
//!
//! Nothing in here knows a clock, a socket, a thread, a runtime, an environment or global
//! randomness. `ARCHITECTURE.md` shows how a packet and a request walk through its rooms.

// Tests make up their instants from the clock's; what they test does not see it.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod config;
pub mod cores;
pub mod credential;
pub mod director;
pub mod http;
pub mod hub;
pub mod limits;
pub mod machine;
pub mod media;
pub mod node;
pub mod outbox;
pub mod report;
pub mod seed;
mod sorting;
pub mod ticket;
pub mod timers;
pub mod turn;
