//! The deterministic heart of Farcast: state machines that take facts and leave errands.
//!
//! Nothing in here knows a clock, a socket, a thread, a runtime, an environment or global
//! randomness. `ARCHITECTURE.md` shows how a packet and a request walk through its rooms.

pub mod config;
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
pub mod ticket;
pub mod timers;
