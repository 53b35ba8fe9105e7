//! Worlds in which nodes can be watched: simulated hosts and networks. It decides nothing about
//! streams.

pub mod turmoil;
