//! Allocate and Refresh (RFC 8656 sections 7 and 8, RFC 6062 section 5.1): how relayed addresses
//! come and go. It knows no packet that is relayed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::allocation::{Allocation, Attempt, Relayed, Transport, Wanted};
use super::channel::Channels;
use super::lifetime::close;
use super::message::{Answer, Family, Words, method};
use super::meter::Meter;
use super::opaque::AddressErrorCode;
use super::permission::Permissions;
use super::refusal::Refusal;
use super::requests::{Handled, Request};
use super::table::Excess;
use super::{Desk, Due, Turn};
use crate::limits;
use crate::machine::{BindId, Output};
use crate::report::Report;
use crate::sorting;

/// What an Allocate request wants.
struct Wish {
    transport: Transport,
    family: Family,
    /// IPv6 beside IPv4, if it can be had.
    both: bool,
    even: Option<bool>,
    reservation: Option<u64>,
    lifetime: Duration,
}

/// REQUESTED-TRANSPORT (RFC 8656 section 18.7): numbers of the Internet protocols.
const UDP: u8 = 17;
const TCP: u8 = 6;

impl Turn {
    pub(super) fn allocate(&mut self, request: &Request, desk: &mut Desk<'_>) -> Handled {
        if let Some(index) = self.table.of_client(request.asker.client) {
            return self.allocate_again(index, request, desk.now);
        }
        let wish = Wish::read(&request.words, request.asker.is_udp())?;
        self.is_open(request.asker.peer.ip())?;
        if !wish.both && self.ports(wish.family).is_none() {
            return Err(Refusal::FamilyNotSupported);
        }
        let reserved = wish.reservation.and_then(|token| self.reservations.get(&token).copied());
        let is_full =
            wish.even == Some(true) && self.reservations.len() >= limits::TURN_RESERVATIONS;
        if is_full || (wish.reservation.is_some() && reserved.is_none()) {
            return Err(Refusal::InsufficientCapacity);
        }
        let (username, source) = (&request.user.username, request.asker.peer.ip());
        self.table.has_room(username, source, self.per_user).map_err(|excess| match excess {
            Excess::Quota => Refusal::QuotaReached,
            Excess::Full => Refusal::InsufficientCapacity,
        })?;
        let index = self.begin(request, &wish, desk.now);
        match reserved {
            Some(reserved) => {
                self.forget_reservation(wish.reservation);
                self.want(index, reserved.family, Some(reserved.port), 1, desk);
            }
            None => {
                let tries = limits::TURN_BIND_TRIES;
                self.want(index, wish.family, None, tries, desk);
                if wish.both {
                    self.want(index, Family::V6, None, tries, desk);
                }
            }
        }
        self.conclude(index, desk);
        Ok(None)
    }

    /// Whether new clients may come at all. One that cannot be sent elsewhere, since the server
    /// there has no address of its family (RFC 8489 section 10), hears that there is no room here.
    fn is_open(&self, source: IpAddr) -> Result<(), Refusal> {
        if self.alternates.is_empty() && !self.stopped {
            return Ok(());
        }
        let alternate = self.alternates.iter().find(|at| at.is_ipv4() == source.is_ipv4());
        Err(alternate.map_or(Refusal::InsufficientCapacity, |at| Refusal::TryAlternate(*at)))
    }

    /// Whoever did not hear the answer asks again; whoever asks for more gets nothing.
    fn allocate_again(&self, index: usize, request: &Request, now: Instant) -> Handled {
        let allocation = self.table.get(index).ok_or(Refusal::AllocationMismatch)?;
        let is_same = allocation.transaction == request.transaction
            && allocation.user.username == request.user.username;
        match is_same {
            true if allocation.attempt.is_some() => Ok(None),
            true => Ok(Some(granted(allocation, now))),
            false => Err(Refusal::AllocationMismatch),
        }
    }

