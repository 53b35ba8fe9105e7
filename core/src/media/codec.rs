//! The codecs that Farcast carries, and how SDP names them. Payloads pass untouched; it never looks
//! into one.

use crate::media::track::Kind;

/// A codec with what two ends must agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// RFC 7741.
    Vp8,
    /// RFC 6184.
    H264 { profile_level_id: u32, packetization_mode: u8 },
    /// RFC 9628.
    Vp9 { profile: u8 },
    /// AV1 RTP payload format, section 7.2.
    Av1 { profile: u8, level: u8, tier: u8 },
}

/// The level that H.264 endpoints assume if none is given (RFC 6184 section 8.1).
const H264_DEFAULT: u32 = 0x42_00_0a;
/// AV1 level-idx if none is given (AV1 RTP payload format, section 7.2.1).
const AV1_DEFAULT_LEVEL: u8 = 5;

impl Codec {
    /// Reads the encoding name of an `a=rtpmap` and the parameters of its `a=fmtp`; `None` for a
    /// codec that Farcast does not carry.
    pub fn parse(encoding: &str, parameters: &str) -> Option<Codec> {
        let mut parts = encoding.split('/');
        let name = parts.next()?.to_ascii_lowercase();
        let clock: u32 = parts.next()?.parse().ok()?;
        let codec = match name.as_str() {
            "opus" if clock == 48_000 => return Some(Codec::Opus),
            "vp8" => Codec::Vp8,
            "h264" => Codec::H264 {
                profile_level_id: hexadecimal(parameters, "profile-level-id")
                    .unwrap_or(H264_DEFAULT),
                packetization_mode: number(parameters, "packetization-mode").unwrap_or(0),
            },
            "vp9" => Codec::Vp9 { profile: number(parameters, "profile-id").unwrap_or(0) },
            "av1" => Codec::Av1 {
                profile: number(parameters, "profile").unwrap_or(0),
                level: number(parameters, "level-idx").unwrap_or(AV1_DEFAULT_LEVEL),
                tier: number(parameters, "tier").unwrap_or(0),
            },
            _ => return None,
        };
        (clock == 90_000).then_some(codec)
    }

    /// Audio or video.
    pub fn kind(self) -> Kind {
        match self {
            Codec::Opus => Kind::Audio,
            _ => Kind::Video,
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Opus => "Opus",
            Codec::Vp8 => "VP8",
            Codec::H264 { .. } => "H.264",
            Codec::Vp9 { .. } => "VP9",
            Codec::Av1 { .. } => "AV1",
        }
    }

    /// The RTP clock in Hz.
    pub fn clock_rate(self) -> u32 {
        match self {
            Codec::Opus => 48_000,
            _ => 90_000,
        }
    }

    /// Whether a decoder of `offered` plays this: the same codec and profile. Levels may differ;
    /// they bound what an encoder may do (RFC 6184 section 8.2.2).
    pub fn plays_as(self, offered: Codec) -> bool {
        match (self, offered) {
            (
                Codec::H264 { profile_level_id: ours, packetization_mode: mode },
                Codec::H264 { profile_level_id: theirs, packetization_mode },
            ) => mode == packetization_mode && h264_profile(ours) == h264_profile(theirs),
            (Codec::Vp9 { profile: ours }, Codec::Vp9 { profile: theirs }) => ours == theirs,
            (Codec::Av1 { profile: ours, .. }, Codec::Av1 { profile: theirs, .. }) => {
                ours == theirs
            }
            _ => self == offered,
        }
    }

    /// How widely this variant of its codec can be decoded; more is better. Only H.264 has
    /// variants that browsers decode unequally.
    fn reach(self) -> u8 {
        match self {
            Codec::H264 { profile_level_id, packetization_mode } => {
                let common = h264_profile(profile_level_id) == H264Profile::ConstrainedBaseline;
                2 * u8::from(packetization_mode == 1) + u8::from(common)
            }
            _ => 0,
        }
    }

