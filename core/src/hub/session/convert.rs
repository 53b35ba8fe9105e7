//! Between str0m's packets and ours.

use std::sync::Arc;
use std::time::Instant;

use str0m::media::MediaTime;
use str0m::rtp::{AbsCaptureTime, ExtensionValues, RtpHeader, RtpPacket, VideoOrientation};

use crate::config::PlayoutDelay;
use crate::hub::session::descriptor;
use crate::media::av1::Templates;
use crate::media::packet::{CaptureTime, Extensions, Packet, Rotation};

/// What str0m received, in our words.
pub(super) fn packet(from: RtpPacket, templates: Option<&mut Templates>) -> Packet {
    let RtpPacket { header, seq_no, timestamp, payload, .. } = from;
    assemble(&header, *seq_no, timestamp, payload, templates)
}

/// A packet of this header, number, arrival and payload; `templates` of its layer, if it is AV1.
pub(super) fn assemble(
    header: &RtpHeader,
    sequence: u64,
    arrived: Instant,
    payload: Arc<[u8]>,
    templates: Option<&mut Templates>,
) -> Packet {
    let values = &header.ext_vals;
    let descriptor = templates.zip(descriptor::received(values));
    let dependency = descriptor.and_then(|(templates, bytes)| templates.read(sequence, bytes));
    Packet {
        sequence,
        timestamp: header.timestamp,
        marker: header.marker,
        arrived,
        extensions: Extensions {
            captured: values
                .abs_capture_time
                .map(|time| CaptureTime { at: time.capture_time, offset: time.clock_offset }),
            audio_level: values.audio_level,
            voice: values.voice_activity,
            rotation: values.video_orientation.map(rotation),
        },
        dependency: dependency.map(Arc::new),
        payload,
    }
}

/// The extensions of an outgoing packet; video asks for a playout delay.
pub(super) fn extension_values(
    from: &Extensions,
    playout: Option<PlayoutDelay>,
) -> ExtensionValues {
    let times = playout.map(PlayoutDelay::hundredths);
    let time = |which: usize| Some(MediaTime::from_hundredths(u64::from(times?[which])));
    ExtensionValues {
        abs_capture_time: from
            .captured
            .map(|time| AbsCaptureTime { capture_time: time.at, clock_offset: time.offset }),
        audio_level: from.audio_level,
        voice_activity: from.voice,
        video_orientation: from.rotation.map(orientation),
        play_delay_min: time(0),
        play_delay_max: time(1),
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
