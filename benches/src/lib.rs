//! What the benchmarks share: rooms full of real sessions, in memory and on real sockets, relays,
//! and a meter of what they cost.

pub mod live;
pub mod meter;
pub mod relay;
pub mod room;
mod server;
pub mod thread;
