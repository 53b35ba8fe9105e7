//! All allocations of the server, by client, by relayed address and by user. It decides nothing but
//! how many there may be.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use slab::Slab;

use super::allocation::{Allocation, Relayed};
use super::client::Client;
use super::keys;
use crate::limits;

/// Allocations. The hash maps are looked up only, for each read of a socket; strangers choose the
/// addresses in them, so their hash is keyed.
#[derive(Debug, Default)]
pub(super) struct Table {
    slab: Slab<Allocation>,
    by_client: HashMap<Client, usize>,
    by_local: HashMap<SocketAddr, usize>,
    by_announced: HashMap<SocketAddr, usize>,
    by_name: BTreeMap<Vec<u8>, BTreeSet<usize>>,
    by_source: BTreeMap<IpAddr, usize>,
}

/// Too many allocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// Of this user, or from this IP.
    Quota,
    /// Of everybody together.
    Full,
}

impl Table {
    /// Whether this user may have one more from this IP.
    pub(super) fn has_room(
        &self,
        username: &[u8],
        source: IpAddr,
        per_user: usize,
    ) -> Result<(), Excess> {
        let of_user = self.by_name.get(keys::name(username)).map_or(0, BTreeSet::len);
        let of_source = self.by_source.get(&source).copied().unwrap_or(0);
        if of_user >= per_user || of_source >= limits::TURN_PER_SOURCE {
            return Err(Excess::Quota);
        }
        if self.slab.len() >= limits::TURN_ALLOCATIONS { Err(Excess::Full) } else { Ok(()) }
    }

    pub(super) fn insert(&mut self, allocation: Allocation) -> usize {
        let (client, source) = (allocation.asker.client, allocation.asker.peer.ip());
        let name = keys::name(&allocation.user.username).to_vec();
        let index = self.slab.insert(allocation);
        self.by_client.insert(client, index);
        self.by_name.entry(name).or_default().insert(index);
        *self.by_source.entry(source).or_default() += 1;
        index
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<Allocation> {
        let allocation = self.slab.try_remove(index)?;
        self.by_client.remove(&allocation.asker.client);
        for relayed in &allocation.relayed {
            self.forget(relayed);
        }
        let name = keys::name(&allocation.user.username);
        if let Some(others) = self.by_name.get_mut(name) {
            others.remove(&index);
            if others.is_empty() {
                self.by_name.remove(name);
            }
        }
        let source = allocation.asker.peer.ip();
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
        Some(allocation)
    }

    /// The allocation has one more relayed address.
    pub(super) fn add_relayed(&mut self, index: usize, relayed: Relayed) {
        let Some(allocation) = self.slab.get_mut(index) else { return };
        allocation.relayed.push(relayed);
        if relayed.has_socket {
            self.by_local.insert(relayed.local, index);
        }
        self.by_announced.insert(relayed.announced, index);
    }

    /// Takes those relayed addresses from an allocation that `is_gone` names.
    pub(super) fn take_relayed(
        &mut self,
        index: usize,
        is_gone: impl Fn(&Relayed) -> bool,
    ) -> Vec<Relayed> {
        let Some(allocation) = self.slab.get_mut(index) else { return Vec::new() };
        let gone: Vec<Relayed> = allocation.relayed.extract_if(.., |one| is_gone(one)).collect();
        for relayed in &gone {
            self.forget(relayed);
        }
        gone
    }

    pub(super) fn get(&self, index: usize) -> Option<&Allocation> {
        self.slab.get(index)
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Allocation> {
        self.slab.get_mut(index)
    }

    pub(super) fn of_client(&self, client: Client) -> Option<usize> {
        self.by_client.get(&client).copied()
    }

    pub(super) fn of_local(&self, local: SocketAddr) -> Option<usize> {
        self.by_local.get(&local).copied()
    }

    pub(super) fn of_announced(&self, announced: SocketAddr) -> Option<usize> {
        self.by_announced.get(&announced).copied()
    }

    /// Those whose credentials were made for `name`.
    pub(super) fn of_name(&self, name: &[u8]) -> Vec<usize> {
        self.by_name.get(name).map(|all| all.iter().copied().collect()).unwrap_or_default()
    }

    pub(super) fn all(&self) -> Vec<usize> {
        self.slab.iter().map(|(index, _)| index).collect()
    }

    fn forget(&mut self, relayed: &Relayed) {
        if relayed.has_socket {
            self.by_local.remove(&relayed.local);
        }
        self.by_announced.remove(&relayed.announced);
    }
}
