//! Control packets (RTCP): what viewers say of the media that they get, and the reports that we
//! send with it. It is handed plain bytes, and knows neither their seals nor sockets nor the time.
//!
//! It reads by itself because `rtcp-types` 0.3 refuses a whole compound for its malformed end,
//! takes the padding of a NACK for losses, allocates for what it writes, and does not know REMB.

pub mod ntp;
pub mod transport;
pub mod write;

use transport::TransportFeedback;

/// RFC 3550 section 6.4.1, in the two first bits of each packet.
const VERSION: u8 = 2;
/// Whether a packet ends with padding (RFC 3550 section 6.4.1), in its first byte.
const PADDING: u8 = 0x20;
/// Sources, blocks or entries that one packet can count: it has 5 bits (RFC 3550 section 6.4.1).
const COUNT: u8 = 0x1f;

/// Packet types (RFC 3550 section 12.1).
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// Packet types of feedback messages (RFC 4585 section 6.1).
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;

/// The format of a generic NACK (RFC 4585 section 6.2) among transport feedback.
const NACK: u8 = 1;
/// The format of draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1 there.
const TRANSPORT_WIDE: u8 = 15;
/// The format of a picture loss indication (RFC 4585 section 6.3) among payload feedback.
const PICTURE_LOSS: u8 = 1;
/// The format of a full intra request (RFC 5104 section 4.3.1.2) there.
const FULL_INTRA: u8 = 4;
/// The format of what applications define (RFC 4585 section 6.4) there.
const APPLICATION: u8 = 15;

/// Bytes before a feedback message's own part: who sends it, and about whose media.
const SSRCS: usize = 8;

/// One thing that a peer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feedback<'a> {
    /// The peer sends media itself.
    Sender(SenderInfo),
    /// How the peer receives a stream.
    Report {
        /// The peer's own SSRC.
        sender: u32,
        /// What it says.
        block: ReportBlock,
    },
    /// Packets are missing (RFC 4585 section 6.2.1).
    Nack {
        /// Of this stream.
        media_ssrc: u32,
        /// Their sequence numbers.
        lost: Lost<'a>,
    },
    /// The peer cannot decode the picture (RFC 4585 section 6.3.1).
    PictureLoss {
        /// Of this stream.
        media_ssrc: u32,
    },
    /// The peer wants a picture that can be understood alone (RFC 5104 section 4.3.1).
    FullIntra {
        /// Of this stream.
        media_ssrc: u32,
        /// A request with the same number is the same request again.
        sequence: u8,
    },
    /// How much the peer thinks that it can receive (REMB).
    MaximumBitrate {
        /// Of all these streams together.
        bits_per_second: u64,
        /// The streams.
        ssrcs: Ssrcs<'a>,
    },
    /// When packets arrived, whatever stream they belong to.
    Transport(TransportFeedback<'a>),
    /// A source ends (RFC 3550 section 6.6).
    Goodbye {
        /// This one.
        ssrc: u32,
    },
}

/// What a sender says of its stream (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// The stream.
    pub ssrc: u32,
    /// When this was said: seconds since 1900 in Q32.32.
    pub ntp: u64,
    /// The same instant on the stream's RTP clock.
    pub rtp: u32,
    /// Packets that were sent so far.
    pub packets: u32,
    /// Bytes of payload in them.
    pub octets: u32,
}

/// What a receiver says of a stream (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: u32,
    /// How much was lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets that were lost so far, 24 bits; repeated packets make it negative.
    pub cumulative_lost: i32,
    /// The highest sequence number; the upper half counts how often it began anew.
    pub highest_sequence: u32,
    /// How much arrivals vary, on the stream's RTP clock.
    pub jitter: u32,
    /// The middle bits of the last sender report's NTP time; 0: there was none.
    pub last_report: u32,
    /// How long ago that report came, in 1/65,536 s.
    pub delay_since: u32,
}

/// Everything that one datagram says, in order: a compound packet (RFC 3550 section 6.1) or one of
/// reduced size (RFC 5506). What is malformed ends it; what came before counts. Unknown packets
/// are passed over. It takes no memory, and no more steps than there are bytes.
pub fn feedback(compound: &[u8]) -> impl Iterator<Item = Feedback<'_>> {
    Packets { rest: compound }.flat_map(|packet| {
        let single = single(packet).into_iter();
        single.chain(reports(packet)).chain(full_intra_requests(packet)).chain(goodbyes(packet))
    })
}

