//! What the benchmarks share: a room full of real sessions, and a meter of what its node costs.

pub mod meter;
pub mod room;
mod server;
