//! What the benchmarks share: a room full of real sessions, relays on real sockets, and a meter of
//! what they cost.

pub mod meter;
pub mod relay;
pub mod room;
mod server;
