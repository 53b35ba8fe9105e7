//! How str0m is configured: one codec variant per section, the extensions that we carry.

use str0m::format::{Codec as StrCodec, CodecSpec, FormatParams};
use str0m::media::Frequency;
use str0m::rtp::{Extension, ExtensionMap};
use str0m::{IceCreds, RtcConfig};

use crate::hub::egress::ExtensionIds;
use crate::hub::session::negotiate::Plan;
use crate::hub::session::{Setup, descriptor};
use crate::media::codec::Codec;
use crate::media::track::{Kind, Track};

/// Payload types that we propose; an offer's own take their place. Audio as browsers number it,
/// video in pairs with its repairs (RTX) from 96 (RFC 3551 section 3: dynamic).
const AUDIO_PT: u8 = 111;
const VIDEO_PT: u8 = 96;

/// For a session that answers an offer: an ICE-lite agent.
pub(super) fn answering(setup: &Setup<'_>, plan: &Plan) -> RtcConfig {
    // Repairs that come late are taken from there: see `receiving`.
    let codecs = plan.codecs();
    let config = base(setup, &codecs).enable_raw_packets(plan.peer_sends);
    let config = config.set_ice_lite(true);
    config.set_extension_map(extensions(true, &codecs))
}

/// For a session that makes an offer: a full agent.
pub(super) fn offering(setup: &Setup<'_>, tracks: &[Track]) -> RtcConfig {
    let mut codecs: Vec<Codec> = Vec::new();
    for track in tracks {
        if !codecs.contains(&track.codec) {
            codecs.push(track.codec);
        }
    }
    base(setup, &codecs).set_extension_map(extensions(false, &codecs))
}

fn base(setup: &Setup<'_>, codecs: &[Codec]) -> RtcConfig {
    let credentials = &setup.credentials;
    let mut config = RtcConfig::new()
        .set_rtp_mode(true)
        .set_crypto_provider(setup.crypto.provider.clone())
        .set_dtls_cert(setup.crypto.certificate.clone())
        .set_local_ice_credentials(IceCreds {
            ufrag: credentials.ufrag.clone(),
            pass: credentials.password.clone(),
        })
        .clear_codecs();
    let mut video = VIDEO_PT;
    for codec in codecs {
        let (pt, resend) = match codec.kind() {
            Kind::Audio => (AUDIO_PT, None),
            Kind::Video => (video, Some(video + 1)),
        };
        if codec.kind() == Kind::Video {
            video += 2;
        }
        let CodecSpec { codec, clock_rate, channels, format } = spec(*codec);
        let list = config.codec_config();
        list.add_config(pt.into(), resend.map(Into::into), codec, clock_rate, channels, format);
    }
    config
}

/// A codec in str0m's words.
pub(super) fn spec(codec: Codec) -> CodecSpec {
    let mut format = FormatParams::default();
    let (codec, channels) = match codec {
        Codec::Opus => {
            format.min_p_time = Some(10);
            format.use_inband_fec = Some(true);
            (StrCodec::Opus, Some(2))
        }
        Codec::Vp8 => (StrCodec::Vp8, None),
        Codec::H264 { profile_level_id, packetization_mode } => {
            format.level_asymmetry_allowed = Some(true);
            format.packetization_mode = Some(packetization_mode);
            format.profile_level_id = Some(profile_level_id);
            (StrCodec::H264, None)
        }
        Codec::Vp9 { profile } => {
            format.profile_id = Some(u32::from(profile));
            (StrCodec::Vp9, None)
        }
        Codec::Av1 { profile, level, tier } => {
            format.profile = Some(profile);
            format.level_idx = Some(level);
            format.tier = Some(tier);
            (StrCodec::Av1, None)
        }
    };
    let clock_rate = match codec {
        StrCodec::Opus => Frequency::FORTY_EIGHT_KHZ,
        _ => Frequency::NINETY_KHZ,
    };
    CodecSpec { codec, clock_rate, channels, format }
}

/// The header extensions that we negotiate. Transport-wide congestion control belongs to links on
/// which somebody estimates and can send less: a node to which we relay wants all layers. Browsers
/// send descriptors of other codecs too, which say these things in their payloads.
fn extensions(estimated: bool, codecs: &[Codec]) -> ExtensionMap {
    let mut map = ExtensionMap::empty();
    map.set(1, Extension::AudioLevel);
    map.set(4, Extension::RtpMid);
    map.set(5, Extension::PlayoutDelay);
    map.set(9, Extension::AbsoluteCaptureTime);
    map.set(10, Extension::RtpStreamId);
    map.set(11, Extension::RepairedRtpStreamId);
    map.set(13, Extension::VideoOrientation);
    if estimated {
        map.set(3, Extension::TransportSequenceNumber);
    }
    if codecs.iter().any(|codec| matches!(codec, Codec::Av1 { .. })) {
        map.set(12, descriptor::extension());
    }
    map
}

/// How a peer calls the extensions that it takes; `mixes`: in both forms.
pub(super) fn extension_ids(map: &ExtensionMap, mixes: bool) -> ExtensionIds {
    let id = |extension| map.id_of(extension).unwrap_or(0);
    // A descriptor is now short, now long, and has one id in both forms.
    let is_fit = |id: &u8| mixes && (1..=14).contains(id);
    ExtensionIds {
        mid: id(Extension::RtpMid),
        playout_delay: id(Extension::PlayoutDelay),
        captured: id(Extension::AbsoluteCaptureTime),
        audio_level: id(Extension::AudioLevel),
        rotation: id(Extension::VideoOrientation),
        rid: id(Extension::RtpStreamId),
        repaired: id(Extension::RepairedRtpStreamId),
        transport: id(Extension::TransportSequenceNumber),
        dependency: map.id_of(descriptor::extension()).filter(is_fit).unwrap_or(0),
    }
}
