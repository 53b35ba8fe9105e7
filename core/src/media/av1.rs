//! The dependency descriptor that browsers send with every packet of AV1 in a header extension (AV1
//! RTP payload format, appendix A.8): which frame it is part of, in which layers. Layers stand in
//! templates, which come with keyframes alone, so the descriptors of a stream are read in order.

use crate::limits;
use crate::media::temporal::{Picture, Spatial, Temporal, Up};
use crate::media::vp9::Heights;

/// What the header extension is called in descriptions (appendix A.4).
pub const URI: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// Templates of one structure: their ids have 6 bits.
const TEMPLATES: usize = 64;
/// Temporal layers (AV1 bitstream, section 6.2.3: temporal_id has 3 bits).
const TEMPORAL: u8 = 8;
/// Where frame_number lies in a descriptor, in bytes from its start.
const NUMBER: usize = 1;
/// Indications of a frame for a decode target (appendix A.8.3, table A.1): it is not part of it, or
/// whoever gets it can get that target from here on.
const NOT_PRESENT: u8 = 0;
const SWITCH: u8 = 2;

/// What the descriptor of a packet says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The descriptor as it came: at most 255 bytes (RFC 8285 section 4.3).
    pub bytes: Box<[u8]>,
    /// frame_number: one more with each frame, in any layer.
    pub number: u16,
    /// `None`: the structure with its template is not known.
    pub layers: Option<Temporal>,
    /// The heights of the layers, if a structure comes with it and tells them.
    pub heights: Heights,
}

/// The templates that descriptors of one stream name: of the latest structure, and of the one
/// before it for packets that come late. With the numbers of the packets that brought them.
#[derive(Debug, Default)]
pub struct Templates([Option<(u64, Structure)>; 2]);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Structure {
    /// The id of the first template.
    offset: u8,
    templates: Vec<Template>,
    heights: Heights,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Template {
    spatial: u8,
    temporal: u8,
    /// Whether whoever gets such a frame can get all higher temporal layers from here on.
    switches_up: bool,
}

impl Dependency {
    /// How its frame is numbered, and where in the descriptor.
    pub fn picture(&self) -> Picture {
        Picture { id_offset: NUMBER, id: self.number, id_bits: 16, tl0: None }
    }
}

impl Templates {
    /// Reads the descriptor of the packet with this extended sequence number; `None` if it is cut
    /// off or breaks its own rules, and then nothing is remembered of it.
    pub fn read(&mut self, sequence: u64, bytes: &[u8]) -> Option<Dependency> {
        let mut bits = Bits { bytes, at: 0 };
        let (begins_frame, ends_frame) = (bits.flag()?, bits.flag()?);
        let (id, number) = (bits.number(6)?, bits.number(16)? as u16);
        let (mut own, mut has_own_indications) = (None, false);
        // Padding is as good as flags that are not set.
        if bytes.len() > 3 {
            let has_structure = bits.flag()?;
            has_own_indications = bits.number(2)? & 1 != 0;
            bits.number(2)?;
            if has_structure {
                own = Some(Structure::parse(&mut bits)?);
            }
        }
        let known = self.0.iter().flatten().map(|(_, structure)| structure);
        let mut structures = own.iter().chain(known.filter(|_| own.is_none()));
        let layers =
            structures.find_map(|structure| structure.template(id as u8)).map(|template| {
                let Template { spatial, temporal, switches_up } = template;
                let is_up = switches_up && !has_own_indications;
                Temporal {
                    layer: temporal,
                    begins_frame,
                    switches_up: if is_up { Up::Past } else { Up::No },
                    spatial: Some(Spatial { layer: spatial, ends_frame }),
                }
            });
        let heights = own.as_ref().map_or_else(Heights::default, |own| own.heights);
        if let Some(structure) = own {
            self.learn(sequence, structure);
        }
        Some(Dependency { bytes: bytes.into(), number, layers, heights })
    }