/// One packet of a compound.
#[derive(Debug, Clone, Copy)]
struct Packet<'a> {
    kind: u8,
    /// How many parts it has or, in a feedback message, its format.
    count: u8,
    /// What follows the header, without padding.
    body: &'a [u8],
}

/// The packets of a compound. It ends where one would end outside.
struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&[first, kind, l0, l1], rest) = self.rest.split_first_chunk()?;
        let length = 4 * usize::from(u16::from_be_bytes([l0, l1]));
        let (mut body, rest) = rest.split_at_checked(length)?;
        if first >> 6 != VERSION {
            return None;
        }
        if first & PADDING != 0 {
            // The last byte counts itself (RFC 3550 section 6.4.1). Whoever sends transport-wide
            // feedback pads by less than four, too.
            let padding = usize::from(*body.last()?);
            body = &body[..body.len().checked_sub(padding).filter(|_| padding > 0)?];
        }
        self.rest = rest;
        Some(Packet { kind, count: first & COUNT, body })
    }
}

/// What a packet says that says one thing alone, or first.
fn single(packet: Packet<'_>) -> Option<Feedback<'_>> {
    let (words, _) = packet.body.as_chunks::<4>();
    if packet.kind == SENDER_REPORT {
        let [ssrc, ntp @ .., rtp, packets, octets] = words.first_chunk::<6>()?;
        let [ssrc, rtp, packets, octets] = [ssrc, rtp, packets, octets].map(|word| number(*word));
        let ntp = u64::from(number(ntp[0])) << 32 | u64::from(number(ntp[1]));
        return Some(Feedback::Sender(SenderInfo { ssrc, ntp, rtp, packets, octets }));
    }
    let [_, media_ssrc, parts @ ..] = words else { return None };
    let media_ssrc = number(*media_ssrc);
    match (packet.kind, packet.count) {
        (TRANSPORT_FEEDBACK, NACK) => {
            Some(Feedback::Nack { media_ssrc, lost: Lost { pairs: parts, first: 0, mask: 0 } })
        }
        (TRANSPORT_FEEDBACK, TRANSPORT_WIDE) => {
            TransportFeedback::read(&packet.body[SSRCS..]).map(Feedback::Transport)
        }
        (PAYLOAD_FEEDBACK, PICTURE_LOSS) => Some(Feedback::PictureLoss { media_ssrc }),
        (PAYLOAD_FEEDBACK, APPLICATION) => maximum_bitrate(parts),
        _ => None,
    }
}

/// draft-alvestrand-rmcat-remb-03 section 2.2: a number of SSRCs, 6 bits of exponent, 18 bits of
/// mantissa.
fn maximum_bitrate<'a>(parts: &'a [[u8; 4]]) -> Option<Feedback<'a>> {
    let [name, [count, high, middle, low], ssrcs @ ..] = parts else { return None };
    if name != b"REMB" {
        return None;
    }
    let mantissa = u64::from(u32::from_be_bytes([0, high & 0x03, *middle, *low]));
    let bits_per_second = mantissa.saturating_mul(1 << (high >> 2));
    let words = &ssrcs[..usize::from(*count).min(ssrcs.len())];
    Some(Feedback::MaximumBitrate { bits_per_second, ssrcs: Ssrcs { words } })
}

/// The report blocks of a sender report or a receiver report (RFC 3550 sections 6.4.1 and 6.4.2).
fn reports<'a>(packet: Packet<'a>) -> impl Iterator<Item = Feedback<'a>> {
    let (words, _) = packet.body.as_chunks::<4>();
    let before = if packet.kind == SENDER_REPORT { 6 } else { 1 };
    let is_report = [SENDER_REPORT, RECEIVER_REPORT].contains(&packet.kind);
    let blocks = words.get(before..).filter(|_| is_report).unwrap_or_default();
    let sender = words.first().map_or(0, |word| number(*word));
    let (blocks, _) = blocks.as_chunks::<6>();
    let report = move |block| Feedback::Report { sender, block: ReportBlock::read(block) };
    blocks.iter().take(usize::from(packet.count)).map(report)
}

impl ReportBlock {
    fn read(
        [ssrc, lost, highest_sequence, jitter, last_report, delay_since]: &[[u8; 4]; 6],
    ) -> Self {
        ReportBlock {
            ssrc: number(*ssrc),
            fraction_lost: lost[0],
            cumulative_lost: signed([lost[1], lost[2], lost[3]]),
            highest_sequence: number(*highest_sequence),
            jitter: number(*jitter),
            last_report: number(*last_report),
            delay_since: number(*delay_since),
        }
    }
}

