//! The slab that a world lends to its machine: datagrams lie in it back to back, in runs that one
//! segmented send can carry, and so do bytes for streams. It knows nothing of sessions or sockets.

use std::net::SocketAddr;
use std::ops::Range;

use crate::limits;
use crate::machine::{Carrier, Datagram, Output, StreamId};
use crate::report::Report;

/// Where datagrams for one peer go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// What carries them.
    pub carrier: Carrier,
    /// The local address to send from.
    pub local: SocketAddr,
    /// Whom to send to.
    pub peer: SocketAddr,
}

/// The datagrams among which one will lie.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Train {
    /// How long those of the last run are, if it has room for one more.
    segment: Option<usize>,
    /// How long the payloads are at most that come next.
    longest: usize,
}

impl Train {
    /// How many bytes more make a datagram of `bytes` as long as its neighbours, if it is nearly as
    /// long. `overhead` is what it has around its payload at least.
    pub(crate) fn padding(self, bytes: usize, overhead: usize) -> usize {
        let joins = self.segment.filter(|segment| *segment >= bytes);
        let wanted = joins.unwrap_or(overhead + self.longest);
        let missing = wanted.saturating_sub(bytes);
        if missing <= limits::PADDING { missing } else { 0 }
    }
}

/// Takes a machine's errands. The world owns it, walks it after each burst and clears it, so that
/// its memory is reused and forwarding allocates nothing.
#[derive(Debug, Default)]
pub struct Outbox {
    outward: Runs,
    relayed: Runs,
    errands: Vec<Output>,
    longest: usize,
    more: bool,
}

impl Outbox {
    /// Adds one datagram. It joins the last run if one segmented send can carry both.
    pub fn send(&mut self, local: SocketAddr, peer: SocketAddr, payload: &[u8]) {
        self.outward.add(To::Peer { local, peer }, &[payload]);
    }

    /// Adds one datagram that is made of several parts.
    pub fn send_parts(&mut self, local: SocketAddr, peer: SocketAddr, parts: &[&[u8]]) {
        self.outward.add(To::Peer { local, peer }, parts);
    }

    /// Adds bytes for a stream.
    pub fn write(&mut self, stream: StreamId, parts: &[&[u8]]) {
        self.outward.add(To::Stream(stream), parts);
    }

    /// Adds one datagram, whatever carries it.
    pub fn carry(&mut self, by: Carrier, local: SocketAddr, peer: SocketAddr, payload: &[u8]) {
        self.compose(&Way { carrier: by, local, peer }, |slab| {
            slab.extend_from_slice(payload);
            true
        });
    }

    /// Adds one datagram that `write` puts behind what is in the slab. `false`: it has put nothing
    /// there, or too much for the way.
    pub fn compose(&mut self, way: &Way, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let to = To::Peer { local: way.local, peer: way.peer };
        match way.carrier {
            Carrier::Udp => self.outward.compose(to, 0, write),
            Carrier::Relay => self.relayed.compose(to, 0, write),
            Carrier::Stream(stream) => self.outward.compose(To::Stream(stream), FRAME, write),
        }
    }

