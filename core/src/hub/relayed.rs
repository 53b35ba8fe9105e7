//! Peers behind this node's own TURN server: what becomes of the relayed addresses that they are
//! reached at.

use std::net::SocketAddr;

use crate::hub::Hub;
use crate::hub::session::route::Place;
use crate::machine::Carrier;

impl Hub {
    /// A relayed address is nobody's any more: whoever has it next is a stranger.
    pub(crate) fn lose_relayed(&mut self, relayed: SocketAddr) {
        let place = Place { carrier: Carrier::Relay, peer: relayed };
        if let Some(key) = self.demux.by_place(place) {
            self.lose_place(place, key);
        }
    }
}
