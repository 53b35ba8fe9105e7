//! Between str0m's packets and ours.

use str0m::media::MediaTime;
use str0m::rtp::{AbsCaptureTime, ExtensionValues, RtpPacket, VideoOrientation};

use crate::media::packet::{CaptureTime, Extensions, Packet, Rotation};
use crate::media::track::Kind;

/// What str0m received, in our words.
pub(super) fn packet(from: RtpPacket) -> Packet {
    let values = &from.header.ext_vals;
    Packet {
        sequence: *from.seq_no,
        timestamp: from.header.timestamp,
        marker: from.header.marker,
        arrived: from.timestamp,
        extensions: Extensions {
            captured: values
                .abs_capture_time
                .map(|time| CaptureTime { at: time.capture_time, offset: time.clock_offset }),
            audio_level: values.audio_level,
            voice: values.voice_activity,
            rotation: values.video_orientation.map(rotation),
        },
        payload: from.payload,
    }
}

/// The extensions of an outgoing packet. Video asks for a playout delay of 0 to 0: show it now.
pub(super) fn extension_values(from: &Extensions, kind: Kind) -> ExtensionValues {
    let now = (kind == Kind::Video).then(|| MediaTime::from_hundredths(0));
    ExtensionValues {
        abs_capture_time: from
            .captured
            .map(|time| AbsCaptureTime { capture_time: time.at, clock_offset: time.offset }),
        audio_level: from.audio_level,
        voice_activity: from.voice,
        video_orientation: from.rotation.map(orientation),
        play_delay_min: now,
        play_delay_max: now,
        ..ExtensionValues::default()
    }
}

fn rotation(from: VideoOrientation) -> Rotation {
    match from {
        VideoOrientation::Deg0 => Rotation::None,
        VideoOrientation::Deg90 => Rotation::Quarter,
        VideoOrientation::Deg180 => Rotation::Half,
        VideoOrientation::Deg270 => Rotation::ThreeQuarters,
    }
}

fn orientation(from: Rotation) -> VideoOrientation {
    match from {
        Rotation::None => VideoOrientation::Deg0,
        Rotation::Quarter => VideoOrientation::Deg90,
        Rotation::Half => VideoOrientation::Deg180,
        Rotation::ThreeQuarters => VideoOrientation::Deg270,
    }
}