/// The entries of a full intra request (RFC 5104 section 4.3.1.1).
fn full_intra_requests<'a>(packet: Packet<'a>) -> impl Iterator<Item = Feedback<'a>> {
    let is_request = (packet.kind, packet.count) == (PAYLOAD_FEEDBACK, FULL_INTRA);
    let entries = packet.body.get(SSRCS..).filter(|_| is_request).unwrap_or_default();
    let (entries, _) = entries.as_chunks::<8>();
    entries.iter().map(|&[s0, s1, s2, s3, sequence, ..]| Feedback::FullIntra {
        media_ssrc: number([s0, s1, s2, s3]),
        sequence,
    })
}

/// The sources that a BYE names (RFC 3550 section 6.6).
fn goodbyes<'a>(packet: Packet<'a>) -> impl Iterator<Item = Feedback<'a>> {
    let count = if packet.kind == GOODBYE { packet.count } else { 0 };
    let (words, _) = packet.body.as_chunks::<4>();
    Ssrcs { words }.take(usize::from(count)).map(|ssrc| Feedback::Goodbye { ssrc })
}

fn number(word: [u8; 4]) -> u32 {
    u32::from_be_bytes(word)
}

/// A signed number of 24 bits.
fn signed([high, middle, low]: [u8; 3]) -> i32 {
    i32::from_be_bytes([high, middle, low, 0]) >> 8
}

/// The sequence numbers that a NACK names, as it names them: 17 a pair at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost<'a> {
    /// A sequence number, and a bit for each of the 16 that follow it (RFC 4585 section 6.2.1).
    pairs: &'a [[u8; 4]],
    /// Of the pair that was begun.
    first: u16,
    /// What is left of it: the lowest bit is `first`.
    mask: u32,
}

impl Iterator for Lost<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.mask == 0 {
            let (&[p0, p1, b0, b1], rest) = self.pairs.split_first()?;
            self.pairs = rest;
            self.first = u16::from_be_bytes([p0, p1]);
            self.mask = u32::from(u16::from_be_bytes([b0, b1])) << 1 | 1;
        }
        let bit = self.mask.trailing_zeros();
        self.mask &= self.mask - 1;
        Some(self.first.wrapping_add(bit as u16))
    }
}

/// SSRCs, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssrcs<'a> {
    words: &'a [[u8; 4]],
}

