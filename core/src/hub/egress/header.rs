//! RTP headers of what we send (RFC 3550 section 5.1), with header extensions in one-byte form, or
//! in two-byte form where a descriptor is too long for it (RFC 8285 section 4). It knows what goes
//! into them, not whom they are for.

use std::ops::Range;

use super::rtcp::ntp;
use crate::media::packet::{CaptureTime, Extensions, Rotation};

/// Bytes of the longest header that is written here, without a descriptor.
pub(super) const LONGEST: usize =
    12 + 4 + (2 + 2) + (2 + MID) + (2 + RID) + (2 + 3) + (2 + 16) + (2 + 1) + (2 + 1);
/// The same with what is needed to end at a word's end.
const ROOM: usize = LONGEST.next_multiple_of(4);
/// Where the first element is: the transport-wide sequence number, if there is any.
const ELEMENTS: usize = 12 + 4;
/// Bytes of the longest `a=mid` that an element of the one-byte form can hold.
const MID: usize = 16;
/// Bytes of the longest name of a layer that we give.
const RID: usize = 8;
/// The longest value that an element of the one-byte form can hold.
const SHORT: usize = 16;
/// Bytes of the shortest dependency descriptor: its mandatory fields (AV1 RTP payload format,
/// appendix A.8.2).
const DESCRIPTOR: usize = 3;
/// What an extension in one-byte and in two-byte form begins with.
const ONE_BYTE: [u8; 2] = [0xbe, 0xde];
const TWO_BYTES: [u8; 2] = [0x10, 0x00];
/// Version 2, without and with an extension.
const PLAIN: u8 = 0x80;
const EXTENDED: u8 = 0x90;
const MARKER: u8 = 0x80;
/// There is padding behind the payload.
const PADDED: u8 = 0x20;

/// The ids of header extensions that a peer takes; 0: it does not. The one-byte form has room for
/// ids up to 14.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct ExtensionIds {
    /// RFC 9143.
    pub mid: u8,
    /// Of video: how long a frame may wait until it is shown.
    pub playout_delay: u8,
    /// abs-capture-time.
    pub captured: u8,
    /// RFC 6464.
    pub audio_level: u8,
    /// 3GPP TS 26.114 section 7.4.5.
    pub rotation: u8,
    /// draft-holmer-rmcat-transport-wide-cc-extensions-01 section 2.
    pub transport: u8,
    /// RFC 8852 section 3.1: the name of a layer.
    pub rid: u8,
    /// RFC 8852 section 3.2: the name of the layer that a repair is for.
    pub repaired: u8,
    /// The dependency descriptor of AV1, of a peer that takes both forms.
    pub dependency: u8,
}

/// A header as it grows.
pub(super) struct Header<'p> {
    bytes: [u8; ROOM],
    length: usize,
    /// Bytes of it that this packet has, but not every one of its frame.
    extra: usize,
    is_counted: bool,
    /// The last element: its id, and its value if there is one.
    descriptor: (u8, &'p [u8]),
    /// Bytes before the value of each element.
    head: usize,
}

impl<'p> Header<'p> {
    /// A header without extensions, but for a transport-wide sequence number if the peer counts
    /// packets, and a descriptor if it takes that and there is one. Sequence number and SSRC are
    /// the sealer's to write.
    pub(super) fn new(
        ids: &ExtensionIds,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
        descriptor: &'p [u8],
    ) -> Self {
        let mut bytes = [0; ROOM];
        bytes[0] = PLAIN;
        bytes[1] = payload_type | if marker { MARKER } else { 0 };
        bytes[4..8].copy_from_slice(&timestamp.to_be_bytes());
        let is_long = descriptor.len() > usize::from(u8::MAX);
        let is_taken = (1..=14).contains(&ids.dependency) && !is_long;
        let descriptor = (ids.dependency, if is_taken { descriptor } else { &[] });
        let head = if descriptor.1.len() > SHORT { 2 } else { 1 };
        let mut header =
            Header { bytes, length: 12, extra: 0, is_counted: false, descriptor, head };
        header.element(ids.transport, &[0; 2]);
        header.is_counted = header.length > 12;
        if !descriptor.1.is_empty() {
            header.extend();
        }
        header
    }

    /// Whether there is room for a transport-wide sequence number.
    pub(super) fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// Writes that number.
    pub(super) fn count(&mut self, number: u16) {
        let place = ELEMENTS + self.head;
        self.bytes[place..place + 2].copy_from_slice(&number.to_be_bytes());
    }