    fn learn(&mut self, sequence: u64, structure: Structure) {
        let [latest, before] = &mut self.0;
        match latest {
            Some((at, _)) if *at > sequence => {}
            // Who numbers templates in the same way means the same ones.
            Some((_, known)) if known.offset == structure.offset => {
                *latest = Some((sequence, structure));
            }
            _ => *before = latest.replace((sequence, structure)),
        }
    }
}

impl Structure {
    fn parse(bits: &mut Bits<'_>) -> Option<Structure> {
        let offset = bits.number(6)? as u8;
        let targets = bits.number(5)? as usize + 1;
        let mut templates = layers(bits)?;
        indicate(bits, targets, &mut templates)?;
        for _ in &templates {
            while bits.flag()? {
                bits.number(4)?;
            }
        }
        let chains = bits.below(targets as u32 + 1)?;
        if chains > 0 {
            for _ in 0..targets {
                bits.below(chains)?;
            }
            for _ in 0..templates.len() * chains as usize {
                bits.number(4)?;
            }
        }
        let mut heights = Heights::default();
        if bits.flag()? {
            let highest = templates.iter().map(|template| template.spatial).max()?;
            for height in &mut heights[..=usize::from(highest)] {
                bits.number(16)?;
                *height = (bits.number(16)? as u16).checked_add(1);
            }
        }
        Some(Structure { offset, templates, heights })
    }

    fn template(&self, id: u8) -> Option<Template> {
        let place = usize::from(id.wrapping_sub(self.offset)) % TEMPLATES;
        self.templates.get(place).copied()
    }
}

/// template_layers(): each template is in the layer of the one before it, in the next temporal one,
/// or in the base of the next spatial one.
fn layers(bits: &mut Bits<'_>) -> Option<Vec<Template>> {
    let mut templates = Vec::new();
    let mut next = Template { spatial: 0, temporal: 0, switches_up: false };
    loop {
        let is_known = usize::from(next.spatial) < limits::LAYERS && next.temporal < TEMPORAL;
        if !is_known || templates.len() == TEMPLATES {
            return None;
        }
        templates.push(next);
        match bits.number(2)? {
            0 => {}
            1 => next.temporal += 1,
            2 => (next.spatial, next.temporal) = (next.spatial + 1, 0),
            _ => return Some(templates),
        }
    }
}

/// template_dtis(): what the templates are for each of so many decode targets. A target's layers
/// are the highest ones among its templates (decode_target_layers()).
fn indicate(bits: &mut Bits<'_>, targets: usize, templates: &mut [Template]) -> Option<()> {
    let count = templates.len() * targets;
    let all = (0..count).map(|_| Some(bits.number(2)? as u8)).collect::<Option<Vec<u8>>>()?;
    let layers = |target: usize| {
        let of = |template: &[u8]| template[target] != NOT_PRESENT;
        let present = templates.iter().zip(all.chunks(targets)).filter(|(_, all)| of(all));
        let present = present.map(|(template, _)| (template.spatial, template.temporal));
        present.reduce(|one, other| (one.0.max(other.0), one.1.max(other.1)))
    };
    let layers: Vec<_> = (0..targets).map(layers).collect();
    for (template, all) in templates.iter_mut().zip(all.chunks(targets)) {
        let own = all.iter().zip(&layers).filter_map(|(indication, layers)| {
            let (_, temporal) = layers.filter(|(spatial, _)| *spatial == template.spatial)?;
            Some((temporal, *indication))
        });
        let highest = own.max_by_key(|(temporal, _)| *temporal);
        template.switches_up = highest.is_some_and(|(_, indication)| indication == SWITCH);
    }
    Some(())
}

/// Reads numbers bit by bit, the highest bit first.
struct Bits<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Bits<'_> {
    fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// A number of so many bits, f(n): at most 32.
    fn number(&mut self, count: u32) -> Option<u32> {
        let mut number = 0;
        for _ in 0..count {
            number = number << 1 | u32::from(self.flag()?);
        }
        Some(number)
    }

