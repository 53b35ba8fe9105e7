//! Whose credentials do not count any more though they have not expired. It knows no allocation.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use crate::limits;

/// Names until their credentials have expired.
#[derive(Default)]
pub(super) struct Revoked {
    names: BTreeSet<Vec<u8>>,
    /// By when they may be forgotten.
    order: VecDeque<(Instant, Vec<u8>)>,
}

impl Revoked {
    /// From now on credentials of this name do not count.
    pub(super) fn add(&mut self, now: Instant, name: &[u8]) {
        while self.order.front().is_some_and(|(until, _)| *until <= now)
            || self.order.len() >= limits::TURN_REVOKED
        {
            let Some((_, name)) = self.order.pop_front() else { break };
            self.names.remove(&name);
        }
        if self.names.insert(name.to_vec()) {
            self.order.push_back((now + limits::TURN_CREDENTIALS, name.to_vec()));
        }
    }

    /// Whether they do not.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.names.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_forgotten_when_their_credentials_have_expired_or_are_too_many() {
        let (mut revoked, now) = (Revoked::default(), Instant::now());
        revoked.add(now, b"alice");
        revoked.add(now, b"alice");
        revoked.add(now + limits::TURN_CREDENTIALS / 2, b"bob");
        assert!(revoked.has(b"alice") && revoked.has(b"bob") && !revoked.has(b"carol"));
        revoked.add(now + limits::TURN_CREDENTIALS, b"carol");
        assert!(!revoked.has(b"alice") && revoked.has(b"bob"));
        for number in 0..=limits::TURN_REVOKED {
            revoked.add(now, &number.to_be_bytes());
        }
        assert_eq!(
            (revoked.names.len(), revoked.order.len()),
            (limits::TURN_REVOKED, limits::TURN_REVOKED)
        );
        assert!(!revoked.has(b"bob"));
    }
}
