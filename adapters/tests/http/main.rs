//! The HTTP server and client on smol and real sockets of the loopback; the tests play the core.

#![allow(missing_docs, clippy::unwrap_used)]

mod certificates;
mod client;
mod house;
mod server;
mod site;
mod tls;
mod websocket;

use farcast_adapters::smol::{Smol as Base, block_on};
