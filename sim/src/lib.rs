//! Worlds in which the nodes that ship can be watched: in memory, where the clock jumps, and on
//! simulated hosts, with the shipped driver. It decides nothing about streams.

pub mod browser;
mod host;
pub mod peer;
pub mod turmoil;
pub mod world;