    fn begin(&mut self, request: &Request, wish: &Wish, now: Instant) -> usize {
        let attempt = Attempt { lifetime: wish.lifetime, even: wish.even, wanted: BTreeMap::new() };
        let allocation = Allocation {
            serial: self.name(),
            asker: request.asker,
            user: request.user.clone(),
            transport: wish.transport,
            transaction: request.transaction,
            born: now,
            attempt: Some(attempt),
            relayed: Vec::new(),
            missing: None,
            token: None,
            permissions: Permissions::default(),
            channels: Channels::default(),
            is_inward: false,
            inbound: Meter::new(self.bitrate, now),
            outbound: Meter::new(self.bitrate, now),
            dropped: 0,
        };
        self.note_allocated(&request.asker);
        self.table.insert(allocation)
    }

    /// Wants a relayed address of this family, at this port or any.
    fn want(
        &mut self,
        index: usize,
        family: Family,
        port: Option<u16>,
        tries: u32,
        desk: &mut Desk<'_>,
    ) {
        let bind = BindId(self.name() | sorting::TURN);
        let Some(allocation) = self.table.get_mut(index) else { return };
        let Some(attempt) = &mut allocation.attempt else { return };
        let even = attempt.even;
        let Some(ports) = self.relays.iter_mut().find(|ports| ports.family() == family) else {
            allocation.missing = Some((family, Refusal::FamilyNotSupported.code()));
            return;
        };
        let port = port.or_else(|| match even {
            Some(pair) => ports.draw_even(pair, &mut self.seed, desk.now),
            None => ports.draw(&mut self.seed, desk.now),
        });
        let Some(port) = port else {
            allocation.missing = Some((family, Refusal::InsufficientCapacity.code()));
            return;
        };
        attempt.wanted.insert(bind, Wanted { family, port, tries });
        let near = SocketAddr::new(ports.ip.bind, port);
        if !self.sockets {
            let local = SocketAddr::new(ports.ip.announced, port);
            return self.bound_to(index, bind, local, desk.now);
        }
        self.binds.insert(bind, (index, allocation.serial));
        desk.out.push(match allocation.transport {
            Transport::Udp => Output::Bind { bind, near },
            Transport::Tcp => Output::Listen { bind, near },
        });
    }

    /// The world has answered a `Bind` or a `Listen`.
    pub(super) fn bound(
        &mut self,
        bind: BindId,
        result: &Result<SocketAddr, String>,
        is_listener: bool,
        desk: &mut Desk<'_>,
    ) {
        let Some((index, serial)) = self.binds.remove(&bind) else { return };
        if self.table.get(index).is_none_or(|allocation| allocation.serial != serial) {
            // Its client has left meanwhile.
            if let Ok(local) = *result {
                desk.out.push(close(local, is_listener));
            }
            return;
        }
        match result {
            Ok(local) => self.bound_to(index, bind, *local, desk.now),
            Err(why) => {
                desk.out.report(Report::TurnUnbound { why: why.clone() });
                self.not_bound(index, bind, desk);
            }
        }
        self.conclude(index, desk);
    }

    fn bound_to(&mut self, index: usize, bind: BindId, local: SocketAddr, now: Instant) {
        let Some(attempt) = self.table.get_mut(index).and_then(|one| one.attempt.as_mut()) else {
            return;
        };
        let Some(wanted) = attempt.wanted.remove(&bind) else { return };
        let (family, until) = (wanted.family, now + attempt.lifetime);
        let Some(ports) = self.ports(family) else { return };
        let announced = SocketAddr::new(ports.ip.announced, wanted.port);
        let has_socket = self.sockets;
        let relayed = Relayed { family, local, announced, has_socket, until };
        self.table.add_relayed(index, relayed);
    }

    /// Somebody else on this machine has the port.
    fn not_bound(&mut self, index: usize, bind: BindId, desk: &mut Desk<'_>) {
        let Some(allocation) = self.table.get_mut(index) else { return };
        let Some(attempt) = &mut allocation.attempt else { return };
        let Some(Wanted { family, port, tries }) = attempt.wanted.remove(&bind) else { return };
        let pair = attempt.even == Some(true);
        if tries > 1 {
            self.want(index, family, None, tries - 1, desk);
        } else {
            allocation.missing = Some((family, Refusal::InsufficientCapacity.code()));
        }
        // Only now, so that it is not drawn again at once.
        self.give(family, port);
        if pair {
            self.give(family, port + 1);
        }
    }

