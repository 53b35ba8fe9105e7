//! How many connections one listener has, and how many of them one source: so that nobody keeps
//! everybody else out. It knows no connection.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

use farcast_core::limits;

/// The bits of an IPv6 address that its owner did not choose (RFC 6177: a site has at least /64).
const SITE: u128 = !(u64::MAX as u128);

/// Seats for connections.
#[derive(Default)]
pub(super) struct Seats(Rc<RefCell<Taken>>);

#[derive(Default)]
struct Taken {
    all: usize,
    /// Looked up only.
    by_source: HashMap<IpAddr, usize>,
}

impl Seats {
    /// A seat for somebody from there, if there is one left for them.
    pub(super) fn take(&self, ip: IpAddr) -> Option<Seat> {
        let source = source(ip);
        let mut taken = self.0.borrow_mut();
        let own = taken.by_source.get(&source).copied().unwrap_or_default();
        if taken.all >= limits::CONNECTIONS || own >= limits::CONNECTIONS_PER_SOURCE {
            return None;
        }
        taken.all += 1;
        taken.by_source.insert(source, own + 1);
        Some(Seat { source, taken: Rc::clone(&self.0) })
    }
}

/// The right of one connection to be here; dropping it makes room for another.
pub(crate) struct Seat {
    source: IpAddr,
    taken: Rc<RefCell<Taken>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.taken.borrow_mut();
        taken.all -= 1;
        if let Some(own) = taken.by_source.get_mut(&self.source) {
            *own -= 1;
            if *own == 0 {
                taken.by_source.remove(&self.source);
            }
        }
    }
}

/// Whom an address belongs to, as far as can be told.
fn source(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from(u128::from(ip) & SITE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_source_leaves_seats_for_others_and_gives_its_own_back() {
        let seats = Seats::default();
        let own = |host: usize| ip(&format!("2001:db8::{host:x}"));
        let mut held: Vec<Seat> = (0..limits::CONNECTIONS_PER_SOURCE)
            .map(|host| seats.take(own(host)).unwrap())
            .collect();
        assert!(seats.take(own(1)).is_none(), "one site is one source");
        assert!(seats.take(ip("2001:db8:0:1::1")).is_some());
        assert!(seats.take(ip("192.0.2.1")).is_some());
        held.pop();
        held.push(seats.take(own(1)).unwrap());
        drop(held);
        assert!(seats.0.borrow().by_source.is_empty());
    }

    #[test]
    fn all_of_them_together_are_bounded_too() {
        let seats = Seats::default();
        let host = |number: usize| IpAddr::from((number as u32).to_be_bytes());
        let held: Vec<Seat> =
            (0..limits::CONNECTIONS).map(|number| seats.take(host(number)).unwrap()).collect();
        assert!(seats.take(ip("192.0.2.1")).is_none());
        drop(held);
        assert!(seats.take(ip("192.0.2.1")).is_some());
    }
}