    /// The payloads that come next for each peer have so many bytes at most; 0: nobody knows.
    pub(crate) fn foresee(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// The datagrams among which the next one for a peer will lie.
    pub(crate) fn train(&self, way: &Way) -> Train {
        let to = To::Peer { local: way.local, peer: way.peer };
        match way.carrier {
            Carrier::Udp => Train { segment: self.outward.segment(to), longest: self.longest },
            Carrier::Relay | Carrier::Stream(_) => Train::default(),
        }
    }

    /// Whether the machine should go on only when what lies here has been sent.
    pub(crate) fn is_full(&self) -> bool {
        self.outward.slab.len() >= limits::OUTBOX
    }

    /// The machine goes on when what lies here has been sent.
    pub(crate) fn expect_more(&mut self) {
        self.more = true;
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
        self.outward.transmits()
    }

    /// The bytes for streams, in the order in which they were added.
    pub fn writes(&self) -> impl Iterator<Item = (StreamId, &[u8])> {
        self.outward.writes()
    }

    /// Takes the datagrams that a TURN allocation of this node carries; `empty` takes their place.
    pub(crate) fn take_relayed(&mut self, empty: Runs) -> Runs {
        std::mem::replace(&mut self.relayed, empty)
    }

    /// Takes the other errands out, in order.
    pub fn errands(&mut self) -> impl Iterator<Item = Output> {
        self.errands.drain(..)
    }

    /// The streams that these errands end.
    pub(crate) fn ended(&self) -> impl Iterator<Item = StreamId> {
        self.errands.iter().filter_map(|errand| match errand {
            Output::End { stream } => Some(*stream),
            _ => None,
        })
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.outward.is_empty() && self.errands.is_empty()
    }

    /// Whether the machine goes on as soon as datagrams and bytes have been sent, before it hears
    /// of anything else: then it is told [`Sent`](crate::machine::Input::Sent).
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// Forgets datagrams and bytes, which have been sent. Errands stay.
    pub fn clear_sent(&mut self) {
        self.outward.clear();
        self.more = false;
    }

    /// Empties the outbox and keeps its memory.
    pub fn clear(&mut self) {
        self.clear_sent();
        self.relayed.clear();
        self.errands.clear();
    }
}

/// Bytes before a datagram on a stream: its length (RFC 4571 section 2).
const FRAME: usize = 2;

/// Datagrams and stretches of streams in one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    slab: Vec<u8>,
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    Peer { local: SocketAddr, peer: SocketAddr },
    Stream(StreamId),
}

#[derive(Debug)]
struct Run {
    to: To,
    bytes: Range<usize>,
    segment: usize,
    segments: usize,
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

impl Runs {
    fn add(&mut self, to: To, parts: &[&[u8]]) {
        let start = self.slab.len();
        for part in parts {
            self.slab.extend_from_slice(part);
        }
        self.join(to, start);
    }

    /// Adds what `write` puts into the slab, behind `frame` bytes that say how much it is.
    fn compose(&mut self, to: To, frame: usize, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let start = self.slab.len();
        self.slab.resize(start + frame, 0);
        let written = write(&mut self.slab);
        let Ok(length) = u16::try_from(self.slab.len() - start - frame) else {
            self.slab.truncate(start);
            return false;
        };
        if !written {
            self.slab.truncate(start);
            return false;
        }
        if frame == FRAME {
            self.slab[start..start + FRAME].copy_from_slice(&length.to_be_bytes());
        }
        self.join(to, start);
        true
    }

    /// What lies in the slab from `start` on joins the last run, if one segmented send can carry
    /// both.
    fn join(&mut self, to: To, start: usize) {
        let end = self.slab.len();
        let len = end - start;
        if len == 0 {
            return;
        }
        if let Some(run) = self.runs.last_mut()
            && run.takes(to, len)
        {
            run.bytes.end = end;
            run.segments += 1;
            run.open = matches!(to, To::Stream(_)) || len == run.segment;
            return;
        }
        self.runs.push(Run { to, bytes: start..end, segment: len, segments: 1, open: true });
    }

    /// How long a datagram is at most that joins the last run, if one to this peer can.
    fn segment(&self, to: To) -> Option<usize> {
        let run = self.runs.last()?;
        Some(run.segment).filter(|segment| run.takes(to, *segment))
    }

    /// Adds a datagram from `peer` for `local`.
    pub(crate) fn pass(&mut self, local: SocketAddr, peer: SocketAddr, payload: &[u8]) {
        self.add(To::Peer { local, peer }, &[payload]);
    }

    pub(crate) fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.runs.iter().filter_map(|run| match run.to {
            To::Peer { local, peer } => {
                let payload = &self.slab[run.bytes.clone()];
                Some(Transmit { local, peer, payload, segment: run.segment })
            }
            To::Stream(_) => None,
        })
    }

    fn writes(&self) -> impl Iterator<Item = (StreamId, &[u8])> {
        self.runs.iter().filter_map(|run| match run.to {
            To::Stream(stream) => Some((stream, &self.slab[run.bytes.clone()])),
            To::Peer { .. } => None,
        })
    }