    /// A number below this one, ns(n): the lower ones take a bit less.
    fn below(&mut self, bound: u32) -> Option<u32> {
        let bits = bound.checked_ilog2()? + 1;
        let short = (1 << bits) - bound;
        let number = self.number(bits - 1)?;
        if number < short {
            return Some(number);
        }
        Some((number << 1 | u32::from(self.flag()?)) - short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Chromium sends with the first packet of a keyframe in L3T3_KEY.
    const KEYFRAME: [u8; 90] = [
        0x80, 0x00, 0xc4, 0x80, 0x08, 0x14, 0x85, 0x21, 0x4e, 0xaa, 0xaa, 0xa8, 0x00, 0x06, 0x00,
        0x00, 0x40, 0x00, 0x10, 0x00, 0x02, 0xaa, 0x80, 0xa8, 0x00, 0x06, 0x00, 0x00, 0x40, 0x00,
        0x10, 0x00, 0x02, 0xa0, 0x00, 0xa8, 0x00, 0x06, 0x00, 0x00, 0x40, 0x00, 0x16, 0xd5, 0x49,
        0x24, 0x1b, 0x55, 0x24, 0x90, 0x6d, 0x54, 0x92, 0x31, 0x57, 0xe0, 0x01, 0x97, 0x4c, 0xa8,
        0x64, 0x33, 0x0e, 0x22, 0x23, 0x96, 0xec, 0xa8, 0x65, 0x53, 0x04, 0x22, 0x43, 0x90, 0xec,
        0xa8, 0x77, 0x53, 0x01, 0x3f, 0x00, 0xb3, 0x02, 0x7f, 0x01, 0x67, 0x04, 0xff, 0x02, 0xcf,
    ];

    fn layers(temporal: u8, spatial: u8, begins: bool, ends: bool, up: Up) -> Option<Temporal> {
        let spatial = Some(Spatial { layer: spatial, ends_frame: ends });
        Some(Temporal { layer: temporal, begins_frame: begins, switches_up: up, spatial })
    }

    /// The layers that a stream's next packet is in, by a descriptor of this template.
    fn judged(templates: &mut Templates, id: u8) -> Option<Temporal> {
        templates.read(0, &[0xc0 | id, 0, 0]).and_then(|found| found.layers)
    }

    /// Bits as a format writes them, with spaces between the fields.
    fn bits(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|c| *c != b' ').map(|c| c - b'0').collect();
        let byte = |bits: &[u8]| (0..8).fold(0, |byte, at| byte << 1 | bits.get(at).unwrap_or(&0));
        digits.chunks(8).map(byte).collect()
    }

    /// Two temporal layers, the ids of whose templates begin with these bits.
    fn two_layers(offset: &str) -> Vec<u8> {
        bits(&format!(
            // It begins and ends; the first template; number 258; with a structure alone.
            "1 1 {offset} 00000001 00000010 1 0 0 0 0 \
             {offset} 00001 \
             00 01 11 \
             10 10 10 10 00 01 \
             0 1 0001 0 1 0000 0 \
             10 0000 0010 0001 0"
        ))
    }

    #[test]
    fn a_keyframe_of_chromium_names_nine_layers_and_their_heights() {
        let mut templates = Templates::default();
        assert_eq!(judged(&mut templates, 0), None, "before there is a structure");
        let keyframe = templates.read(7, &KEYFRAME).expect("a descriptor");
        assert_eq!(*keyframe.bytes, KEYFRAME);
        assert_eq!(keyframe.number, u16::from_be_bytes([KEYFRAME[1], KEYFRAME[2]]));
        assert_eq!(keyframe.heights, [Some(180), Some(360), Some(720), None]);
        assert_eq!(keyframe.layers, layers(0, 0, true, false, Up::Past));
        for spatial in 0..3 {
            let first = spatial * 5;
            for (id, temporal, up) in [
                (first, 0, Up::Past),
                (first + 1, 0, Up::Past),
                (first + 2, 1, Up::Past),
                (first + 3, 2, Up::No),
                (first + 4, 2, Up::No),
            ] {
                let expected = layers(temporal, spatial, true, true, up);
                assert_eq!(judged(&mut templates, id), expected, "template {id}");
            }
        }
        assert_eq!(judged(&mut templates, 15), None, "no such template");
        let upper = templates.read(8, &[0x0b, 0x12, 0x34]).expect("a descriptor");
        assert_eq!((upper.number, upper.heights), (0x1234, Heights::default()));
        assert_eq!(upper.layers, layers(0, 2, false, false, Up::Past));
        // As Chromium says that fewer targets are active, and that its references are others.
        let own = templates.read(9, &[0xc3, 0x00, 0x05, 0x1a, 0x20, 0x10, 0x08, 0x00]);
        assert_eq!(own.expect("a descriptor").layers, layers(2, 0, true, true, Up::No));
        let own = templates.read(9, &[0xc1, 0x00, 0x05, 0x20, 0x00, 0x00]);
        assert_eq!(own.expect("its indications").layers, layers(0, 0, true, true, Up::No));
    }

    #[test]
    fn ids_go_on_beyond_their_wrap_and_late_packets_name_what_was_there_before() {
        let mut templates = Templates::default();
        let first = templates.read(100, &two_layers("111110")).expect("a descriptor");
        assert_eq!((first.number, first.heights), (258, Heights::default()));
        assert_eq!(first.layers, layers(0, 0, true, true, Up::Past));
        assert_eq!(judged(&mut templates, 63), layers(0, 0, true, true, Up::Past));
        assert_eq!(judged(&mut templates, 0), layers(1, 0, true, true, Up::No));
        assert_eq!(judged(&mut templates, 1), None);
        templates.read(200, &two_layers("000001")).expect("a descriptor");
        assert_eq!(judged(&mut templates, 3), layers(1, 0, true, true, Up::No));
        assert_eq!(judged(&mut templates, 63), layers(0, 0, true, true, Up::Past), "a late one");
        let late = templates.read(150, &two_layers("010000")).expect("a descriptor");
        assert_eq!(late.layers, layers(0, 0, true, true, Up::Past), "it tells its own");
        assert_eq!(judged(&mut templates, 16), None, "which nobody else goes by");
        templates.read(300, &two_layers("000001")).expect("the same once more");
        assert_eq!(judged(&mut templates, 63), layers(0, 0, true, true, Up::Past), "still");
        templates.read(400, &two_layers("000111")).expect("a descriptor");
        assert_eq!(judged(&mut templates, 63), None, "long ago");
    }

    #[test]
    fn what_is_cut_off_or_has_too_much_is_nothing() {
        for whole in [&KEYFRAME[..], &two_layers("000000")] {
            let mut templates = Templates::default();
            for length in 0..whole.len() {
                let found = templates.read(0, &whole[..length]);
                // Three bytes are a whole descriptor, of a frame that no template is known for.
                assert_eq!(found.and_then(|found| found.layers), None, "{length} bytes");
                assert_eq!(judged(&mut templates, 0), None, "{length} bytes");
            }
        }
        let with = |layers: &str| {
            let head = "1 1 000000 00000000 00000000 1 0 0 0 0 000000 00000";
            [bits(&format!("{head} {layers}")), vec![0; 400]].concat()
        };
        let read = |layers: &str| Templates::default().read(0, &with(layers));
        assert!(read(&["00"; 63].concat()).is_none(), "more than 64 templates");
        assert!(read(&([&["00"; 63].concat(), "11"].concat())).is_some());
        assert!(read(&["01"; 8].concat()).is_none(), "nine temporal layers");
        assert!(read(&["10"; 4].concat()).is_none(), "five spatial layers");
        assert!(read("10 10 10 11").is_some());
    }

    #[test]
    fn numbers_below_a_bound_take_the_bits_that_the_format_says() {
        // AV1 RTP payload format, appendix A.8.2: ns(5) is 00, 01, 10, 110, 111.
        for (written, number, length) in
            [("00", 0, 2), ("01", 1, 2), ("10", 2, 2), ("110", 3, 3), ("111", 4, 3)]
        {
            let bytes = bits(written);
            let mut bits = Bits { bytes: &bytes, at: 0 };
            assert_eq!((bits.below(5), bits.at), (Some(number), length));
            assert_eq!(Bits { bytes: &bytes, at: 0 }.below(1), Some(0), "no bits at all");
            assert_eq!(Bits { bytes: &bytes, at: 0 }.below(0), None);
        }
    }
}
