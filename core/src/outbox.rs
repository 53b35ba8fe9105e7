//! The slab that a world lends to its machine: datagrams lie in it back to back, in runs that one
//! segmented send can carry. It knows nothing of sessions or sockets.

use std::net::SocketAddr;
use std::ops::Range;

use crate::limits;
use crate::machine::Output;
use crate::report::Report;

/// Takes a machine's errands. The world owns it, walks it after each burst and clears it, so that
/// its memory is reused and forwarding allocates nothing.
#[derive(Debug, Default)]
pub struct Outbox {
    slab: Vec<u8>,
    runs: Vec<Run>,
    errands: Vec<Output>,
}

#[derive(Debug)]
struct Run {
    local: SocketAddr,
    peer: SocketAddr,
    bytes: Range<usize>,
    segment: usize,
    open: bool,
}

/// Datagrams for one peer that lie back to back: all of `segment` bytes, the last one perhaps
/// shorter. Fit for one UDP GSO send.
#[derive(Debug, Clone, Copy)]
pub struct Transmit<'a> {
    /// The local address to send from; unspecified IP: the kernel chooses.
    pub local: SocketAddr,
    /// Whom to send to.
    pub peer: SocketAddr,
    /// The datagrams' bytes, back to back.
    pub payload: &'a [u8],
    /// Size of every datagram but the last, in bytes.
    pub segment: usize,
}

impl Transmit<'_> {
    /// The datagrams of this run, one by one.
    pub fn datagrams(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.payload.chunks(self.segment)
    }
}

impl Outbox {
    /// Adds one datagram. It joins the last run if one segmented send can carry both.
    pub fn send(&mut self, local: SocketAddr, peer: SocketAddr, payload: &[u8]) {
        if payload.is_empty() {
            return;
        }
        let start = self.slab.len();
        self.slab.extend_from_slice(payload);
        let end = self.slab.len();
        if let Some(run) = self.runs.last_mut()
            && run.takes(local, peer, payload.len())
        {
            run.bytes.end = end;
            run.open = payload.len() == run.segment;
            return;
        }
        let segment = payload.len();
        self.runs.push(Run { local, peer, bytes: start..end, segment, open: true });
    }

    /// Adds an errand that is not a datagram.
    pub fn push(&mut self, output: Output) {
        self.errands.push(output);
    }

    /// Adds a report.
    pub fn report(&mut self, report: Report) {
        self.errands.push(Output::Report(report));
    }

    /// The datagrams, run by run, in the order in which they were added.
    pub fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.runs.iter().map(|run| Transmit {
            local: run.local,
            peer: run.peer,
            payload: &self.slab[run.bytes.clone()],
            segment: run.segment,
        })
    }

    /// Takes the other errands out, in order.
    pub fn errands(&mut self) -> impl Iterator<Item = Output> {
        self.errands.drain(..)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.errands.is_empty()
    }

    /// Empties the outbox and keeps its memory.
    pub fn clear(&mut self) {
        self.slab.clear();
        self.runs.clear();
        self.errands.clear();
    }
}

impl Run {
    fn takes(&self, local: SocketAddr, peer: SocketAddr, len: usize) -> bool {
        self.open
            && self.peer == peer
            && self.local == local
            && len <= self.segment
            && self.bytes.len() / self.segment < limits::RUN_SEGMENTS
            && self.bytes.len() + len <= limits::RUN_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn shape(outbox: &Outbox) -> Vec<(u16, usize, usize)> {
        outbox.transmits().map(|t| (t.peer.port(), t.segment, t.datagrams().len())).collect()
    }

    #[test]
    fn equal_datagrams_for_one_peer_share_a_run_that_a_shorter_one_ends() {
        let mut outbox = Outbox::default();
        for len in [100, 100, 40, 100] {
            outbox.send(addr(1), addr(2), &vec![7; len]);
        }
        outbox.send(addr(1), addr(3), &[7; 100]);
        assert_eq!(shape(&outbox), [(2, 100, 3), (2, 100, 1), (3, 100, 1)]);
    }

    #[test]
    fn a_longer_datagram_begins_a_new_run() {
        let mut outbox = Outbox::default();
        outbox.send(addr(1), addr(2), &[1; 50]);
        outbox.send(addr(1), addr(2), &[2; 51]);
        assert_eq!(shape(&outbox), [(2, 50, 1), (2, 51, 1)]);
    }

    #[test]
    fn a_run_never_exceeds_what_one_send_may_carry() {
        let mut outbox = Outbox::default();
        for _ in 0..200 {
            outbox.send(addr(1), addr(2), &[0; 1200]);
        }
        for run in outbox.transmits() {
            assert!(run.datagrams().len() <= limits::RUN_SEGMENTS);
            assert!(run.payload.len() <= limits::RUN_BYTES);
        }
        assert_eq!(outbox.transmits().map(|t| t.datagrams().len()).sum::<usize>(), 200);
    }

    #[test]
    fn clearing_keeps_the_memory() {
        let mut outbox = Outbox::default();
        outbox.send(addr(1), addr(2), &[0; 1200]);
        let capacity = outbox.slab.capacity();
        outbox.clear();
        assert!(outbox.is_empty());
        assert_eq!(outbox.slab.capacity(), capacity);
    }
}
