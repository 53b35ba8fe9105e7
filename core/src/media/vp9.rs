//! The descriptor before every payload of VP9 (RFC 9628 section 4.2): which frame of which picture
//! it is part of, in which layer, and how large the layers are. It knows no stream.

use crate::limits;

/// The heights of a picture's spatial layers in pixels, the lowest layer first, as far as known.
pub type Heights = [Option<u16>; limits::LAYERS];

/// Earlier pictures that a frame may name (P_DIFF).
const REFERENCES: usize = 3;

/// What a descriptor says, without references and the scalability structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// Whether its frame needs earlier pictures (P).
    pub is_predicted: bool,
    /// Whether a frame begins here (B): a picture, or with spatial layers one layer of it.
    pub begins_frame: bool,
    /// Whether it ends here (E).
    pub ends_frame: bool,
    /// Picture id, of 7 or 15 bits.
    pub picture: Option<u16>,
    /// `None`: the stream has no layers.
    pub layers: Option<Layers>,
    /// Whether references are named for each picture (F).
    is_flexible: bool,
    /// Whether a scalability structure follows (V).
    has_structure: bool,
    /// Bytes up to here.
    length: usize,
}

/// Where in the layers a frame lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    /// The temporal layer, 0 the base (TID).
    pub temporal: u8,
    /// Whether nothing later depends on what was in higher temporal layers before (U).
    pub switches_up: bool,
    /// The spatial layer, 0 the base (SID).
    pub spatial: u8,
    /// Whether it needs the layer below in the same picture (D).
    pub needs_lower: bool,
    /// Counts the pictures of the lowest temporal layer, if references are not named (TL0PICIDX).
    pub base_index: Option<u8>,
}

impl Descriptor {
    /// Reads the descriptor of a payload; `None` if it is cut off.
    pub fn parse(payload: &[u8]) -> Option<Descriptor> {
        let (first, mut rest) = payload.split_first()?;
        let has = |bit: u8| first & bit != 0;
        let picture = if has(0x80) { Some(picture_id(&mut rest)?) } else { None };
        let is_flexible = has(0x10);
        let layers = if has(0x20) { Some(Layers::parse(&mut rest, is_flexible)?) } else { None };
        Some(Descriptor {
            is_predicted: has(0x40),
            begins_frame: has(0x08),
            ends_frame: has(0x04),
            picture,
            layers,
            is_flexible,
            has_structure: has(0x02),
            length: payload.len() - rest.len(),
        })
    }

    /// Whether a picture begins here that can be understood alone: not predicted, in the lowest
    /// layer.
    pub fn begins_keyframe(&self) -> bool {
        let is_base = self.layers.is_none_or(|layers| layers.spatial == 0);
        !self.is_predicted && self.begins_frame && is_base
    }
}

impl Layers {
    fn parse(rest: &mut &[u8], is_flexible: bool) -> Option<Layers> {
        let bits = byte(rest)?;
        Some(Layers {
            temporal: bits >> 5,
            switches_up: bits & 0x10 != 0,
            spatial: bits >> 1 & 0x07,
            needs_lower: bits & 0x01 != 0,
            base_index: if is_flexible { None } else { Some(byte(rest)?) },
        })
    }
}

/// The heights of the spatial layers, if the payload's descriptor tells them: keyframes do.
pub fn heights(payload: &[u8]) -> Option<Heights> {
    let descriptor = Descriptor::parse(payload).filter(|descriptor| descriptor.has_structure)?;
    let mut rest = payload.get(descriptor.length..)?;
    if descriptor.is_flexible && descriptor.is_predicted {
        for _ in 0..REFERENCES {
            let has_more = byte(&mut rest)? & 0x01 != 0;
            if !has_more {
                break;
            }
        }
    }
    let bits = byte(&mut rest)?;
    if bits & 0x10 == 0 {
        return None;
    }
    let mut heights = Heights::default();
    for layer in 0..=usize::from(bits >> 5) {
        let (size, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        if let Some(height) = heights.get_mut(layer) {
            *height = Some(u16::from_be_bytes([size[2], size[3]]));
        }
    }
    Some(heights)
}

/// A picture id of 7 or 15 bits, as its first bit says.
fn picture_id(rest: &mut &[u8]) -> Option<u16> {
    let first = byte(rest)?;
    let high = u16::from(first & 0x7f);
    Some(if first & 0x80 != 0 { high << 8 | u16::from(byte(rest)?) } else { high })
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    rest.split_off_first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Descriptor = Descriptor {
        is_predicted: false,
        begins_frame: false,
        ends_frame: false,
        picture: None,
        layers: None,
        is_flexible: false,
        has_structure: false,
        length: 1,
    };

    #[test]
    fn fields_lie_where_the_rfc_says() {
        let layers = |temporal, switches_up, spatial, needs_lower, base_index| {
            Some(Layers { temporal, switches_up, spatial, needs_lower, base_index })
        };
        for (payload, expected) in [
            (&[0x08][..], Descriptor { begins_frame: true, ..PLAIN }),
            (&[0x84, 0x81, 0x23], {
                Descriptor { ends_frame: true, picture: Some(0x123), length: 3, ..PLAIN }
            }),
            (
                &[0xe0, 0x11, 0x25, 0x07],
                Descriptor {
                    is_predicted: true,
                    picture: Some(0x11),
                    layers: layers(1, false, 2, true, Some(7)),
                    length: 4,
                    ..PLAIN
                },
            ),
            (
                &[0x32, 0x50],
                Descriptor {
                    is_flexible: true,
                    has_structure: true,
                    layers: layers(2, true, 0, false, None),
                    length: 2,
                    ..PLAIN
                },
            ),
        ] {
            assert_eq!(Descriptor::parse(payload), Some(expected), "{payload:x?}");
            let cut = &payload[..payload.len() - 1];
            assert_eq!(Descriptor::parse(cut), None, "{cut:x?}");
        }
    }

    #[test]
    fn a_keyframe_tells_how_high_its_layers_are() {
        let sizes = [0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68, 0x05, 0x00, 0x02, 0xd0];
        let three = [Some(180), Some(360), Some(720), None];
        let with = |head: &[u8]| [head, &sizes].concat();
        // N_S 2, Y; not flexible, with a picture id and layers.
        let keyframe = with(&[0xaa, 0x81, 0x23, 0x00, 0x07, 0x50]);
        assert_eq!(heights(&keyframe), Some(three));
        assert_eq!(heights(&with(&[0x02, 0x50])), Some(three), "without layers");
        assert_eq!(
            heights(&with(&[0x72, 0x00, 0x03, 0x05, 0x02, 0x50])),
            Some(three),
            "references"
        );
        assert_eq!(heights(&with(&[0x72, 0x00, 0x03, 0x05, 0x03, 0x50])), Some(three), "no more");
        assert_eq!(heights(&with(&[0x02, 0x10])), Some([Some(180), None, None, None]));
        assert_eq!(heights(&with(&[0x02, 0x40])), None, "no sizes");
        assert_eq!(heights(&with(&[0xa8, 0x81, 0x23, 0x00, 0x07, 0x50])), None, "no structure");
        for length in 0..keyframe.len() {
            assert_eq!(heights(&keyframe[..length]), None, "{length} bytes");
        }
        let many: Vec<u8> = [0x02, 0xf0].into_iter().chain([1; 32]).collect();
        assert_eq!(heights(&many), Some([Some(0x101); 4]), "more than anybody sends");
    }
}
