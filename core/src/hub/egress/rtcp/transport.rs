//! When packets arrived, as their receiver tells by the numbers that they have in common
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1). It does not know what was sent
//! under these numbers, nor when.

use std::time::Duration;

use super::signed;

/// What arrivals are counted in.
pub const UNIT: Duration = Duration::from_micros(250);
/// Units in one of the reference time: 64 ms.
const REFERENCE: i64 = 256;

/// Statuses of packets (section 3.1.1). The fourth has no meaning.
const MISSING: u16 = 0;
const SMALL_DELTA: u16 = 1;
const LARGE_DELTA: u16 = 2;

/// One report of arrivals. Its statuses are whole; its times may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportFeedback<'a> {
    /// How many such reports there were before it, modulo 256.
    pub number: u8,
    /// The number of the first packet that it tells of.
    pub first: u16,
    /// How many packets it tells of; the last ones are left out if their times are missing.
    pub count: u16,
    /// The receiver's clock, in 64 ms; 24 bits.
    reference: i32,
    chunks: &'a [[u8; 2]],
    deltas: &'a [u8],
}

/// What became of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Its number.
    pub sequence: u16,
    /// When it arrived, if it did, in [`UNIT`]s of the receiver's clock. That clock begins anew
    /// after 2^32 units (twelve days) and has any beginning, so only differences mean something.
    pub at: Option<i64>,
}

impl<'a> TransportFeedback<'a> {
    /// Reads what follows the SSRCs, if all statuses are there that it promises.
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let (&[f0, f1, c0, c1, r0, r1, r2, number], rest) = message.split_first_chunk()?;
        let count = u16::from_be_bytes([c0, c1]);
        let (words, _) = rest.as_chunks();
        let (mut chunks, mut statuses) = (0, 0);
        while statuses < u32::from(count) {
            let chunk = words.get(chunks).copied().map(u16::from_be_bytes)?;
            statuses += u32::from(length(chunk));
            chunks += 1;
        }
        Some(TransportFeedback {
            number,
            first: u16::from_be_bytes([f0, f1]),
            count,
            reference: signed([r0, r1, r2]),
            chunks: &words[..chunks],
            deltas: &rest[2 * chunks..],
        })
    }

    /// What became of each packet, in the order of their numbers. It ends where a time is missing,
    /// or where a status says nothing of whether there is one.
    pub fn arrivals(&self) -> Arrivals<'a> {
        Arrivals {
            sequence: self.first,
            left: self.count,
            at: i64::from(self.reference) * REFERENCE,
            chunks: self.chunks,
            chunk: 0,
            left_in_chunk: 0,
            deltas: self.deltas,
        }
    }
}

/// How many statuses a chunk has: a run of equal ones (section 3.1.3), or a vector of statuses that
/// have one bit or two (section 3.1.4).
fn length(chunk: u16) -> u16 {
    match chunk >> 14 {
        0 | 1 => chunk & 0x1fff,
        2 => 14,
        _ => 7,
    }
}

/// The `left`th status of a chunk, counted from its end.
fn status(chunk: u16, left: u16) -> u16 {
    match chunk >> 14 {
        0 | 1 => chunk >> 13,
        2 => chunk >> left & 1,
        _ => chunk >> (2 * left) & 3,
    }
}

/// What became of the packets of one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrivals<'a> {
    sequence: u16,
    /// Packets that are to come.
    left: u16,
    /// When the last packet arrived that did, or the reference time.
    at: i64,
    chunks: &'a [[u8; 2]],
    /// The chunk that was begun, and its statuses that are to come.
    chunk: u16,
    left_in_chunk: u16,
    deltas: &'a [u8],
}

impl Iterator for Arrivals<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        self.left = self.left.checked_sub(1)?;
        let Some(at) = self.arrival() else {
            self.left = 0;
            return None;
        };
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        Some(Arrival { sequence, at })
    }
}

