//! Worlds in which the nodes that ship can be watched: in memory, where the clock jumps, and on
//! simulated hosts, with the shipped driver. It decides nothing about streams.

pub mod atlas;
pub mod browse;
pub mod browser;
pub mod camera;
pub mod cores;
mod describe;
mod encoder;
pub mod epoch;
pub mod evidence;
mod faults;
mod guest;
pub mod handshake;
mod host;
pub mod hosts;
pub mod laws;
pub mod load;
pub mod memory;
pub mod net;
pub mod outcome;
pub mod peer;
pub mod plan;
pub mod script;
pub mod seals;
pub mod story;
pub mod told;
pub mod tool;
pub mod trace;
pub mod turmoil;
pub mod turn_client;
pub mod viewer;
pub mod visit;
pub mod wire;
pub mod wired;
pub mod wish;
pub mod world;

/// The commit that this was built from.
pub const COMMIT: &str = env!("FARCAST_COMMIT");
