//! Which temporal and spatial layer a packet belongs to, and where it numbers its picture, by the
//! descriptor before the payload. It knows no stream: every packet is judged alone.

use crate::media::codec::Codec;
use crate::media::vp9::Descriptor;

/// All temporal layers, also those that are not known yet: no codec has a higher one.
pub const ALL_TEMPORAL: u8 = 7;
/// All spatial layers: no codec has a higher one.
pub const ALL_SPATIAL: u8 = 7;

/// What a packet's descriptor says about layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Temporal {
    /// The temporal layer, 0 the base. All packets of a picture have the same.
    pub layer: u8,
    /// Whether a frame begins here: a picture, or with spatial layers one layer of it.
    pub begins_frame: bool,
    /// Whether a viewer of fewer layers can get more of them here.
    pub switches_up: Up,
    /// The spatial layer, if the stream may have several.
    pub spatial: Option<Spatial>,
}

/// Where more temporal layers can begin. Keyframes, where all can, are not told apart here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Up {
    /// Nowhere that this packet knows of.
    No,
    /// With this packet's picture, in its own layer: it depends on the base alone (VP8's Y).
    Into,
    /// After this packet's picture, in all higher layers: nothing later depends on what was there
    /// before (VP9's U).
    Past,
}

/// One spatial layer's part of a picture (RFC 9628 section 4.2; AV1's start_of_frame and so on).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spatial {
    /// The spatial layer, 0 the base (SID).
    pub layer: u8,
    /// Whether this is the last packet of this layer's frame (E). At the highest layer that a
    /// viewer gets it ends the picture, and the viewer's copy must carry the marker bit.
    pub ends_frame: bool,
}

impl Temporal {
    /// The highest temporal layer to send from this packet on, if all up to `current` were sent
    /// until now and all up to `wanted` are wanted. To be asked where a frame begins.
    pub fn highest(&self, current: u8, wanted: u8) -> u8 {
        let is_above = self.layer > current;
        match self.switches_up {
            _ if wanted <= current => wanted,
            Up::Into if is_above && self.layer <= wanted => self.layer,
            Up::Past if !is_above => wanted,
            _ => current,
        }
    }
}

/// The layers of a packet; `None` where all is base (other codecs) or the descriptor is cut off.
pub fn temporal(codec: Codec, payload: &[u8]) -> Option<Temporal> {
    match codec {
        Codec::Vp8 => vp8(payload),
        Codec::Vp9 { .. } => vp9(payload),
        Codec::Opus | Codec::H264 { .. } | Codec::Av1 { .. } => None,
    }
}

/// RFC 7741 section 4.2: S and PID, then TID and Y where T says that they mean something.
fn vp8(payload: &[u8]) -> Option<Temporal> {
    let fields = Vp8Fields::parse(payload)?;
    let (layer, is_sync) = match fields.layer {
        Some(offset) => payload.get(offset).map(|byte| (byte >> 6, byte & 0x20 != 0))?,
        None => (0, false),
    };
    Some(Temporal {
        layer,
        begins_frame: payload.first()? & 0x17 == 0x10,
        switches_up: if is_sync && layer > 0 { Up::Into } else { Up::No },
        spatial: None,
    })
}

fn vp9(payload: &[u8]) -> Option<Temporal> {
    let Descriptor { begins_frame, ends_frame, layers, .. } = Descriptor::parse(payload)?;
    let spatial = layers.map(|layers| Spatial { layer: layers.spatial, ends_frame });
    let switches_up = layers.is_some_and(|layers| layers.switches_up);
    Some(Temporal {
        layer: layers.map_or(0, |layers| layers.temporal),
        begins_frame,
        switches_up: if switches_up { Up::Past } else { Up::No },
        spatial,
    })
}

