//! Peers behind this node's own TURN server: what becomes of the relayed addresses that they are
//! reached at.

use std::net::SocketAddr;

use crate::hub::Hub;
use crate::hub::session::route::Place;
use crate::machine::Carrier;

impl Hub {
    /// So many bytes wait for whoever is behind a relayed address.
    pub(crate) fn note_waiting(&mut self, relayed: SocketAddr, bytes: usize) {
        let place = Place { carrier: Carrier::Relay, peer: relayed };
        let key = self.demux.by_place(place);
        if let Some(member) = key.and_then(|key| self.sessions.get_mut(key)) {
            member.session.route().waits(place, bytes);
        }
    }

    /// A relayed address is nobody's any more: whoever has it next is a stranger.
    pub(crate) fn lose_relayed(&mut self, relayed: SocketAddr) {
        let place = Place { carrier: Carrier::Relay, peer: relayed };
        if let Some(key) = self.demux.by_place(place) {
            self.lose_place(place, key);
        }
    }
}
