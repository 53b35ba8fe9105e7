//! What connects the machines of `farcast-core` with a real or simulated world: one event loop,
//! sockets, HTTP. It decides nothing about streams.

pub mod batch;
pub mod driver;
mod host;
pub mod http;
pub mod kernel;
pub mod link;
pub mod log;
pub mod metrics;
pub mod observer;
pub mod runtime;
pub mod serve;
pub mod smol;
pub mod sockets;
pub mod tokio;