/// The length of the picture id at `offset`: 7 or 15 bits, as its first bit says (M).
fn picture_id_len(payload: &[u8], offset: usize) -> Option<usize> {
    let len = if payload.get(offset)? & 0x80 != 0 { 2 } else { 1 };
    payload.get(offset + len - 1)?;
    Some(len)
}

/// Where the fields of a VP8 descriptor lie that are there (RFC 7741 section 4.2), in bytes from
/// the start of the payload.
#[derive(Debug, Default)]
struct Vp8Fields {
    picture_id: Option<usize>,
    tl0: Option<usize>,
    layer: Option<usize>,
}

impl Vp8Fields {
    fn parse(payload: &[u8]) -> Option<Vp8Fields> {
        let mut fields = Vp8Fields::default();
        if payload.first()? & 0x80 == 0 {
            return Some(fields);
        }
        let present = payload.get(1)?;
        let mut offset = 2;
        if present & 0x80 != 0 {
            fields.picture_id = Some(offset);
            offset += picture_id_len(payload, offset)?;
        }
        if present & 0x40 != 0 {
            fields.tl0 = Some(offset);
            offset += 1;
        }
        if present & 0x20 != 0 {
            fields.layer = Some(offset);
        }
        Some(fields)
    }
}

/// How the picture of a packet is numbered, and where: a viewer that changes between sources must
/// see numbers that go on; one of VP8 also if it does not get all temporal layers (RFC 7741 section
/// 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Where the number lies, in bytes from the start of the payload (AV1: of the descriptor).
    pub id_offset: usize,
    /// PictureID, frame_number of AV1: one more with each picture.
    pub id: u16,
    /// How many bits it has before it wraps: 7 or 15 in VP8, 16 in AV1.
    pub id_bits: u8,
    /// TL0PICIDX, which encoders with a single temporal layer leave out.
    pub tl0: Option<Tl0>,
}

/// TL0PICIDX: one more with each picture of the base layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tl0 {
    /// Where it lies, in bytes from the start of the payload.
    pub offset: usize,
    /// Its value.
    pub index: u8,
}

/// The picture's numbers in a VP8 payload; `None` if it has none.
pub fn vp8_picture(payload: &[u8]) -> Option<Picture> {
    let fields = Vp8Fields::parse(payload)?;
    let id_offset = fields.picture_id?;
    let (id, id_bits) = match *payload.get(id_offset..)? {
        [high, low, ..] if high & 0x80 != 0 => (u16::from_be_bytes([high & 0x7f, low]), 15),
        [id, ..] => (id.into(), 7),
        [] => return None,
    };
    let tl0 = match fields.tl0 {
        Some(offset) => Some(Tl0 { offset, index: *payload.get(offset)? }),
        None => None,
    };
    Some(Picture { id_offset, id, id_bits, tl0 })
}

impl Picture {
    /// Whether others name it by how far back its number is (AV1): then gaps must stay gaps.
    pub fn is_reference(&self) -> bool {
        self.id_bits == 16
    }

    /// The picture id without wraps: the one that is nearest to an earlier one, `previous`.
    pub fn extended(&self, previous: Option<u64>) -> u64 {
        let (id, cycle) = (u64::from(self.id), 1 << self.id_bits);
        // The first one leaves room for pictures before it.
        let Some(previous) = previous else { return cycle + id };
        let ahead = id.wrapping_sub(previous) % cycle;
        let behind = if ahead < cycle / 2 { 0 } else { cycle };
        (previous + ahead).saturating_sub(behind)
    }
}

