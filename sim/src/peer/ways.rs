//! A peer's ways beside UDP from its own address: a stream to the node, a TURN server's address.

use std::net::SocketAddr;
use std::time::Instant;

use str0m::Candidate;
use str0m::net::{Protocol, TcpType};

use super::Peer;

impl Peer {
    /// It has connected over TCP, from this address: that is one more way to check.
    pub fn take_stream(&mut self, now: Instant, at: SocketAddr) {
        let candidate = Candidate::builder().tcp().host(at).tcptype(TcpType::Active).build();
        self.refresh();
        self.rtc.add_local_candidate(candidate.expect("a plain address"));
        self.advance(now);
    }

    /// A TURN server has given it this address: that is one more way to check.
    pub fn take_relayed(&mut self, now: Instant, at: SocketAddr) {
        let candidate = Candidate::builder().udp().relayed(at, at).build();
        self.refresh();
        self.rtc.add_local_candidate(candidate.expect("a plain address"));
        self.relayed = Some(at);
        self.advance(now);
    }

    /// Takes a datagram that came to its relayed address.
    pub fn receive_relayed(&mut self, now: Instant, from: SocketAddr, payload: &[u8]) {
        if let Some(at) = self.relayed {
            self.take_in(now, Protocol::Udp, (from, at), payload);
        }
    }

    /// The next datagram that shall leave from its relayed address, and where to.
    pub fn next_relayed(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.to_relay.pop_front()
    }

    /// It gives UDP up, as browsers do whose checks were not answered for a while.
    pub fn forsake_udp(&mut self, now: Instant) {
        let candidate = Candidate::host(self.address, "udp").expect("a plain address");
        self.refresh();
        self.rtc.direct_api().invalidate_candidate(&candidate);
        self.advance(now);
    }

    /// Takes a datagram that came over a stream of its own, between these.
    pub fn receive_framed(&mut self, now: Instant, ends: (SocketAddr, SocketAddr), payload: &[u8]) {
        self.take_in(now, Protocol::Tcp, ends, payload);
    }

    /// The next datagram that it wants carried over a stream, and where to.
    pub fn next_framed(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.framed.pop_front()
    }
}
