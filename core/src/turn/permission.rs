//! The permissions of one allocation (RFC 8656 section 9). It knows no message.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use crate::limits;

/// Until when each IP may send to the client.
#[derive(Debug, Default)]
pub(super) struct Permissions(BTreeMap<IpAddr, Instant>);

impl Permissions {
    /// Whether all of these could be installed.
    pub(super) fn have_room(&self, ips: &[IpAddr]) -> bool {
        let new = ips.iter().filter(|ip| !self.0.contains_key(ip)).count();
        self.0.len() + new <= limits::TURN_PEERS
    }

    /// Installs or refreshes one; says until when it is good.
    pub(super) fn install(&mut self, ip: IpAddr, now: Instant) -> Instant {
        let until = now + limits::TURN_PERMISSION;
        self.0.insert(ip, until);
        until
    }

    /// Whether this IP has one now.
    pub(super) fn allow(&self, ip: IpAddr, now: Instant) -> bool {
        self.0.get(&ip).is_some_and(|until| now < *until)
    }

    /// Forgets those whose time is over; says when the next one's is.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Instant> {
        self.0.retain(|_, until| now < *until);
        self.0.values().min().copied()
    }
}