    /// Adds an element; nothing if the peer does not take it.
    pub(super) fn element(&mut self, id: u8, value: &[u8]) {
        if !(1..=14).contains(&id) || value.is_empty() || value.len() > SHORT {
            return;
        }
        self.extend();
        let [first, second] = self.head_of(id, value);
        self.bytes[self.length] = first;
        if self.head > 1 {
            self.bytes[self.length + 1] = second;
        }
        let start = self.length + self.head;
        self.length = start + value.len();
        self.bytes[start..self.length].copy_from_slice(value);
    }

    /// What goes before the value of an element (RFC 8285 sections 4.2 and 4.3).
    fn head_of(&self, id: u8, value: &[u8]) -> [u8; 2] {
        match self.head {
            1 => [id << 4 | (value.len() - 1) as u8, 0],
            _ => [id, value.len() as u8],
        }
    }

    /// The header has an extension.
    fn extend(&mut self) {
        if self.length == 12 {
            self.bytes[0] = EXTENDED;
            self.bytes[12..14].copy_from_slice(if self.head == 1 { &ONE_BYTE } else { &TWO_BYTES });
            self.length = ELEMENTS;
        }
    }

    /// Adds what is carried from hop to hop.
    pub(super) fn extensions(&mut self, ids: &ExtensionIds, carried: &Extensions) {
        let before = self.length;
        if let Some(CaptureTime { at, offset }) = carried.captured {
            let mut value = [0; 16];
            value[..8].copy_from_slice(&ntp::at(at).to_be_bytes());
            value[8..].copy_from_slice(&offset.unwrap_or(0).to_be_bytes());
            self.element(ids.captured, &value[..if offset.is_some() { 16 } else { 8 }]);
        }
        if let (Some(level), Some(voice)) = (carried.audio_level, carried.voice) {
            let voice = if voice { 0x80 } else { 0 };
            self.element(ids.audio_level, &[voice | level.unsigned_abs() & 0x7f]);
        }
        if let Some(rotation) = carried.rotation {
            self.element(ids.rotation, &[turns(rotation)]);
        }
        self.extra = self.length - before;
    }

    /// Whether it is of a frame's last packet, as those of video say.
    pub(super) fn ends_frame(&self) -> bool {
        self.bytes[1] & MARKER != 0
    }

    /// Bytes that the headers of a frame's packets have at least.
    pub(super) fn least(&self) -> usize {
        let descriptor = if self.descriptor.1.is_empty() { 0 } else { self.head + DESCRIPTOR };
        (self.length - self.extra + descriptor).next_multiple_of(4)
    }

    /// Says that there is padding, if there is.
    pub(super) fn pad(&mut self, padding: usize) {
        self.bytes[0] |= if padding > 0 { PADDED } else { 0 };
    }

    /// Nothing more is added: says how long the extension is, which ends at a word's end (RFC 8285
    /// section 4.2). Returns the length of the whole header in bytes.
    pub(super) fn finish(&mut self) -> usize {
        let length = (self.length + self.descriptor_length()).next_multiple_of(4);
        if let Some(words) = (length - 12).checked_sub(4).map(|bytes| bytes / 4) {
            self.bytes[14..16].copy_from_slice(&(words as u16).to_be_bytes());
        }
        length
    }

    /// Writes the finished header behind what is in the slab. Returns where in it the descriptor
    /// lies.
    pub(super) fn write(&self, slab: &mut Vec<u8>) -> Option<Range<usize>> {
        let (id, descriptor) = self.descriptor;
        if descriptor.is_empty() {
            slab.extend_from_slice(&self.bytes[..self.length.next_multiple_of(4)]);
            return None;
        }
        let end = slab.len() + (self.length + self.descriptor_length()).next_multiple_of(4);
        slab.extend_from_slice(&self.bytes[..self.length]);
        slab.extend_from_slice(&self.head_of(id, descriptor)[..self.head]);
        let place = slab.len()..slab.len() + descriptor.len();
        slab.extend_from_slice(descriptor);
        slab.resize(end, 0);
        Some(place)
    }

    fn descriptor_length(&self) -> usize {
        match self.descriptor.1.len() {
            0 => 0,
            length => self.head + length,
        }
    }
}