impl Arrivals<'_> {
    /// Whether and when the next packet arrived; `None` if that is not said.
    fn arrival(&mut self) -> Option<Option<i64>> {
        while self.left_in_chunk == 0 {
            let (chunk, rest) = self.chunks.split_first()?;
            self.chunks = rest;
            self.chunk = u16::from_be_bytes(*chunk);
            self.left_in_chunk = length(self.chunk);
        }
        self.left_in_chunk -= 1;
        let delta = match status(self.chunk, self.left_in_chunk) {
            MISSING => return Some(None),
            SMALL_DELTA => {
                let (delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                i64::from(*delta)
            }
            LARGE_DELTA => {
                let (delta, rest) = self.deltas.split_first_chunk()?;
                self.deltas = rest;
                i64::from(i16::from_be_bytes(*delta))
            }
            _ => return None,
        };
        self.at += delta;
        Some(Some(self.at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arrivals(message: &[u8]) -> Vec<(u16, Option<i64>)> {
        let report = TransportFeedback::read(message).expect("whole statuses");
        report.arrivals().map(|arrival| (arrival.sequence, arrival.at)).collect()
    }

    #[test]
    fn runs_and_vectors_are_read() {
        let message = [
            0xff, 0xfe, 0, 13, // The first number, and how many.
            0, 0, 2, 9, // The reference time and the report's number.
            0x20, 3, // Three that arrived shortly after each other.
            0x00, 2, // Two that did not.
            0xd8, 0x80, // Two bits each: 01 10 00 10 00 00 00.
            0xb0, 0, // One bit each: 1, and more that do not count.
            4, 0, 255, // Of the run.
            1, 0xff, 0xfe, 0x01, 0x00, // Small, -2, 256.
            7,
        ];
        let report = TransportFeedback::read(&message).expect("whole statuses");
        assert_eq!((report.number, report.first, report.count), (9, 0xfffe, 13));
        let expected = [
            (0xfffe, Some(516)),
            (0xffff, Some(516)),
            (0, Some(771)),
            (1, None),
            (2, None),
            (3, Some(772)),
            (4, Some(770)),
            (5, None),
            (6, Some(1026)),
            (7, None),
            (8, None),
            (9, None),
            (10, Some(1033)),
        ];
        assert_eq!(arrivals(&message), expected);
    }

    #[test]
    fn the_reference_time_is_signed() {
        let message = |reference: [u8; 3]| {
            let [high, middle, low] = reference;
            [0, 0, 0, 1, high, middle, low, 0, 0x20, 1, 0, 0]
        };
        assert_eq!(arrivals(&message([0xff, 0xff, 0xff])), [(0, Some(-256))]);
        assert_eq!(arrivals(&message([0x80, 0, 0])), [(0, Some(-(1 << 31)))]);
        assert_eq!(arrivals(&message([0x7f, 0xff, 0xff])), [(0, Some((1 << 31) - 256))]);
    }

    #[test]
    fn missing_statuses_make_it_nothing() {
        let mut message = [0, 0, 0, 15, 0, 0, 0, 0, 0x80, 0, 0, 0];
        assert!(TransportFeedback::read(&message).is_none(), "14, and an empty run");
        message[3] = 14;
        assert_eq!(arrivals(&message).len(), 14);
        assert!(TransportFeedback::read(&message[..9]).is_none());
        assert!(TransportFeedback::read(&message[..7]).is_none());
        message[3] = 0;
        assert_eq!(arrivals(&message), []);
    }

    #[test]
    fn a_missing_time_ends_it() {
        let message = [0, 0, 0, 7, 0, 0, 0, 0, 0xd2, 0x10, 3, 0];
        assert_eq!(arrivals(&message), [(0, Some(3)), (1, None)], "01 00 10: one byte of two");
        let report = TransportFeedback::read(&message).expect("whole statuses");
        let mut arrivals = report.arrivals().skip(2);
        assert_eq!((arrivals.next(), arrivals.next()), (None, None));
    }

    #[test]
    fn a_status_without_meaning_ends_it() {
        let message = [0, 0, 0, 7, 0, 0, 0, 0, 0xd3, 0x10, 3, 4, 5, 6];
        assert_eq!(arrivals(&message), [(0, Some(3)), (1, None)], "01 00 11");
        let run = [0, 0, 0, 7, 0, 0, 0, 0, 0x60, 7, 0, 0];
        assert_eq!(arrivals(&run), []);
    }

    #[test]
    fn the_longest_has_as_many_packets_as_there_are_numbers() {
        let run = [0x1f, 0xff];
        let message = [&[0, 1, 0xff, 0xff, 0, 0, 0, 0][..], &[run; 9].concat()].concat();
        let arrivals = arrivals(&message);
        assert_eq!(arrivals.len(), 0xffff);
        assert_eq!(arrivals.last(), Some(&(0xffff, None)));
    }

    /// How one packet is told of.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Told {
        Missing,
        Small(u8),
        Large(i16),
    }

    fn told() -> impl Strategy<Value = Told> {
        prop_oneof![
            3 => Just(Told::Missing),
            6 => any::<u8>().prop_map(Told::Small),
            1 => any::<i16>().prop_map(Told::Large),
        ]
    }

    /// Packets in stretches of equal kind, so that there is something for runs.
    fn packets() -> impl Strategy<Value = Vec<Told>> {
        let stretch = (told(), 1..30_usize).prop_map(|(told, length)| vec![told; length]);
        let mixed = prop::collection::vec(told(), 1..30);
        let parts = prop::collection::vec(prop_oneof![stretch, mixed], 0..12);
        parts.prop_map(|parts| parts.concat())
    }

    fn symbol(told: &Told) -> u16 {
        match told {
            Told::Missing => 0,
            Told::Small(_) => 1,
            Told::Large(_) => 2,
        }
    }

    /// The next chunk in the form that `wish` asks for, if these packets can be told so, and how
    /// many of them it holds.
    fn chunk(packets: &[Told], wish: u8) -> (u16, usize) {
        let symbols: Vec<u16> = packets.iter().map(symbol).collect();
        let bits = |size: usize, width: u16| {
            let padded = symbols.iter().copied().chain(std::iter::repeat(0)).take(size);
            padded.fold(0, |bits, symbol| bits << width | symbol)
        };
        match wish % 3 {
            0 if symbols.iter().take(14).all(|symbol| *symbol < 2) => {
                (0x8000 | bits(14, 1), symbols.len().min(14))
            }
            1 => (0xc000 | bits(7, 2), symbols.len().min(7)),
            _ => {
                let run = symbols.iter().take_while(|symbol| **symbol == symbols[0]).count();
                (symbols[0] << 13 | run as u16, run)
            }
        }
    }

    fn encode(first: u16, reference: i32, packets: &[Told], wishes: &[u8]) -> Vec<u8> {
        let mut message = [first, packets.len() as u16].map(u16::to_be_bytes).concat();
        message.extend(&reference.to_be_bytes()[1..]);
        message.push(0);
        let (mut rest, mut wishes) = (packets, wishes.iter().cycle());
        while !rest.is_empty() {
            let (bits, held) = chunk(rest, *wishes.next().expect("endless"));
            message.extend(bits.to_be_bytes());
            rest = &rest[held..];
        }
        for told in packets {
            match told {
                Told::Missing => {}
                Told::Small(delta) => message.push(*delta),
                Told::Large(delta) => message.extend(delta.to_be_bytes()),
            }
        }
        message
    }

    proptest! {
        #[test]
        fn what_a_receiver_encodes_is_read(
            first: u16,
            reference in -0x80_0000..0x80_0000_i32,
            packets in packets(),
            wishes in prop::collection::vec(any::<u8>(), 1..20),
        ) {
            let message = encode(first, reference, &packets, &wishes);
            let mut time = i64::from(reference) * 256;
            let mut expected = Vec::new();
            for (index, told) in packets.iter().enumerate() {
                let delta = match told {
                    Told::Missing => None,
                    Told::Small(delta) => Some(i64::from(*delta)),
                    Told::Large(delta) => Some(i64::from(*delta)),
                };
                time += delta.unwrap_or(0);
                expected.push((first.wrapping_add(index as u16), delta.map(|_| time)));
            }
            prop_assert_eq!(arrivals(&message), &expected[..]);
            for length in 0..message.len() {
                if let Some(report) = TransportFeedback::read(&message[..length]) {
                    let found: Vec<_> = report.arrivals().map(|a| (a.sequence, a.at)).collect();
                    prop_assert_eq!(&found, &expected[..found.len()]);
                }
            }
        }

        #[test]
        fn any_bytes_come_to_an_end(message in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(report) = TransportFeedback::read(&message) {
                let numbers = report.arrivals().map(|arrival| arrival.sequence);
                let count = report.arrivals().count();
                prop_assert!(count <= usize::from(report.count));
                prop_assert!(numbers.eq((0..count).map(|i| report.first.wrapping_add(i as u16))));
            }
        }
    }
}