    /// Picks what a publisher shall send, out of what it offers in its own order: the first codec
    /// that we carry, in the variant that most viewers can decode.
    pub fn choose(offered: &[Codec]) -> Option<Codec> {
        let first = offered.first()?;
        let same = offered.iter().filter(|codec| codec.name() == first.name());
        same.rev().max_by_key(|codec| codec.reach()).copied()
    }
}

/// What a profile_idc and its constraint flags mean together (RFC 6184 section 8.1, table 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum H264Profile {
    /// What every browser decodes (RFC 7742 section 6.2).
    ConstrainedBaseline,
    Baseline,
    Other(u32),
}

fn h264_profile(profile_level_id: u32) -> H264Profile {
    let (idc, flags) = (profile_level_id >> 16, profile_level_id >> 8 & 0xff);
    let has = |flag: u32| flags & flag != 0;
    match idc {
        0x42 if has(0x40) => H264Profile::ConstrainedBaseline,
        0x4d if has(0x80) => H264Profile::ConstrainedBaseline,
        0x58 if has(0x80) && has(0x40) => H264Profile::ConstrainedBaseline,
        0x42 => H264Profile::Baseline,
        0x58 if has(0x80) => H264Profile::Baseline,
        _ => H264Profile::Other(profile_level_id >> 8),
    }
}

fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn number(parameters: &str, name: &str) -> Option<u8> {
    parameter(parameters, name)?.parse().ok()
}

fn hexadecimal(parameters: &str, name: &str) -> Option<u32> {
    u32::from_str_radix(parameter(parameters, name)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h264(profile_level_id: u32, packetization_mode: u8) -> Codec {
        Codec::H264 { profile_level_id, packetization_mode }
    }

    #[test]
    fn reads_what_browsers_write() {
        let fmtp = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
        assert_eq!(Codec::parse("H264/90000", fmtp), Some(h264(0x42e01f, 1)));
        assert_eq!(Codec::parse("opus/48000/2", "minptime=10"), Some(Codec::Opus));
        assert_eq!(Codec::parse("VP9/90000", "profile-id=2"), Some(Codec::Vp9 { profile: 2 }));
        let av1 = Codec::Av1 { profile: 0, level: 5, tier: 0 };
        assert_eq!(Codec::parse("AV1/90000", "level-idx=5;profile=0;tier=0"), Some(av1));
        for other in ["rtx/90000", "red/48000/2", "VP8/8000", "telephone-event/8000", "", "VP8"] {
            assert_eq!(Codec::parse(other, ""), None, "{other}");
        }
    }

    #[test]
    fn a_publisher_keeps_its_first_codec_in_the_variant_most_can_decode() {
        let offer = [h264(0x42001f, 1), h264(0x42001f, 0), h264(0x42e01f, 1), Codec::Vp8];
        assert_eq!(Codec::choose(&offer), Some(h264(0x42e01f, 1)));
        assert_eq!(Codec::choose(&[Codec::Vp8, h264(0x42e01f, 1)]), Some(Codec::Vp8));
        assert_eq!(Codec::choose(&[]), None);
    }

    #[test]
    fn profiles_are_compared_by_what_they_mean() {
        assert!(h264(0x42c01f, 1).plays_as(h264(0x42e034, 1)));
        assert!(!h264(0x42001f, 1).plays_as(h264(0x42e01f, 1)));
        assert!(!h264(0x42e01f, 0).plays_as(h264(0x42e01f, 1)));
        assert!(!h264(0x64001f, 1).plays_as(h264(0x640c1f, 1)));
    }

    #[test]
    fn equal_variants_keep_the_publishers_order() {
        let offer = [Codec::Vp9 { profile: 0 }, Codec::Vp9 { profile: 2 }];
        assert_eq!(Codec::choose(&offer), Some(offer[0]));
    }
}
