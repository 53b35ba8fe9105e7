//! Worlds in which the nodes that ship can be watched: in memory, where the clock jumps, and on
//! simulated hosts, with the shipped driver. It decides nothing about streams.

pub mod atlas;
pub mod browse;
pub mod browser;
pub mod camera;
mod guest;
pub mod handshake;
mod host;
pub mod net;
pub mod peer;
pub mod script;
pub mod seals;
pub mod trace;
pub mod turmoil;
pub mod viewer;
pub mod wire;
pub mod wish;
pub mod world;
