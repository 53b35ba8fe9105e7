//! The road of relayed packets: ChannelData, Send and Data, by offset, from one address to another.
//! It asks no timer and takes no memory; what it cannot pass on it drops.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::allocation::{Allocation, Heading, Transport};
use super::client::{Asker, Client};
use super::guard::Scanned;
use super::message::{Transaction, kind, method};
use super::peers::{self, Way};
use super::permit::way;
use super::streams::Streams;
use super::{Desk, Due, Turn, address};
use crate::limits;
use crate::machine::Datagram;
use crate::outbox::Runs;
use crate::seed::Seed;
use crate::timers::Timers;

/// Bytes before a channel's data (RFC 8656 section 12.4).
const CHANNEL_HEADER: usize = 4;
/// Bytes of a Data indication before its data: header, XOR-PEER-ADDRESS, and DATA's own.
const LONGEST_PREFIX: usize = 20 + 4 + address::LONGEST + 4;
/// Comprehension-required attributes that a Send indication may have (RFC 8656 section 11.2).
const KNOWN: [u16; 3] = [kind::XOR_PEER_ADDRESS, kind::DATA, kind::DONT_FRAGMENT];

#[expect(clippy::wrong_self_convention, reason = "it says whose datagrams come")]
impl Turn {
    /// Datagrams of clients.
    pub(crate) fn from_clients(&mut self, datagrams: &[Datagram<'_>], desk: &mut Desk<'_>) {
        for run in datagrams.chunk_by(is_same_way) {
            let asker = Asker::udp(run[0].local, run[0].peer);
            let mut index = self.table.of_client(asker.client);
            for datagram in run {
                if is_channel_data(datagram.payload) {
                    self.channel_data(index, datagram.payload, desk);
                } else {
                    self.message(&asker, datagram.payload, desk);
                    index = self.table.of_client(asker.client);
                }
            }
        }
    }

    /// Datagrams of peers, on relayed addresses' sockets.
    pub(crate) fn from_peers(&mut self, datagrams: &[Datagram<'_>], desk: &mut Desk<'_>) {
        for run in datagrams.chunk_by(is_same_way) {
            let Some(index) = self.of_local(run[0].local) else { continue };
            let payloads = run.iter().map(|datagram| datagram.payload);
            let from = (run[0].peer, Some(limits::TURN_MEDIA_AGE));
            self.deliver(index, from, payloads, desk);
        }
    }

    /// Datagrams of this node's own media for relayed addresses.
    pub(crate) fn from_media(&mut self, datagrams: &Runs, desk: &mut Desk<'_>) {
        for run in datagrams.transmits() {
            let Some(index) = self.table.of_announced(run.peer) else { continue };
            let Some(allocation) = self.table.get(index) else { continue };
            let heading = |name: &SocketAddr| allocation.heading(*name, desk.now);
            let is_bound = |name: &SocketAddr| matches!(heading(name), Some(Heading::Channel(_)));
            // The client knows our media by one of its names.
            let names = || self.peers.names(run.local);
            let bound = names().find(is_bound);
            let name = bound.or_else(|| names().find(|name| heading(name).is_some()));
            let Some(name) = name else { continue };
            // It hears how much waits, and stops by itself: what it has begun must arrive whole.
            self.deliver(index, (name, None), run.datagrams(), desk);
        }
    }

    /// Whether this is the address of a relayed address's socket.
    pub(crate) fn is_relayed(&self, local: SocketAddr) -> bool {
        self.of_local(local).is_some()
    }

    /// ChannelData of a client, in one piece.
    pub(super) fn channel_data(&mut self, index: Option<usize>, frame: &[u8], desk: &mut Desk<'_>) {
        let Some((&[n0, n1, l0, l1], rest)) = frame.split_first_chunk::<CHANNEL_HEADER>() else {
            return;
        };
        let Some(payload) = rest.get(..usize::from(u16::from_be_bytes([l0, l1]))) else { return };
        let Some(index) = index else { return };
        let Some(allocation) = self.table.get_mut(index) else { return };
        let number = u16::from_be_bytes([n0, n1]);
        let Some((peer, way)) = allocation.channels.peer(number, desk.now) else { return };
        pass(allocation, (index, &mut self.timers), (peer, way), payload, desk);
    }

    /// A Send indication (RFC 8656 section 11.2).
    pub(super) fn send(&mut self, asker: &Asker, scanned: &Scanned<'_>, desk: &mut Desk<'_>) {
        let Some(index) = self.table.of_client(asker.client) else { return };
        let Turn { table, peers, timers, .. } = self;
        let Some(allocation) = table.get_mut(index) else { return };
        if scanned.unknown(&KNOWN).next().is_some() || allocation.transport == Transport::Tcp {
            return;
        }
        let Some(payload) = scanned.attribute(kind::DATA) else { return };
        let peer = scanned.attribute(kind::XOR_PEER_ADDRESS);
        let peer = peer.and_then(|value| address::read(value, &scanned.transaction));
        let Some(peer) = peer.filter(|peer| allocation.permissions.allow(peer.ip(), desk.now))
        else {
            return;
        };
        let Some(way) = way(peers, allocation, peer) else { return };
        pass(allocation, (index, timers), (peer, way), payload, desk);
    }

    /// What a peer sent to a relayed address reaches its client, unless it gets too old before.
    fn deliver<'p>(
        &mut self,
        index: usize,
        (peer, age): (SocketAddr, Option<Duration>),
        payloads: impl Iterator<Item = &'p [u8]>,
        desk: &mut Desk<'_>,
    ) {
        let Turn { table, timers, streams, seed, .. } = self;
        let Some(allocation) = table.get_mut(index) else { return };
        let Some(heading) = allocation.heading(peer, desk.now) else { return };
        for payload in payloads {
            let fits = payload.len() <= limits::TURN_PAYLOAD;
            if !fits || !allocation.inbound.passes(payload.len(), desk.now) {
                note_dropped(allocation, index, timers, desk);
                continue;
            }
            let mut prefix = [0; LONGEST_PREFIX];
            let (prefix, padding) = match heading {
                Heading::Channel(number) => (channel_header(number, payload, &mut prefix), false),
                Heading::Data => (data_prefix(peer, payload, seed, &mut prefix), true),
            };
            let frame = ([prefix, payload], padding);
            to_client(allocation.asker.client, frame, age, (streams, timers), desk);
        }
        streams.tell_waiting(allocation, desk);
    }

    /// The allocation whose relayed address is bound here.
    pub(super) fn of_local(&self, local: SocketAddr) -> Option<usize> {
        self.table.of_local(local).or_else(|| {
            // A socket of every interface; its datagrams say which one they came in at.
            let any = match local {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            self.table.of_local(SocketAddr::new(any, local.port()))
        })
    }
}

pub(super) fn is_channel_data(bytes: &[u8]) -> bool {
    matches!(bytes, [0x40..=0x7f, ..])
}

fn is_same_way(one: &Datagram<'_>, other: &Datagram<'_>) -> bool {
    one.peer == other.peer && one.local == other.local
}

/// What a client sent goes to a peer.
fn pass(
    allocation: &mut Allocation,
    (index, timers): (usize, &mut Timers<Due>),
    (peer, way): (SocketAddr, Way),
    payload: &[u8],
    desk: &mut Desk<'_>,
) {
    let family = super::message::Family::of(peer);
    let Some(relayed) = allocation.relayed(family).copied() else { return };
    if !allocation.outbound.passes(payload.len(), desk.now) {
        return note_dropped(allocation, index, timers, desk);
    }
    match way {
        Way::Outward => desk.out.send(relayed.local, peer, payload),
        Way::Inward(local) if peers::is_media(payload) => {
            allocation.is_inward = true;
            desk.inward.datagrams.pass(local, relayed.announced, payload);
        }
        Way::Inward(_) => {}
    }
}

fn to_client(
    client: Client,
    ([prefix, payload], is_padded): ([&[u8]; 2], bool),
    age: Option<Duration>,
    (streams, timers): (&mut Streams, &mut Timers<Due>),
    desk: &mut Desk<'_>,
) {
    let padding = &[0; 3][..payload.len().next_multiple_of(4) - payload.len()];
    match client {
        // ChannelData in a datagram needs no padding (RFC 8656 section 12.5).
        Client::Udp { local, peer } if is_padded => {
            desk.out.send_parts(local, peer, &[prefix, payload, padding]);
        }
        Client::Udp { local, peer } => desk.out.send_parts(local, peer, &[prefix, payload]),
        Client::Stream(stream) => {
            streams.media(stream, &[prefix, payload, padding], age, timers, desk);
        }
    }
}

fn channel_header<'b>(number: u16, payload: &[u8], to: &'b mut [u8; LONGEST_PREFIX]) -> &'b [u8] {
    to[..2].copy_from_slice(&number.to_be_bytes());
    to[2..4].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    &to[..CHANNEL_HEADER]
}

