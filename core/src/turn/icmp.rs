//! ICMP errors that peers' networks send back (RFC 8656 section 11.5): the client hears of them.

use std::net::SocketAddr;

use super::fast::transaction;
use super::message::{Answer, method};
use super::opaque::IcmpError;
use super::{Desk, Turn};
use crate::machine::Icmp;

impl Turn {
    /// What was sent from `local` did not reach `peer`.
    pub(super) fn unreachable(
        &mut self,
        local: SocketAddr,
        peer: SocketAddr,
        icmp: Icmp,
        desk: &mut Desk<'_>,
    ) {
        // On any other socket it is about a client, who shows by silence that he is gone.
        let Some(index) = self.of_local(local) else { return };
        let Some(allocation) = self.table.get(index) else { return };
        if !allocation.permissions.allow(peer.ip(), desk.now) || !IcmpError::concerns(icmp, peer) {
            return;
        }
        let asker = allocation.asker;
        let indication = Answer::indication(method::DATA, transaction(&mut self.seed));
        let indication = indication.peer(peer).with(IcmpError::new(icmp));
        self.answer(&asker, &indication.bytes(), desk);
    }
}
