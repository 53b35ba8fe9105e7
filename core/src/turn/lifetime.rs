//! Refresh (RFC 8656 section 8), and how allocations and reserved ports end. It knows no packet
//! that is relayed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::allocation::{Allocation, Relayed, Transport};
use super::message::{Answer, Family, method};
use super::ports::Ports;
use super::refusal::Refusal;
use super::requests::{Handled, Request};
use super::{Desk, Due, News, Turn};
use crate::limits;
use crate::machine::Output;
use crate::report::Report;

/// A port that nobody but the holder of its token gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reservation {
    pub(super) family: Family,
    pub(super) port: u16,
}

impl Turn {
    pub(super) fn refresh(&mut self, request: &Request, desk: &mut Desk<'_>) -> Handled {
        let (index, allocation) = self.allocation_of(request)?;
        let family = request.words.family();
        if family.is_some_and(|family| allocation.relayed(family).is_none()) {
            return Err(Refusal::FamilyMismatch);
        }
        let lifetime = refreshed_lifetime(request.words.lifetime());
        let answer = Answer::success(method::REFRESH, request.transaction).lifetime(lifetime);
        let until = desk.now + lifetime;
        for relayed in &mut allocation.relayed {
            if family.is_none_or(|family| family == relayed.family) {
                relayed.until = until;
            }
        }
        self.expire(index, "the client left", desk);
        Ok(Some(answer))
    }

    /// Forgets what is over of an allocation, and all of it if no relayed address is left.
    pub(super) fn expire(&mut self, index: usize, why: &'static str, desk: &mut Desk<'_>) {
        let now = desk.now;
        for relayed in self.table.take_relayed(index, |relayed| relayed.until <= now) {
            self.close_relayed(index, relayed, desk);
        }
        let Some(allocation) = self.table.get_mut(index) else { return };
        let dropped = std::mem::take(&mut allocation.dropped);
        if dropped > 0 {
            let allocation = allocation.serial;
            desk.out.report(Report::TurnDropped { allocation, packets: dropped });
        }
        let next = allocation.expire(now);
        match next.filter(|_| !allocation.relayed.is_empty()) {
            Some(next) => self.timers.set(Due::Allocation(index), next),
            None => self.free(index, why, desk),
        }
    }

    /// Ends an allocation and all that belongs to it.
    pub(super) fn free(&mut self, index: usize, why: &'static str, desk: &mut Desk<'_>) {
        let Some(allocation) = self.discard(index, desk) else { return };
        if allocation.attempt.is_none() {
            let user = allocation.user.to_string();
            desk.out.report(Report::TurnFreed { allocation: allocation.serial, user, why });
        }
    }

    /// The same without a word: it had no relayed address yet.
    pub(super) fn discard(&mut self, index: usize, desk: &mut Desk<'_>) -> Option<Allocation> {
        for relayed in self.table.take_relayed(index, |_| true) {
            self.close_relayed(index, relayed, desk);
        }
        let allocation = self.table.remove(index)?;
        self.timers.clear(Due::Allocation(index));
        self.end_connections(allocation.serial, desk);
        if let Some(attempt) = &allocation.attempt {
            for wanted in attempt.wanted.values() {
                self.give(wanted.family, wanted.port);
                if attempt.even == Some(true) {
                    self.give(wanted.family, wanted.port + 1);
                }
            }
        }
        self.note_freed(&allocation.asker, desk.now);
        Some(allocation)
    }

    fn close_relayed(&mut self, index: usize, relayed: Relayed, desk: &mut Desk<'_>) {
        let Some(allocation) = self.table.get(index) else { return };
        if relayed.has_socket {
            desk.out.push(close(relayed.local, allocation.transport == Transport::Tcp));
        }
        if allocation.is_inward {
            desk.inward.news.push(News::Ended { relayed: relayed.announced });
        }
        if let Some(ports) = self.ports_mut(relayed.family) {
            ports.rest(relayed.announced.port(), desk.now);
        }
    }

    /// Keeps the port after an even one for whoever shows the token.
    pub(super) fn reserve(&mut self, index: usize, relayed: Relayed, now: Instant) {
        let Some(port) = relayed.announced.port().checked_add(1) else { return };
        let token = self.seed.bits();
        self.reservations.insert(token, Reservation { family: relayed.family, port });
        self.timers.set(Due::Reservation(token), now + limits::TURN_RESERVATION);
        if let Some(allocation) = self.table.get_mut(index) {
            allocation.token = Some(token);
        }
    }

    /// Nobody came for it.
    pub(super) fn release(&mut self, token: u64) {
        if let Some(Reservation { family, port }) = self.reservations.remove(&token) {
            self.give(family, port);
        }
    }

    pub(super) fn forget_reservation(&mut self, token: Option<u64>) {
        let Some(token) = token else { return };
        self.reservations.remove(&token);
        self.timers.clear(Due::Reservation(token));
    }

    pub(super) fn ports(&self, family: Family) -> Option<&Ports> {
        self.relays.iter().find(|ports| ports.family() == family)
    }

    pub(super) fn give(&mut self, family: Family, port: u16) {
        if let Some(ports) = self.ports_mut(family) {
            ports.give(port);
        }
    }

    fn ports_mut(&mut self, family: Family) -> Option<&mut Ports> {
        self.relays.iter_mut().find(|ports| ports.family() == family)
    }
}

/// For how much longer an allocation lives; 0 ends it.
fn refreshed_lifetime(wished: Option<Duration>) -> Duration {
    let (least, most) = limits::TURN_LIFETIME;
    match wished {
        Some(Duration::ZERO) => Duration::ZERO,
        wished => wished.unwrap_or(least).clamp(least, most),
    }
}

/// The errand that closes what a `Listen` or a `Bind` brought.
pub(super) fn close(local: SocketAddr, is_listener: bool) -> Output {
    if is_listener { Output::Unlisten { local } } else { Output::Unbind { local } }
}
