//! What guests and nodes want carried, and who carries it: the network, a stream, a call.

use std::net::SocketAddr;

use super::{Actor, Arrival, PeerIndex, World};
use crate::guest::Guest;

impl World {
    pub(super) fn carry_for(&mut self, index: PeerIndex) {
        let from = self.guests[index].socket();
        while let Some((to, payload)) = self.guests[index].next_outgoing() {
            self.send(from, to, payload);
        }
        while let Some((to, payload)) = self.guests[index].next_framed() {
            self.write_framed(index, to, &payload);
        }
        self.carry_tunnel(index);
        if let Guest::Browser(browser) = &mut self.guests[index] {
            let calls: Vec<_> = std::iter::from_fn(|| browser.next_call()).collect();
            for (call, request) in calls {
                self.call(Actor::Guest(index), call, request);
            }
        }
        self.set_alarm(Actor::Guest(index));
    }

    pub(super) fn send(&mut self, from: SocketAddr, to: SocketAddr, payload: Vec<u8>) {
        if [from, to].iter().any(|at| self.without_udp.contains(&at.ip())) {
            return;
        }
        let now = self.now - self.start;
        if let Some(at) = self.net.carry(now, from, to, &payload) {
            self.schedule(self.start + at, Arrival::Datagram { from, to, payload });
        }
    }
}
