//! A TURN server as a whole process would run it, and bare loops that do nothing but pass packets
//! on, under the same load: real sockets on loopback, each relay on a thread of its own.

mod bare;
mod client;
mod line;
mod server;
mod strangers;

pub use bare::Bare;
pub use client::Client;
pub use line::{Down, Line, Up};
pub use server::Server;
pub use strangers::{HOSTILE, Strangers};
