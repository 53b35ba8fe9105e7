//! What a viewer got, packet by packet. It knows no peer.

use std::time::{Duration, Instant, SystemTime};

use str0m::format::Codec;
use str0m::media::MediaKind;

use crate::camera::Stamp;

/// A packet that a viewer got.
#[derive(Debug, Clone)]
pub struct Received {
    /// When.
    pub at: Instant,
    /// Audio or video.
    pub kind: MediaKind,
    /// Its extended sequence number.
    pub sequence: u64,
    /// Its RTP time.
    pub timestamp: u32,
    /// Whether it is the last one of its frame.
    pub marker: bool,
    /// Since the publisher's world began: when it was captured.
    pub captured: Duration,
    /// What it is part of.
    pub stamp: Stamp,
    /// The playout delay that it asks for, in hundredths of a second (minimum, maximum).
    pub playout_delay: Option<(u64, u64)>,
    /// The publisher's clock at its capture, as its header extension carries it.
    pub capture_time: Option<SystemTime>,
    /// The codec, by its payload type.
    pub codec: Codec,
}
