//! Farcast's world: the event loop, sockets, HTTP and TLS around the core's machines.

pub mod batch;
pub mod http;
pub mod link;
pub mod runtime;
