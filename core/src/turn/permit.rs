//! CreatePermission and ChannelBind (RFC 8656 sections 10 and 12.2): whom a client lets through,
//! and under which number. It knows no packet that is relayed.

use std::net::{IpAddr, SocketAddr};

use super::allocation::{Allocation, Transport};
use super::channel::Conflict;
use super::message::{Answer, Family};
use super::peers::{Peers, Way};
use super::refusal::Refusal;
use super::requests::{Handled, Request};
use super::{Desk, Due, Turn};

impl Turn {
    pub(super) fn create_permission(&mut self, request: &Request, desk: &mut Desk<'_>) -> Handled {
        let (index, _) = self.allocation_of(request)?;
        let Turn { table, peers, timers, .. } = self;
        let allocation = table.get_mut(index).ok_or(Refusal::AllocationMismatch)?;
        let wanted: Vec<SocketAddr> = request.words.peers().collect();
        if wanted.is_empty() {
            return Err(Refusal::BadRequest("Peer Missing"));
        }
        if wanted.iter().any(|peer| allocation.relayed(Family::of(*peer)).is_none()) {
            return Err(Refusal::FamilyMismatch);
        }
        let ips: Vec<IpAddr> = wanted.iter().map(SocketAddr::ip).collect();
        if !ips.iter().all(|ip| peers.permits(*ip)) {
            return Err(Refusal::Forbidden);
        }
        if !allocation.permissions.have_room(&ips) {
            return Err(Refusal::InsufficientCapacity);
        }
        for ip in ips {
            timers.hasten(Due::Allocation(index), allocation.permissions.install(ip, desk.now));
        }
        Ok(Some(Answer::success(request.method, request.transaction)))
    }

    pub(super) fn channel_bind(&mut self, request: &Request, desk: &mut Desk<'_>) -> Handled {
        let (index, _) = self.allocation_of(request)?;
        let Turn { table, peers, timers, .. } = self;
        let allocation = table.get_mut(index).ok_or(Refusal::AllocationMismatch)?;
        let (Some(number), Some(peer)) = (request.words.channel(), request.words.peer()) else {
            return Err(Refusal::BadRequest("Channel or Peer Missing"));
        };
        if allocation.relayed(Family::of(peer)).is_none() {
            return Err(Refusal::FamilyMismatch);
        }
        // RFC 6062 section 5.1: there are no channels for TCP.
        let is_udp = allocation.transport == Transport::Udp;
        let way = way(peers, allocation, peer).filter(|_| is_udp).ok_or(Refusal::Forbidden)?;
        allocation.channels.check(number, peer).map_err(|conflict| match conflict {
            Conflict::Taken => Refusal::BadRequest("Channel or Peer Taken"),
            Conflict::Full => Refusal::InsufficientCapacity,
        })?;
        if !allocation.permissions.have_room(&[peer.ip()]) {
            return Err(Refusal::InsufficientCapacity);
        }
        let bound = allocation.channels.bind(number, peer, way, desk.now);
        let permitted = allocation.permissions.install(peer.ip(), desk.now);
        timers.hasten(Due::Allocation(index), bound.min(permitted));
        Ok(Some(Answer::success(request.method, request.transaction)))
    }
}

/// The way from an allocation to a peer. The server itself is none, but for its own media: else
/// allocations that lie one in another could send in circles.
pub(super) fn way(peers: &Peers, allocation: &Allocation, peer: SocketAddr) -> Option<Way> {
    let way = peers.way(peer)?;
    (way != Way::Outward || peer != allocation.asker.local).then_some(way)
}
