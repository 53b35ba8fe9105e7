//! RTP headers of what we send (RFC 3550 section 5.1), with header extensions in one-byte form
//! (RFC 8285 section 4.2). It knows what goes into them, not whom they are for.

use super::rtcp::ntp;
use crate::media::packet::{CaptureTime, Extensions, Rotation};

/// Bytes of the longest header that is written here.
pub(super) const LONGEST: usize =
    12 + 4 + (1 + 2) + (1 + MID) + (1 + RID) + (1 + 3) + (1 + 16) + (1 + 1) + (1 + 1) + 3;
/// Where the transport-wide sequence number is: it is always the first element.
const TRANSPORT: usize = 12 + 4 + 1;
/// Bytes of the longest `a=mid` that an element of the one-byte form can hold.
const MID: usize = 16;
/// Bytes of the longest name of a layer that we give.
const RID: usize = 8;
/// What an extension in one-byte form begins with.
const ONE_BYTE: [u8; 2] = [0xbe, 0xde];
/// Version 2, without and with an extension.
const PLAIN: u8 = 0x80;
const EXTENDED: u8 = 0x90;
const MARKER: u8 = 0x80;

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
}

/// A header as it grows.
pub(super) struct Header {
    bytes: [u8; LONGEST],
    length: usize,
    is_counted: bool,
}

impl Header {
    /// A header without extensions, but for a transport-wide sequence number if the peer counts
    /// packets. Sequence number and SSRC are the sealer's to write.
    pub(super) fn new(ids: &ExtensionIds, payload_type: u8, marker: bool, timestamp: u32) -> Self {
        let mut bytes = [0; LONGEST];
        bytes[0] = PLAIN;
        bytes[1] = payload_type | if marker { MARKER } else { 0 };
        bytes[4..8].copy_from_slice(&timestamp.to_be_bytes());
        let mut header = Header { bytes, length: 12, is_counted: false };
        header.element(ids.transport, &[0; 2]);
        header.is_counted = header.length > 12;
        header
    }

    /// Whether there is room for a transport-wide sequence number.
    pub(super) fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// Writes that number.
    pub(super) fn count(&mut self, number: u16) {
        self.bytes[TRANSPORT..TRANSPORT + 2].copy_from_slice(&number.to_be_bytes());
    }

    /// Adds an element; nothing if the peer does not take it.
    pub(super) fn element(&mut self, id: u8, value: &[u8]) {
        if !(1..=14).contains(&id) || value.is_empty() || value.len() > MID {
            return;
        }
        if self.length == 12 {
            self.bytes[0] = EXTENDED;
            self.bytes[12..14].copy_from_slice(&ONE_BYTE);
            self.length = 16;
        }
        let end = self.length + 1 + value.len();
        self.bytes[self.length] = id << 4 | (value.len() - 1) as u8;
        self.bytes[self.length + 1..end].copy_from_slice(value);
        self.length = end;
    }

    /// Adds what is carried from hop to hop.
    pub(super) fn extensions(&mut self, ids: &ExtensionIds, carried: &Extensions) {
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
    }

    /// The whole header: its extension ends at a word's end (RFC 8285 section 4.2).
    pub(super) fn finish(&mut self) -> &[u8] {
        if self.length > 12 {
            self.length = self.length.next_multiple_of(4);
            let words = (self.length - 16) / 4;
            self.bytes[14..16].copy_from_slice(&(words as u16).to_be_bytes());
        }
        &self.bytes[..self.length]
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
    };

    #[test]
    fn a_header_without_extensions_has_twelve_bytes() {
        let mut header = Header::new(&ExtensionIds::default(), 96, true, 0x0102_0304);
        header.element(0, b"not negotiated");
        header.element(15, b"reserved");
        header.element(4, b"longer than there is room");
        header.extensions(&IDS, &Extensions::default());
        assert_eq!(header.finish(), [0x80, 0xe0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]);
    }

    #[test]
    fn elements_lie_one_after_the_other_and_end_at_a_word() {
        let ids = ExtensionIds { transport: 0, ..IDS };
        let mut header = Header::new(&ids, 111, false, 0);
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
        assert_eq!(header.finish()[12..], [0xbe, 0xde, 0, 2, 0x40, b'0', 0x10, 165, 0xd0, 2, 0, 0]);
        assert_eq!(header.finish()[..2], [0x90, 111]);
    }

    #[test]
    fn a_peer_that_counts_packets_finds_their_number_first() {
        assert!(!Header::new(&ExtensionIds::default(), 96, false, 0).is_counted());
        let mut header = Header::new(&IDS, 96, false, 0);
        assert!(header.is_counted());
        header.element(IDS.mid, b"0");
        header.count(0x0102);
        assert_eq!(header.finish()[12..], [0xbe, 0xde, 0, 2, 0x31, 1, 2, 0x40, b'0', 0, 0, 0]);
    }

    #[test]
    fn everything_at_its_longest_fits() {
        let mut header = Header::new(&IDS, 96, false, 0);
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
        let length = header.finish().len();
        assert!(length <= LONGEST && LONGEST - length < 4, "{length}");
    }
}
