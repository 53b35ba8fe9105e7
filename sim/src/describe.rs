//! How browsers say which layer a packet belongs to, where layers come as one: VP9 in the payload,
//! AV1 beside it. It knows neither cameras nor networks.

use farcast_core::media::av1;
use str0m::rtp::{Extension, ExtensionSerializer, ExtensionValues};

/// What a packet is part of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) spatial: u8,
    pub(crate) keyframe: bool,
    /// Whether the layer's frame begins, or ends.
    pub(crate) begins: bool,
    pub(crate) ends: bool,
}

impl Place {
    /// A descriptor of VP9 with layers and named references, of which it needs none to be read.
    pub(crate) fn vp9(self) -> [u8; 2] {
        let Place { spatial, keyframe, begins, ends } = self;
        let bit = |is_set, bit| if is_set { bit } else { 0 };
        let first = 0x30 | bit(!keyframe, 0x40) | bit(begins, 0x08) | bit(ends, 0x04);
        [first, spatial << 1 | bit(keyframe && spatial > 0, 0x01)]
    }

    /// A dependency descriptor (AV1 RTP payload format, appendix A.8) of one of so many layers, the
    /// best one of which is so high. Each has two templates: of keyframes and of others.
    pub(crate) fn av1(self, number: u16, layers: u8, height: u16) -> Vec<u8> {
        let Place { spatial, keyframe, begins, ends } = self;
        let mut bits = Bits::default();
        bits.put(1, begins.into());
        bits.put(1, ends.into());
        bits.put(6, (spatial * 2 + u8::from(!keyframe)).into());
        bits.put(16, number.into());
        if keyframe && spatial == 0 && begins {
            bits.put(5, 0b10000);
            structure(&mut bits, layers, height);
        }
        bits.bytes
    }
}

fn structure(bits: &mut Bits, layers: u8, height: u16) {
    bits.put(6, 0);
    bits.put(5, (layers - 1).into());
    for layer in 1..=layers {
        bits.put(2, 0);
        bits.put(2, if layer == layers { 3 } else { 2 });
    }
    for layer in 0..layers {
        for is_key in [true, false] {
            let is_part = |target| if is_key { target >= layer } else { target == layer };
            (0..layers).for_each(|target| bits.put(2, if is_part(target) { 2 } else { 0 }));
        }
    }
    for layer in 0..layers {
        // The layer below of the same picture; the same layer of the picture before.
        bits.put(if layer > 0 { 6 } else { 1 }, if layer > 0 { 0b10_0000 } else { 0 });
        bits.put(6, 0b10_0000 | u32::from(layers - 1) << 1);
    }
    // No chains: ns(DtCnt + 1).
    bits.put((layers + 1).ilog2(), 0);
    bits.put(1, 1);
    for layer in (0..layers).rev() {
        let height = height >> layer;
        bits.put(16, u32::from(height / 9 * 16 - 1));
        bits.put(16, u32::from(height - 1));
    }
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: u32,
}

impl Bits {
    fn put(&mut self, count: u32, number: u32) {
        for bit in (0..count).rev() {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let place = 7 - self.count % 8;
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((number >> bit & 1) as u8) << place;
            }
            self.count += 1;
        }
    }
}

/// The header extension that carries such descriptors.
pub(crate) fn extension() -> Extension {
    Extension::with_serializer(av1::URI, Descriptor)
}

/// What it carries.
#[derive(Debug, Clone)]
pub(crate) struct Described(pub(crate) Vec<u8>);

#[derive(Debug)]
struct Descriptor;

impl ExtensionSerializer for Descriptor {
    fn write_to(&self, buf: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(Described(bytes)) = values.user_values.get() else { return 0 };
        buf[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    fn parse_value(&self, buf: &[u8], values: &mut ExtensionValues) -> bool {
        values.user_values.set(Described(buf.to_vec()));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        values.user_values.get().is_some_and(|Described(bytes)| bytes.len() > 16)
    }
}

#[cfg(test)]
mod tests {
    use farcast_core::media::av1::Templates;

    use super::*;

    #[test]
    fn the_core_reads_what_is_described() {
        for layers in 1..=4 {
            let mut templates = Templates::default();
            for (keyframe, spatial) in [true, false]
                .into_iter()
                .flat_map(|keyframe| (0..layers).map(move |spatial| (keyframe, spatial)))
            {
                let place = Place { spatial, keyframe, begins: true, ends: spatial == 1 };
                let found = templates.read(0, &place.av1(258, layers, 720)).expect("a descriptor");
                let told = found.layers.and_then(|layers| layers.spatial).expect("its layer");
                assert_eq!(
                    (found.number, told.layer, told.ends_frame),
                    (258, spatial, spatial == 1)
                );
                let heights = found.heights.iter().flatten().count();
                let is_first = keyframe && spatial == 0;
                assert_eq!(heights, if is_first { layers.into() } else { 0 });
            }
        }
    }
}