    /// Answers, if nothing is waited for any more.
    fn conclude(&mut self, index: usize, desk: &mut Desk<'_>) {
        let Some(allocation) = self.table.get_mut(index) else { return };
        let waits = allocation.attempt.as_ref().is_none_or(|one| !one.wanted.is_empty());
        if waits {
            return;
        }
        let Some(attempt) = allocation.attempt.take() else { return };
        let (asker, key) = (allocation.asker, allocation.user.key);
        if let Some(relayed) = allocation.relayed.first().copied() {
            if attempt.even == Some(true) {
                self.reserve(index, relayed, desk.now);
            }
            self.timers.set(Due::Allocation(index), relayed.until);
            self.report_allocated(index, desk);
            let Some(allocation) = self.table.get(index) else { return };
            let answer = granted(allocation, desk.now);
            return self.answer_sealed(&asker, answer, &key, desk);
        }
        let code =
            allocation.missing.map_or(Refusal::InsufficientCapacity.code(), |(_, code)| code);
        let answer = Answer::error(method::ALLOCATE, allocation.transaction, code, "");
        self.discard(index, desk);
        self.answer_sealed(&asker, answer, &key, desk);
    }

    fn report_allocated(&self, index: usize, desk: &mut Desk<'_>) {
        let Some(allocation) = self.table.get(index) else { return };
        for relayed in &allocation.relayed {
            desk.out.report(Report::TurnAllocated {
                allocation: allocation.serial,
                user: allocation.user.to_string(),
                client: allocation.asker.peer,
                relayed: relayed.announced,
            });
        }
    }
}

impl Wish {
    /// Checks what is wanted, in the order of RFC 8656 section 7.2.
    fn read(words: &Words, is_udp: bool) -> Result<Self, Refusal> {
        let transport = match words.transport() {
            Some(UDP) => Transport::Udp,
            // A TCP connection to the server is how its client binds others (RFC 6062 section 4.1).
            Some(TCP) if !is_udp => Transport::Tcp,
            Some(_) => return Err(Refusal::TransportNotSupported),
            None => return Err(Refusal::BadRequest("Transport Missing")),
        };
        let (even, reservation) = (words.even_port(), words.reservation());
        let (family, additional) = (words.family(), words.additional_family());
        let is_plain = even.is_none() && reservation.is_none();
        if transport == Transport::Tcp && (!is_plain || words.dont_fragment()) {
            return Err(Refusal::BadRequest("Not for TCP"));
        }
        if reservation.is_some() && (even.is_some() || family.is_some() || additional.is_some()) {
            return Err(Refusal::BadRequest("Not with a Token"));
        }
        let both = additional == Some(Family::V6);
        if additional.is_some() && (!both || family.is_some() || even == Some(true)) {
            return Err(Refusal::BadRequest("Not with two Families"));
        }
        let (family, lifetime) = (family.unwrap_or(Family::V4), granted_lifetime(words.lifetime()));
        Ok(Wish { transport, family, both, even, reservation, lifetime })
    }
}

/// How long a new allocation lives.
fn granted_lifetime(wished: Option<Duration>) -> Duration {
    let (least, most) = limits::TURN_LIFETIME;
    wished.unwrap_or(least).clamp(least, most)
}

/// The answer to whoever has made an allocation.
fn granted(allocation: &Allocation, now: Instant) -> Answer {
    let mut answer = Answer::success(method::ALLOCATE, allocation.transaction);
    for relayed in &allocation.relayed {
        answer = answer.relayed(relayed.announced);
    }
    if let Some((family, code)) = allocation.missing {
        answer = answer.with(AddressErrorCode::new(family.number(), code));
    }
    if let Some(token) = allocation.token {
        answer = answer.reservation(token);
    }
    let until = allocation.relayed.iter().map(|relayed| relayed.until).min();
    let lifetime = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
    answer.lifetime(lifetime).mapped(allocation.asker.peer)
}
