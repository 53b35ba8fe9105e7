//! The tests of `http/`, on tokio.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "http/certificates.rs"]
mod certificates;
#[path = "http/client.rs"]
mod client;
#[path = "http/house.rs"]
mod house;
#[path = "http/server.rs"]
mod server;
#[path = "http/site.rs"]
mod site;
#[path = "http/tls.rs"]
mod tls;
#[path = "http/websocket.rs"]
mod websocket;

use farcast_adapters::tokio::{Tokio as Base, block_on};