/// A Data indication up to its data (RFC 8656 section 11.4).
fn data_prefix<'b>(
    peer: SocketAddr,
    payload: &[u8],
    seed: &mut Seed,
    to: &'b mut [u8; LONGEST_PREFIX],
) -> &'b [u8] {
    let transaction = transaction(seed);
    let mut value = [0; address::LONGEST];
    let len = address::write(peer, &transaction, &mut value);
    let total = 4 + len + 4 + payload.len().next_multiple_of(4);
    to[..2].copy_from_slice(&(method::DATA | 0x10).to_be_bytes());
    to[2..4].copy_from_slice(&(total as u16).to_be_bytes());
    to[4..8].copy_from_slice(&address::MAGIC_COOKIE);
    to[8..20].copy_from_slice(&transaction);
    to[20..22].copy_from_slice(&kind::XOR_PEER_ADDRESS.to_be_bytes());
    to[22..24].copy_from_slice(&(len as u16).to_be_bytes());
    to[24..24 + len].copy_from_slice(&value[..len]);
    to[24 + len..26 + len].copy_from_slice(&kind::DATA.to_be_bytes());
    to[26 + len..28 + len].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    &to[..28 + len]
}

pub(super) fn transaction(seed: &mut Seed) -> Transaction {
    let mut transaction = [0; 12];
    transaction[..8].copy_from_slice(&seed.bits().to_be_bytes());
    transaction[8..].copy_from_slice(&seed.bits().to_be_bytes()[..4]);
    transaction
}

/// Counts a packet that was too much; a report tells soon.
fn note_dropped(
    allocation: &mut Allocation,
    index: usize,
    timers: &mut Timers<Due>,
    desk: &Desk<'_>,
) {
    if allocation.dropped == 0 {
        timers.hasten(Due::Allocation(index), desk.now + limits::TURN_REPORT);
    }
    allocation.dropped += 1;
}
