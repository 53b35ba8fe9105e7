//! Where a keyframe begins, by the first bytes of a payload. It changes nothing, and knows no more
//! of a codec than that.

use crate::media::codec::Codec;
use crate::media::vp9::{self, Descriptor, Heights};

/// Whether a picture begins in this payload that can be understood alone.
pub fn begins(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Opus => false,
        Codec::Vp8 => vp8(payload).unwrap_or(false),
        Codec::H264 { .. } => h264(payload).unwrap_or(false),
        Codec::Vp9 { .. } => {
            Descriptor::parse(payload).is_some_and(|first| first.begins_keyframe())
        }
        Codec::Av1 { .. } => av1(payload),
    }
}

/// How many lines the picture has that begins in this payload, by spatial layers, if it tells.
pub fn heights(codec: Codec, payload: &[u8]) -> Heights {
    match codec {
        Codec::Vp8 => [vp8_height(payload), None, None, None],
        Codec::Vp9 { .. } => vp9::heights(payload).unwrap_or_default(),
        Codec::Opus | Codec::H264 { .. } | Codec::Av1 { .. } => Heights::default(),
    }
}

fn vp8_height(payload: &[u8]) -> Option<u16> {
    if !vp8(payload).unwrap_or(false) {
        return None;
    }
    // RFC 6386 section 9.1: a frame tag of three bytes, a start code, 14 bits of width and of
    // height, each with two of scale above them.
    let start = payload.windows(START_CODE.len()).take(HEAD).position(|w| w == START_CODE)?;
    let [_, _, low, high] = *payload.get(start + START_CODE.len()..)?.first_chunk()?;
    Some(u16::from_le_bytes([low, high]) & 0x3fff)
}

/// What a keyframe of VP8 has after its tag (RFC 6386 section 9.1).
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
/// Where it may begin: after the longest descriptor (RFC 7741 section 4.2) and the tag.
const HEAD: usize = 6 + 3 + 1;

/// RFC 7741 section 4.2: S and PID 0 in the descriptor; section 4.3: P in the payload header.
fn vp8(payload: &[u8]) -> Option<bool> {
    let (first, mut rest) = payload.split_first()?;
    if first & 0x80 != 0 {
        let (present, after) = rest.split_first()?;
        rest = after;
        if present & 0x80 != 0 {
            rest = after_picture_id(rest)?;
        }
        let level = usize::from(present & 0x40 != 0);
        let layer = usize::from(present & 0x30 != 0);
        rest = rest.get(level + layer..)?;
    }
    Some(first & 0x17 == 0x10 && rest.first()? & 1 == 0)
}

/// A picture id of 7 or 15 bits, as its first bit says.
fn after_picture_id(bytes: &[u8]) -> Option<&[u8]> {
    let long = bytes.first()? & 0x80 != 0;
    bytes.get(if long { 2 } else { 1 }..)
}

/// RFC 6184 section 5.2: an IDR slice (5) or the parameters before it (7), alone, first in an
/// aggregate (24, section 5.7.1) or at the start of a fragmented unit (28, section 5.8).
fn h264(payload: &[u8]) -> Option<bool> {
    let is_key = |byte: &u8| matches!(byte & 0x1f, 5 | 7);
    match payload.first()? & 0x1f {
        24 => payload.get(3).map(is_key),
        28 => payload.get(1).map(|header| header & 0x80 != 0 && is_key(header)),
        _ => payload.first().map(is_key),
    }
}

/// AV1 RTP payload format, section 4.4: N, the first packet of a coded video sequence.
fn av1(payload: &[u8]) -> bool {
    payload.first().is_some_and(|header| header & 0x08 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes_begin_where_their_rfcs_say() {
        let h264 = Codec::H264 { profile_level_id: 0x42_e0_1f, packetization_mode: 1 };
        let vp9 = Codec::Vp9 { profile: 0 };
        let av1 = Codec::Av1 { profile: 0, level: 5, tier: 0 };
        for (codec, payload, expected) in [
            (Codec::Vp8, &[0x10, 0x00][..], true),
            (Codec::Vp8, &[0x10, 0x01], false),
            (Codec::Vp8, &[0x00, 0x00], false),
            (Codec::Vp8, &[0x11, 0x00], false),
            (Codec::Vp8, &[0x90, 0xf0, 0x81, 0x23, 0x01, 0x20, 0x50], true),
            (Codec::Vp8, &[0x90, 0xf0, 0x81, 0x23, 0x01, 0x20, 0x51], false),
            (Codec::Vp8, &[0x90, 0x80, 0x11, 0x50], true),
            (Codec::Vp8, &[0x90], false),
            (vp9, &[0x8a, 0x81, 0x23], true),
            (vp9, &[0xca, 0x81, 0x23], false),
            (vp9, &[0xaa, 0x81, 0x23, 0x00, 0x07], true),
            (vp9, &[0xaa, 0x81, 0x23, 0x02, 0x07], false),
            (vp9, &[0x86, 0x11], false),
            (h264, &[0x65], true),
            (h264, &[0x67], true),
            (h264, &[0x61], false),
            (h264, &[0x78, 0, 9, 0x67], true),
            (h264, &[0x7c, 0x85], true),
            (h264, &[0x7c, 0x05], false),
            (h264, &[0x7c, 0x81], false),
            (av1, &[0x18], true),
            (av1, &[0x10], false),
            (Codec::Opus, &[0x65], false),
            (Codec::Vp8, &[], false),
        ] {
            assert_eq!(begins(codec, payload), expected, "{codec:?} {payload:x?}");
        }
    }
}
