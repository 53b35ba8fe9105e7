//! What distances need of a runtime beside what every node does. It knows no distance.

use std::io;
use std::net::SocketAddr;

use farcast_adapters::runtime::Runtime;
use farcast_adapters::smol::Smol;
use farcast_adapters::tokio::Tokio;

use crate::turmoil::Turmoil;

/// A runtime that distances can be put on.
pub trait Base: Runtime {
    /// Our own address of a connection.
    fn near_end(stream: &Self::Tcp) -> io::Result<SocketAddr>;
}

impl Base for Tokio {
    fn near_end(stream: &Self::Tcp) -> io::Result<SocketAddr> {
        stream.get_ref().local_addr()
    }
}

impl Base for Smol {
    fn near_end(stream: &Self::Tcp) -> io::Result<SocketAddr> {
        stream.get_ref().local_addr()
    }
}

impl Base for Turmoil {
    fn near_end(stream: &Self::Tcp) -> io::Result<SocketAddr> {
        stream.get_ref().local_addr()
    }
}
