//! What connects the machines of `farcast-core` with a real or simulated world: one event loop,
//! sockets, HTTP. It decides nothing about streams.

pub mod batch;
pub mod cores;
pub mod door;
pub mod driver;
pub mod files;
mod gate;
pub mod host;
pub mod http;
mod icmp;
pub mod kernel;
pub mod link;
pub mod log;
pub mod metrics;
pub mod observer;
mod reach;
mod ready;
pub mod runtime;
pub mod serve;
pub mod smol;
pub mod sockets;
mod streams;
pub mod tokio;
