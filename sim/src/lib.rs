//! Worlds in which the nodes that ship can be watched: in memory, where the clock jumps, and on
//! simulated hosts, with the shipped driver. It decides nothing about streams.

pub mod atlas;
pub mod browser;
mod host;
pub mod net;
pub mod peer;
pub mod seals;
pub mod trace;
pub mod turmoil;
pub mod wire;
pub mod wired;
pub mod world;
