//! What the benchmarks share: rooms full of real sessions, in memory and on real sockets, relays,
//! small pieces of work, and meters of what they cost.

pub mod baseline;
pub mod callgrind;
pub mod live;
pub mod meter;
pub mod relay;
pub mod room;
mod server;
pub mod thread;
pub mod work;
