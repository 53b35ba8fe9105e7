//! The HTTP server and client on real sockets of the loopback; the core is played by the tests.

#![allow(missing_docs, clippy::unwrap_used)]

mod certificates;
mod client;
mod house;
mod server;
mod site;
mod tls;
mod websocket;
