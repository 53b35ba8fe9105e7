//! What travels from publishers toward viewers: one RTP packet, shared by all who get it.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::media::av1::Dependency;
use crate::media::codec::Codec;
use crate::media::keyframe;
use crate::media::temporal::{self, Picture, Temporal, vp8_picture};
use crate::media::vp9::Heights;

/// One RTP packet of a track, as its source numbered it.
#[derive(Debug, Clone)]
pub struct Packet {
    /// The source's extended sequence number (RFC 3711 section 3.3.1: 2¹⁶ × ROC + SEQ).
    pub sequence: u64,
    /// RTP time in the codec's clock.
    pub timestamp: u32,
    /// The marker bit: the last packet of a video frame, the first of a talk spurt.
    pub marker: bool,
    /// When it arrived here.
    pub arrived: Instant,
    /// Header extensions that are carried from hop to hop.
    pub extensions: Extensions,
    /// Its descriptor, if it is AV1 that has some.
    pub dependency: Option<Arc<Dependency>>,
    /// The payload without the RTP header; never copied per viewer.
    pub payload: Arc<[u8]>,
}

/// How many bytes the longest payload has; 0: there are no packets.
pub fn longest<'p>(packets: impl Iterator<Item = &'p Packet>) -> usize {
    packets.map(|packet| packet.payload.len()).max().unwrap_or(0)
}

impl Packet {
    /// The layers that it belongs to; `None` where all is base, or nothing tells.
    pub fn layers(&self, codec: Codec) -> Option<Temporal> {
        match codec {
            Codec::Av1 { .. } => self.dependency.as_ref()?.layers,
            _ => temporal::temporal(codec, &self.payload),
        }
    }

    /// How many lines the picture has that begins here, by spatial layers, if it tells.
    pub fn heights(&self, codec: Codec) -> Heights {
        match &self.dependency {
            Some(dependency) => dependency.heights,
            None => keyframe::heights(codec, &self.payload),
        }
    }

    /// How its picture is numbered, and where: in the payload of VP8, in the descriptor of AV1.
    pub fn picture(&self, codec: Codec) -> Option<Picture> {
        match codec {
            Codec::Vp8 => vp8_picture(&self.payload),
            Codec::Av1 { .. } => Some(self.dependency.as_ref()?.picture()),
            Codec::Opus | Codec::H264 { .. } | Codec::Vp9 { .. } => None,
        }
    }
}

/// Header extensions that survive a hop; those that describe one hop (transport-cc,
/// abs-send-time, mid) do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions {
    /// When the publisher captured the frame (abs-capture-time).
    pub captured: Option<CaptureTime>,
    /// Audio level in −dBov, 0 loudest, negative numbers (RFC 6464).
    pub audio_level: Option<i8>,
    /// Whether the audio holds a voice (RFC 6464).
    pub voice: Option<bool>,
    /// Clockwise rotation that the picture needs (3GPP TS 26.114 section 7.4.5).
    pub rotation: Option<Rotation>,
}

/// The publisher's clock at the capture of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureTime {
    /// NTP time of the capture system.
    pub at: SystemTime,
    /// Sender's clock minus capture system's, signed Q32.32 seconds.
    pub offset: Option<i64>,
}

/// Clockwise rotation of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Rotation {
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

/// How a source's clocks are related: what a sender report says (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceClock {
    /// The source's NTP time, seconds since 1900 in Q32.32.
    pub ntp: u64,
    /// The same instant as RTP time.
    pub rtp: u32,
    /// When we heard of it.
    pub heard: Instant,
}