impl Iterator for Ssrcs<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (word, rest) = self.words.split_first()?;
        self.words = rest;
        Some(number(*word))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// SSRCs: of the peer itself, and of what it receives.
    const PEER: [u8; 4] = [0, 0, 0, 7];
    const VIDEO: [u8; 4] = [0xca, 0xfe, 0, 1];
    const AUDIO: [u8; 4] = [0xca, 0xfe, 0, 2];
    const BLOCK: [u8; 24] = [
        0xca, 0xfe, 0, 1, 0x40, 0xff, 0xff, 0xfe, 0, 1, 0xff, 0xf0, 0, 0, 0, 9, 0xb7, 5, 0x20, 0,
        0, 5, 0x40, 0,
    ];
    const REPORT: Feedback<'_> = Feedback::Report {
        sender: 7,
        block: ReportBlock {
            ssrc: 0xcafe_0001,
            fraction_lost: 0x40,
            cumulative_lost: -2,
            highest_sequence: 0x0001_fff0,
            jitter: 9,
            last_report: 0xb705_2000,
            delay_since: 0x0005_4000,
        },
    };

    fn packet(kind: u8, count: u8, parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        let words = (body.len() / 4) as u16;
        [&[0x80 | count, kind][..], &words.to_be_bytes(), &body].concat()
    }

    fn sender_report(count: u8, blocks: &[u8]) -> Vec<u8> {
        let ntp = [0xb4, 0x4d, 0xb7, 5, 0x20, 0, 0, 0];
        let rest = [0, 1, 0x5f, 0x90, 0, 0, 1, 2, 0, 3, 4, 5];
        packet(200, count, &[&PEER, &ntp, &rest, blocks])
    }

    fn read(compound: &[u8]) -> Vec<Feedback<'_>> {
        feedback(compound).collect()
    }

    /// All that we know, and what we do not, in one compound.
    fn everything() -> Vec<u8> {
        let transport = [0xff, 0xff, 0, 3, 0, 0, 1, 5, 0x20, 2, 0x80, 0, 4, 8, 0, 0];
        [
            sender_report(1, &BLOCK),
            packet(202, 1, &[&PEER, &[1, 1, b'x', 0]]),
            packet(204, 0, &[&PEER, b"name"]),
            packet(207, 0, &[&PEER, &[4, 0, 0, 2], &[0; 8]]),
            packet(205, 1, &[&PEER, &VIDEO, &[0, 1, 0x80, 1]]),
            packet(206, 1, &[&PEER, &VIDEO]),
            packet(206, 4, &[&PEER, &[0; 4], &VIDEO, &[3, 0, 0, 0], &AUDIO, &[4, 0, 0, 0]]),
            packet(206, 15, &[&PEER, &[0; 4], b"REMB", &[2, 5, 1, 2], &VIDEO, &AUDIO]),
            packet(205, 15, &[&PEER, &VIDEO, &transport]),
            packet(203, 2, &[&VIDEO, &AUDIO, &[2, b'o', b'k', 0]]),
        ]
        .concat()
    }

    #[test]
    fn a_sender_report_is_read() {
        let compound = sender_report(2, &[BLOCK, BLOCK].concat());
        let sender = Feedback::Sender(SenderInfo {
            ssrc: 7,
            ntp: 0xb44d_b705_2000_0000,
            rtp: 90_000,
            packets: 0x0102,
            octets: 0x0003_0405,
        });
        assert_eq!(read(&compound), [sender, REPORT, REPORT]);
    }

    #[test]
    fn a_receiver_report_is_read() {
        assert_eq!(read(&packet(201, 1, &[&PEER, &BLOCK])), [REPORT]);
        assert_eq!(read(&packet(201, 0, &[&PEER])), []);
        let extended = packet(201, 1, &[&PEER, &BLOCK, &BLOCK]);
        assert_eq!(read(&extended), [REPORT], "the profile's extension is no block");
        let lacking = packet(201, 3, &[&PEER, &BLOCK, &BLOCK[..20]]);
        assert_eq!(read(&lacking), [REPORT], "what is not there does not count");
    }

    #[test]
    fn losses_are_signed() {
        for (bytes, expected) in [
            ([0, 0, 5], 5),
            ([0x7f, 0xff, 0xff], 0x7f_ffff),
            ([0x80, 0, 0], -0x80_0000),
            ([0xff, 0xff, 0xff], -1),
        ] {
            assert_eq!(signed(bytes), expected);
        }
    }

    #[test]
    fn losses_are_named_by_pairs() {
        let pairs = [0xff, 0xfe, 0x80, 3, 0x12, 0x34, 0, 0];
        let compound = packet(205, 1, &[&PEER, &VIDEO, &pairs]);
        let Some(Feedback::Nack { media_ssrc, lost }) = feedback(&compound).next() else {
            panic!("no NACK");
        };
        assert_eq!(media_ssrc, 0xcafe_0001);
        assert_eq!(lost.collect::<Vec<_>>(), [0xfffe, 0xffff, 0, 14, 0x1234]);
        let all = packet(205, 1, &[&PEER, &VIDEO, &[0, 1, 0xff, 0xff]]);
        let Some(Feedback::Nack { lost, .. }) = feedback(&all).next() else { panic!("no NACK") };
        assert!(lost.eq(1..=17));
    }

    #[test]
    fn pictures_are_asked_for() {
        let loss = packet(206, 1, &[&PEER, &VIDEO]);
        assert_eq!(read(&loss), [Feedback::PictureLoss { media_ssrc: 0xcafe_0001 }]);
        let (one, other) = (&[3, 9, 9, 9], &[255, 0, 0, 0]);
        let full = packet(206, 4, &[&PEER, &[0; 4], &VIDEO, one, &AUDIO, other, &VIDEO]);
        let expected = [
            Feedback::FullIntra { media_ssrc: 0xcafe_0001, sequence: 3 },
            Feedback::FullIntra { media_ssrc: 0xcafe_0002, sequence: 255 },
        ];
        assert_eq!(read(&full), expected, "half an entry is none");
    }

    #[test]
    fn a_bitrate_has_exponent_and_mantissa() {
        let bitrate = |name: &[u8], head: [u8; 4]| {
            let compound = packet(206, 15, &[&PEER, &[0; 4], name, &head, &VIDEO, &AUDIO]);
            let found = feedback(&compound).next();
            found.map(|item| match item {
                Feedback::MaximumBitrate { bits_per_second, ssrcs } => {
                    (bits_per_second, ssrcs.collect::<Vec<_>>())
                }
                other => panic!("{other:?}"),
            })
        };
        let both = vec![0xcafe_0001, 0xcafe_0002];
        assert_eq!(bitrate(b"REMB", [2, 0x04, 0xe2, 0x40]), Some((57_920 * 2, both.clone())));
        assert_eq!(bitrate(b"REMB", [1, 0x03, 0xff, 0xff]), Some((0x3_ffff, vec![0xcafe_0001])));
        assert_eq!(bitrate(b"REMB", [255, 0xb8, 0, 1]), Some((1 << 46, both.clone())));
        assert_eq!(bitrate(b"REMB", [0, 0xff, 0xff, 0xff]), Some((u64::MAX, vec![])));
        assert_eq!(bitrate(b"REMB", [2, 0xfc, 0, 1]), Some((1 << 63, both)));
        assert_eq!(bitrate(b"BMER", [2, 0x04, 0xe2, 0x40]), None);
    }

    #[test]
    fn goodbyes_name_their_sources() {
        let compound = packet(203, 2, &[&VIDEO, &AUDIO, b"\x03bye"]);
        let expected = [0xcafe_0001, 0xcafe_0002].map(|ssrc| Feedback::Goodbye { ssrc });
        assert_eq!(read(&compound), expected);
        assert_eq!(read(&packet(203, 31, &[&VIDEO, &AUDIO])), expected);
    }

    #[test]
    fn a_compound_is_read_in_order_and_the_unknown_passed_over() {
        let compound = everything();
        let items = read(&compound);
        let found = items.iter().map(|item| match item {
            Feedback::Sender(_) => "sender",
            Feedback::Report { .. } => "report",
            Feedback::Nack { .. } => "nack",
            Feedback::PictureLoss { .. } => "loss",
            Feedback::FullIntra { .. } => "full",
            Feedback::MaximumBitrate { .. } => "bitrate",
            Feedback::Transport(_) => "transport",
            Feedback::Goodbye { .. } => "bye",
        });
        let expected = [
            "sender",
            "report",
            "nack",
            "loss",
            "full",
            "full",
            "bitrate",
            "transport",
            "bye",
            "bye",
        ];
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn padding_says_nothing() {
        let mut padded = packet(205, 1, &[&PEER, &VIDEO, &[0, 1, 0, 0], &[9, 9, 9, 4]]);
        padded[0] |= PADDING;
        let Some(Feedback::Nack { lost, .. }) = feedback(&padded).next() else { panic!("no NACK") };
        assert_eq!(lost.collect::<Vec<_>>(), [1]);
        for wrong in [0, 17, 255] {
            *padded.last_mut().expect("bytes") = wrong;
            assert_eq!(read(&padded), [], "{wrong}");
        }
        assert_eq!(read(&[0xa0, 201, 0, 0]), [], "nowhere to say how much");
    }

    #[test]
    fn what_is_malformed_ends_what_counts() {
        let loss = packet(206, 1, &[&PEER, &VIDEO]);
        for version in [0, 0x40, 0xc0] {
            let mut other = loss.clone();
            other[0] = other[0] & 0x3f | version;
            let compound = [&loss[..], &other, &loss].concat();
            let mut items = feedback(&compound);
            assert!(items.next().is_some());
            assert_eq!((items.next(), items.next()), (None, None), "{version:#x}");
        }
        let long = [&loss[..], &[0x81, 206, 0, 3], &loss[4..]].concat();
        assert_eq!(read(&long).len(), 1);
    }

    #[test]
    fn every_beginning_says_what_it_has() {
        let compound = everything();
        let whole = read(&compound);
        let mut most = 0;
        for length in 0..=compound.len() {
            let part = read(&compound[..length]);
            assert_eq!(part, whole[..part.len()], "{length} bytes");
            assert!(part.len() >= most);
            most = part.len();
        }
        assert_eq!(most, whole.len());
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(
            mut bytes in prop::collection::vec(any::<u8>(), 0..600),
            heads in prop::collection::vec((0..100_usize, 0..32_u8, 198..210_u8, 0..20_u8), 0..8),
        ) {
            // Without these, next to nothing would get past the first header.
            for (at, count, kind, words) in heads {
                if let Some(head) = bytes.get_mut(4 * at..4 * at + 4) {
                    head.copy_from_slice(&[0x80 | count, kind, 0, words]);
                }
            }
            let mut items = 0;
            for item in feedback(&bytes) {
                items += 1 + match item {
                    Feedback::Nack { lost, .. } => lost.count() / 17,
                    Feedback::MaximumBitrate { ssrcs, .. } => ssrcs.count(),
                    Feedback::Transport(report) => report.arrivals().count() / 0xffff,
                    _ => 0,
                };
            }
            prop_assert!(items <= bytes.len() / 4);
        }
    }
}
