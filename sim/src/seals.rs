//! Which packets each sender has sealed: SRTP's nonce is made of the SSRC and the packet's index
//! (RFC 7714 sections 8.1 and 9.1), so sealing one index twice gives the key away.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::trace;

/// Packets that are remembered in one flow: as many as sequence numbers tell apart.
const WINDOW: u64 = 1 << 16;

/// Remembers what was sealed.
#[derive(Debug, Default)]
pub struct Seals {
    flows: HashMap<Flow, Seen>,
    twice: Vec<Twice>,
}

/// A packet that was sealed twice.
#[derive(Debug, Clone)]
pub struct Twice {
    /// When, since the world's start.
    pub at: Duration,
    /// What and where.
    pub what: String,
}

/// Keys live on when a port changes behind a NAT, so a flow has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Flow {
    from: IpAddr,
    to: IpAddr,
    ssrc: u32,
    control: bool,
}

/// The last [`WINDOW`] indices of a flow, a bit for each.
#[derive(Debug)]
struct Seen {
    highest: u64,
    bits: Vec<u64>,
}

impl Seals {
    /// A datagram left its sender.
    pub fn note(&mut self, now: Duration, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let kind = trace::kind(payload);
        let (control, ssrc, index) = match (kind, payload) {
            // A ClientHello begins a handshake, which makes new keys (RFC 6347 section 4.2.2).
            ("dtls", payload) if payload.first() == Some(&22) && payload.get(13) == Some(&1) => {
                return self.forget(from.ip(), to.ip());
            }
            ("rtp", [_, _, a, b, _, _, _, _, ssrc @ ..]) => {
                (false, ssrc.first_chunk(), u32::from(u16::from_be_bytes([*a, *b])))
            }
            ("rtcp", [_, _, _, _, rest @ ..]) => {
                let trailer = payload.last_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
                (true, rest.first_chunk(), trailer & 0x7fff_ffff)
            }
            _ => return,
        };
        let Some(ssrc) = ssrc.map(|bytes| u32::from_be_bytes(*bytes)) else { return };
        let flow = Flow { from: from.ip(), to: to.ip(), ssrc, control };
        let seen = self.flows.entry(flow).or_insert_with(|| Seen::new(index.into()));
        if !seen.add(index.into(), control) {
            let what = format!("{kind} {index} of SSRC {ssrc:08x}, {from} to {to}");
            self.twice.push(Twice { at: now, what });
        }
    }

    /// What was sealed twice.
    pub fn twice(&self) -> &[Twice] {
        &self.twice
    }

    fn forget(&mut self, one: IpAddr, other: IpAddr) {
        let between = |flow: &Flow| {
            (flow.from, flow.to) == (one, other) || (flow.from, flow.to) == (other, one)
        };
        self.flows.retain(|flow, _| !between(flow));
    }
}

impl Seen {
    fn new(first: u64) -> Self {
        // One round above 0, so that the first packets may come in any order.
        Seen { highest: first + WINDOW - 1, bits: vec![0; (WINDOW / 64) as usize] }
    }

    /// Whether this index is a new one. RTP shows its lower 16 bits alone.
    fn add(&mut self, shown: u64, whole: bool) -> bool {
        let index = if whole { shown + WINDOW } else { self.nearest(shown) };
        if index + WINDOW <= self.highest {
            return true;
        }
        while self.highest < index {
            self.highest += 1;
            self.set(self.highest, false);
        }
        let is_new = !self.get(index);
        self.set(index, true);
        is_new
    }

    /// The index with these lower bits that is nearest to the highest one.
    fn nearest(&self, shown: u64) -> u64 {
        let base = self.highest - self.highest % WINDOW + shown;
        let all = [base.saturating_sub(WINDOW), base, base + WINDOW];
        all.into_iter().min_by_key(|index| index.abs_diff(self.highest)).unwrap_or(base)
    }

    fn get(&self, index: u64) -> bool {
        let place = index % WINDOW;
        self.bits[(place / 64) as usize] & (1 << (place % 64)) != 0
    }

    fn set(&mut self, index: u64, value: bool) {
        let place = index % WINDOW;
        let bit = 1 << (place % 64);
        let word = &mut self.bits[(place / 64) as usize];
        *word = if value { *word | bit } else { *word & !bit };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtp(sequence: u16) -> Vec<u8> {
        let [a, b] = sequence.to_be_bytes();
        vec![128, 96, a, b, 0, 0, 0, 0, 1, 2, 3, 4, 9]
    }

    fn rtcp(index: u32) -> Vec<u8> {
        let mut packet = vec![128, 200, 0, 1, 1, 2, 3, 4, 9];
        packet.extend_from_slice(&(index | 0x8000_0000).to_be_bytes());
        packet
    }

    fn twice(packets: &[Vec<u8>]) -> usize {
        let (from, to) = (([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into());
        let mut seals = Seals::default();
        packets.iter().for_each(|packet| seals.note(Duration::ZERO, from, to, packet));
        seals.twice().len()
    }

    #[test]
    fn a_repeated_index_is_found() {
        assert_eq!(twice(&[rtp(7), rtp(8), rtp(7)]), 1);
        assert_eq!(twice(&[rtcp(7), rtcp(8), rtcp(8)]), 1);
        assert_eq!(twice(&[rtp(65_535), rtp(0), rtp(65_535)]), 1);
    }

    #[test]
    fn indices_may_wrap_jump_and_come_in_any_order() {
        let wrapped: Vec<_> = (0..150_000_u32).map(|n| rtp(n as u16)).collect();
        assert_eq!(twice(&wrapped), 0);
        assert_eq!(twice(&[rtp(9), rtp(8), rtp(10), rtp(65_535)]), 0);
        assert_eq!(twice(&[rtcp(1), rtcp(2), rtcp(70_000), rtcp(3)]), 0);
    }

    #[test]
    fn a_handshake_makes_new_keys() {
        let hello = |kind| [vec![22; 13], vec![kind]].concat();
        assert_eq!(twice(&[rtp(7), hello(1), rtp(7)]), 0);
        assert_eq!(twice(&[rtp(7), hello(20), rtp(7)]), 1);
    }
}