/// Adds to the picture's numbers in a copy of where they lie, each modulo its own size.
pub fn rewrite(bytes: &mut [u8], picture: Picture, id_shift: u16, tl0_shift: u8) {
    let id = picture.id.wrapping_add(id_shift);
    match bytes.get_mut(picture.id_offset..) {
        Some([high, low, ..]) if picture.id_bits == 16 => [*high, *low] = id.to_be_bytes(),
        Some([high, low, ..]) if picture.id_bits == 15 => {
            [*high, *low] = (id | 0x8000).to_be_bytes();
        }
        Some([only, ..]) if picture.id_bits == 7 => *only = (id & 0x7f) as u8,
        _ => {}
    }
    if let Some(tl0) = picture.tl0
        && let Some(byte) = bytes.get_mut(tl0.offset)
    {
        *byte = tl0.index.wrapping_add(tl0_shift);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VP9: Codec = Codec::Vp9 { profile: 0 };

    #[test]
    fn vp8_layers_lie_where_the_rfc_says() {
        for (payload, expected) in [
            (&[0x10, 0x00][..], Some((0, true, Up::No))),
            (&[0x00, 0x00], Some((0, false, Up::No))),
            (&[0x11, 0x00], Some((0, false, Up::No))),
            (&[0x90, 0xf0, 0x81, 0x23, 0x01, 0x20, 0x50], Some((0, true, Up::No))),
            (&[0x90, 0xf0, 0x81, 0x23, 0x01, 0x60, 0x50], Some((1, true, Up::Into))),
            (&[0x90, 0xe0, 0x11, 0x01, 0x80], Some((2, true, Up::No))),
            (&[0x80, 0x20, 0xa0], Some((2, false, Up::Into))),
            // KEYIDX alone: what stands where TID is means nothing.
            (&[0x90, 0x10, 0xe0], Some((0, true, Up::No))),
            (&[0x90, 0x80, 0x11], Some((0, true, Up::No))),
            (&[0x90, 0xf0, 0x81, 0x23, 0x01], None),
            (&[0x90, 0x80, 0x81], None),
            (&[0x90], None),
            (&[], None),
        ] {
            let found = temporal(Codec::Vp8, payload);
            let found = found.map(|t| (t.layer, t.begins_frame, t.switches_up));
            assert_eq!(found, expected, "{payload:x?}");
        }
    }

    #[test]
    fn vp9_layers_lie_where_the_rfc_says() {
        let spatial = |layer, ends_frame| Some(Spatial { layer, ends_frame });
        for (payload, layer, begins_frame, switches_up, spatial) in [
            // No layers at all, with and without a picture id.
            (&[0x08][..], 0, true, Up::No, None),
            (&[0x84, 0x81, 0x23], 0, false, Up::No, None),
            // Not flexible: TID 2, U, SID 0; TL0PICIDX follows.
            (&[0xac, 0x81, 0x23, 0x50, 0x07], 2, true, Up::Past, spatial(0, true)),
            (&[0xe8, 0x11, 0x25, 0x07], 1, true, Up::No, spatial(2, false)),
            // Flexible: TID 1, U, SID 1, D; a reference follows.
            (&[0xf4, 0x11, 0x33, 0x02], 1, false, Up::Past, spatial(1, true)),
            (&[0x38, 0x40], 2, true, Up::No, spatial(0, false)),
        ] {
            let expected = Temporal { layer, begins_frame, switches_up, spatial };
            assert_eq!(temporal(VP9, payload), Some(expected), "{payload:x?}");
        }
        for cut in [&[][..], &[0x80], &[0x80, 0x81], &[0xa0, 0x11], &[0xa0, 0x11, 0x20]] {
            assert_eq!(temporal(VP9, cut), None, "{cut:x?}");
        }
    }

    #[test]
    fn of_other_codecs_all_is_base() {
        let h264 = Codec::H264 { profile_level_id: 0x42_e0_1f, packetization_mode: 1 };
        for codec in [Codec::Opus, h264, Codec::Av1 { profile: 0, level: 5, tier: 0 }] {
            assert_eq!(temporal(codec, &[0x90, 0x20, 0xe0, 0x00]), None);
        }
    }

    #[test]
    fn more_layers_begin_only_where_nothing_is_missed() {
        let highest = |layer, switches_up, current, wanted| {
            Temporal { layer, begins_frame: true, switches_up, spatial: None }
                .highest(current, wanted)
        };
        assert_eq!(highest(2, Up::No, 2, 0), 0, "fewer at any time");
        assert_eq!(highest(1, Up::No, 0, 2), 0);
        assert_eq!(highest(1, Up::Into, 0, 2), 1, "one of VP8 that needs the base alone");
        assert_eq!(highest(2, Up::Into, 0, 2), 2);
        assert_eq!(highest(2, Up::Into, 0, 1), 0, "not wanted");
        assert_eq!(highest(1, Up::Into, 1, 2), 1, "says nothing about layer 2");
        assert_eq!(highest(0, Up::Past, 0, 2), 2, "VP9");
        assert_eq!(highest(1, Up::Past, 0, 2), 0, "it may itself need what was left out");
    }

    #[test]
    fn a_pictures_numbers_are_found_and_rewritten_in_place() {
        let tl0 = |offset, index| Some(Tl0 { offset, index });
        for (before, id, id_bits, tl0, after) in [
            (&[0x90, 0xe0, 0x92, 0x34, 0xff, 0x20, 9][..], 0x1234, 15, tl0(4, 0xff), {
                &[0x90, 0xe0, 0x92, 0x39, 0x01, 0x20, 9][..]
            }),
            (&[0x90, 0xc0, 0xff, 0xfe, 0x05, 9], 0x7ffe, 15, tl0(4, 5), {
                &[0x90, 0xc0, 0x80, 0x03, 0x07, 9]
            }),
            (&[0x90, 0xc0, 0x7f, 0x05, 9], 0x7f, 7, tl0(3, 5), &[0x90, 0xc0, 0x04, 0x07, 9]),
            (&[0x90, 0x80, 0x80, 0x03, 9], 3, 15, None, &[0x90, 0x80, 0x80, 0x08, 9]),
        ] {
            let picture = vp8_picture(before).unwrap();
            assert_eq!(picture, Picture { id_offset: 2, id, id_bits, tl0 });
            let mut copy = before.to_vec();
            rewrite(&mut copy, picture, 5, 2);
            assert_eq!(copy, after);
            let back = vp8_picture(&copy).unwrap();
            rewrite(&mut copy, back, 0u16.wrapping_sub(5), 0u8.wrapping_sub(2));
            assert_eq!(copy, before, "and back");
        }
        for none in
            [&[][..], &[0x10, 0x00], &[0x90, 0x40, 0x01], &[0x90, 0x80], &[0x90, 0x80, 0x81]]
        {
            assert_eq!(vp8_picture(none), None, "{none:x?}");
        }
    }

    #[test]
    fn picture_ids_go_on_across_their_wraps_in_both_directions() {
        let picture = |id, id_bits| Picture { id_offset: 2, id, id_bits, tl0: None };
        let first = picture(0x7fff, 15).extended(None);
        assert_eq!(picture(0, 15).extended(Some(first)), first + 1);
        assert_eq!(picture(0x7ffe, 15).extended(Some(first + 1)), first - 1);
        assert_eq!(picture(1, 7).extended(Some(128 + 127)), 128 + 129);
        let zero = picture(0, 7).extended(None);
        assert_eq!(picture(127, 7).extended(Some(zero)), zero - 1);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut state = 1u64;
        for round in 0..200_000 {
            let mut payload = [0; 8];
            for byte in &mut payload {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                *byte = (state >> 56) as u8;
            }
            let payload = &mut payload[..round % 9];
            let before = temporal(Codec::Vp8, payload);
            temporal(VP9, payload);
            if let Some(picture) = vp8_picture(payload) {
                rewrite(payload, picture, round as u16, round as u8);
                assert_eq!(temporal(Codec::Vp8, payload), before, "layers are not touched");
                let rewritten = vp8_picture(payload).unwrap();
                assert_eq!(rewritten.id_bits, picture.id_bits);
                rewrite(&mut payload[..1], picture, 1, 1);
            }
        }
    }
}