    /// The datagrams as they arrive where `carrier` takes them.
    pub(crate) fn arrivals(&self, carrier: Carrier) -> impl Iterator<Item = Datagram<'_>> {
        self.transmits().flat_map(move |run| {
            let (local, peer) = (run.local, run.peer);
            let payloads = run.payload.chunks(run.segment);
            payloads.map(move |payload| Datagram { carrier, peer, local, payload })
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.slab.clear();
        self.runs.clear();
    }
}

impl Run {
    fn takes(&self, to: To, len: usize) -> bool {
        let fits = match to {
            To::Stream(_) => true,
            To::Peer { .. } => {
                len <= self.segment
                    && self.segments < limits::RUN_SEGMENTS
                    && self.bytes.len() + len <= limits::RUN_BYTES
            }
        };
        self.open && self.to == to && fits
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
    fn what_is_nearly_as_long_as_its_neighbours_is_told_to_be_as_long() {
        let mut outbox = Outbox::default();
        let way = |port| Way { carrier: Carrier::Udp, local: addr(1), peer: addr(port) };
        assert_eq!(outbox.train(&way(2)).padding(900, 50), 0, "nothing is known");
        outbox.foresee(860);
        assert_eq!(outbox.train(&way(2)).padding(900, 50), 10);
        assert_eq!(outbox.train(&way(2)).padding(920, 50), 0, "it is longer");
        outbox.send(addr(1), addr(2), &[0; 912]);
        assert_eq!(outbox.train(&way(2)).padding(900, 50), 12, "its neighbour has come");
        assert_eq!(outbox.train(&way(2)).padding(912 - limits::PADDING - 1, 50), 0);
        assert_eq!(outbox.train(&way(3)).padding(900, 50), 10, "a neighbour of another peer's");
        outbox.send(addr(1), addr(4), &[0; 90]);
        assert_eq!(outbox.train(&way(4)).padding(900, 50), 10, "it begins a run of its own");
        let relayed = Way { carrier: Carrier::Relay, ..way(2) };
        assert_eq!(outbox.train(&relayed).padding(900, 50), 0, "those leave one by one");
        outbox.send(addr(1), addr(2), &[0; 100]);
        assert_eq!(outbox.train(&way(2)).padding(900, 50), 10, "that run takes no more");
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
        let capacity = outbox.outward.slab.capacity();
        outbox.clear();
        assert!(outbox.is_empty());
        assert_eq!(outbox.outward.slab.capacity(), capacity);
    }

    #[test]
    fn bytes_for_a_stream_join_and_framed_datagrams_say_their_length() {
        let mut outbox = Outbox::default();
        let (one, other) = (StreamId(1), StreamId(2));
        outbox.write(one, &[b"ab", b"c"]);
        outbox.carry(Carrier::Stream(one), addr(1), addr(2), b"defg");
        outbox.send(addr(1), addr(2), b"datagram");
        outbox.write(other, &[b"x"]);
        let written: Vec<_> = outbox.writes().collect();
        assert_eq!(written, [(one, &b"abc\0\x04defg"[..]), (other, b"x")]);
        assert_eq!(shape(&outbox), [(2, 8, 1)]);
    }

    #[test]
    fn what_is_composed_lies_as_if_it_had_been_added() {
        let (mut composed, mut added) = (Outbox::default(), Outbox::default());
        let stream = StreamId(1);
        for carrier in [Carrier::Udp, Carrier::Stream(stream), Carrier::Udp, Carrier::Relay] {
            let way = Way { carrier, local: addr(1), peer: addr(2) };
            let mut put = |length: usize, keep| {
                composed.compose(&way, |slab| {
                    slab.resize(slab.len() + length, 7);
                    keep
                })
            };
            assert!(put(100, true) && put(100, true) && !put(100, false) && !put(70_000, true));
            for _ in 0..2 {
                match carrier {
                    Carrier::Udp => added.send(addr(1), addr(2), &[7; 100]),
                    Carrier::Relay => added.relayed.pass(addr(1), addr(2), &[7; 100]),
                    Carrier::Stream(stream) => added.write(stream, &[&[0, 100], &[7; 100]]),
                }
            }
        }
        assert_eq!(shape(&composed), shape(&added));
        assert_eq!(composed.outward.slab, added.outward.slab);
        assert_eq!(composed.relayed.slab, added.relayed.slab);
    }

    #[test]
    fn relayed_datagrams_stay_inside() {
        let mut outbox = Outbox::default();
        outbox.carry(Carrier::Relay, addr(1), addr(2), b"inside");
        assert!(outbox.is_empty());
        let relayed = outbox.take_relayed(Runs::default());
        let arrived: Vec<_> = relayed.arrivals(Carrier::Relay).map(|d| d.payload).collect();
        assert_eq!(arrived, [b"inside"]);
    }
}
