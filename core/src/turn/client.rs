//! Who a client is: the 5-tuple that its allocation belongs to. It knows no allocation.

use std::net::SocketAddr;

use crate::machine::StreamId;

/// A client's transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Client {
    /// Datagrams between these two addresses.
    Udp { local: SocketAddr, peer: SocketAddr },
    /// A byte stream.
    Stream(StreamId),
}

/// A client with the addresses that its messages come with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) client: Client,
    /// Ours, that it sends to.
    pub(super) local: SocketAddr,
    /// Its own, as we see it.
    pub(super) peer: SocketAddr,
}

impl Asker {
    pub(super) fn udp(local: SocketAddr, peer: SocketAddr) -> Self {
        Asker { client: Client::Udp { local, peer }, local, peer }
    }

    pub(super) fn is_udp(&self) -> bool {
        matches!(self.client, Client::Udp { .. })
    }

    pub(super) fn stream(&self) -> Option<StreamId> {
        match self.client {
            Client::Udp { .. } => None,
            Client::Stream(stream) => Some(stream),
        }
    }
}