/// Quarter turns counterclockwise, as the camera was turned (3GPP TS 26.114 section 7.4.5).
fn turns(rotation: Rotation) -> u8 {
    match rotation {
        Rotation::None => 0,
        Rotation::ThreeQuarters => 1,
        Rotation::Half => 2,
        Rotation::Quarter => 3,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    const IDS: ExtensionIds = ExtensionIds {
        mid: 4,
        playout_delay: 5,
        captured: 9,
        audio_level: 1,
        rotation: 13,
        rid: 10,
        repaired: 11,
        transport: 3,
        dependency: 12,
    };

    fn written(header: &mut Header<'_>) -> Vec<u8> {
        let (mut slab, length) = (Vec::new(), header.finish());
        header.write(&mut slab);
        assert_eq!(slab.len(), length);
        slab
    }

    #[test]
    fn a_header_without_extensions_has_twelve_bytes() {
        let mut header = Header::new(&ExtensionIds::default(), 96, true, 0x0102_0304, b"not taken");
        header.element(0, b"not negotiated");
        header.element(15, b"reserved");
        header.element(4, b"longer than there is room");
        header.extensions(&IDS, &Extensions::default());
        assert_eq!(written(&mut header), [0x80, 0xe0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]);
    }

    #[test]
    fn elements_lie_one_after_the_other_and_end_at_a_word() {
        let ids = ExtensionIds { transport: 0, ..IDS };
        let mut header = Header::new(&ids, 111, false, 0, &[]);
        header.element(IDS.mid, b"0");
        header.extensions(
            &IDS,
            &Extensions {
                audio_level: Some(-37),
                voice: Some(true),
                rotation: Some(Rotation::Half),
                ..Extensions::default()
            },
        );
        let header = written(&mut header);
        assert_eq!(header[12..], [0xbe, 0xde, 0, 2, 0x40, b'0', 0x10, 165, 0xd0, 2, 0, 0]);
        assert_eq!(header[..2], [0x90, 111]);
    }

    #[test]
    fn a_peer_that_counts_packets_finds_their_number_first() {
        assert!(!Header::new(&ExtensionIds::default(), 96, false, 0, &[]).is_counted());
        let mut header = Header::new(&IDS, 96, false, 0, &[]);
        assert!(header.is_counted());
        header.element(IDS.mid, b"0");
        header.count(0x0102);
        let header = written(&mut header);
        assert_eq!(header[12..], [0xbe, 0xde, 0, 2, 0x31, 1, 2, 0x40, b'0', 0, 0, 0]);
    }

    #[test]
    fn a_descriptor_comes_last_and_a_long_one_makes_elements_of_two_bytes() {
        let ids = ExtensionIds { dependency: 12, ..ExtensionIds::default() };
        let mut header = Header::new(&ids, 96, false, 0, &[7; 3]);
        assert_eq!(written(&mut header)[12..], [0xbe, 0xde, 0, 1, 0xc2, 7, 7, 7]);
        assert_eq!(header.write(&mut vec![0; 100]), Some(117..120));

        let mut header = Header::new(&IDS, 96, false, 0, &[7; 17]);
        header.element(IDS.mid, b"0");
        header.count(0x0102);
        let expected = [&[0x10, 0x00, 0, 7, 3, 2, 1, 2, 4, 1, b'0', 12, 17][..], &[7; 17], &[0; 2]];
        assert_eq!(written(&mut header)[12..], expected.concat());
        assert!(Header::new(&ids, 96, false, 0, &[7; 256]).finish() == 12, "longer than can be");
    }

    #[test]
    fn the_least_header_of_a_frame_has_neither_a_capture_time_nor_a_long_descriptor() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let captured = Some(CaptureTime { at, offset: None });
        let first = Extensions { captured, ..Extensions::default() };
        let of = |carried: &Extensions, descriptor| {
            let mut header = Header::new(&IDS, 96, false, 0, descriptor);
            header.element(IDS.playout_delay, &[0; 3]);
            header.extensions(&IDS, carried);
            (header.least(), header.finish())
        };
        for (short, long) in [(&[][..], &[][..]), (&[7; 3], &[7; 13])] {
            let (least, length) = of(&Extensions::default(), short);
            assert_eq!(least, length);
            assert_eq!(of(&first, long).0, least);
        }
    }

    #[test]
    fn everything_at_its_longest_fits() {
        let mut header = Header::new(&IDS, 96, false, 0, &[7; 255]);
        header.element(IDS.mid, &[b'm'; MID]);
        header.element(IDS.rid, &[b'r'; RID]);
        header.element(IDS.playout_delay, &[0; 3]);
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        header.extensions(
            &IDS,
            &Extensions {
                captured: Some(CaptureTime { at, offset: Some(-1) }),
                audio_level: Some(0),
                voice: Some(false),
                rotation: Some(Rotation::None),
            },
        );
        assert_eq!(header.length, LONGEST);
        assert_eq!(written(&mut header).len(), (LONGEST + 2 + 255).next_multiple_of(4));
    }
}
