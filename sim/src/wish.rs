//! What a peer sends or receives, and how str0m is told so.

use std::time::Duration;

use farcast_core::seed::Seed;
use str0m::RtcConfig;
use str0m::rtp::Extension;

use crate::camera::{Camera, Film};
use crate::describe;

/// Kilobits a second of video, unless a camera is brought along.
const VIDEO_KBPS: u32 = 2_300;

/// The video codec of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Video {
    None,
    Vp8,
    H264,
    Vp9,
    Av1,
    /// Whatever the stream has.
    All,
}

/// What a peer sends or receives.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Whether it publishes; else it plays.
    pub publishes: bool,
    /// Opus or nothing.
    pub audio: bool,
    /// Which video.
    pub video: Video,
}

impl Wish {
    /// A camera that films what is wished for.
    pub(crate) fn camera(self, start: Duration, seed: Seed) -> Camera {
        let video_kbps = if self.video == Video::None { 0 } else { VIDEO_KBPS };
        let film = Film { video_kbps, layers: 1, svc: None, audio: self.audio, adapts: false };
        Camera::new(film, start, seed)
    }

    /// How str0m is configured for it.
    pub(crate) fn config(self) -> RtcConfig {
        let mut config = RtcConfig::new().set_rtp_mode(true).clear_codecs();
        config = config.enable_opus(self.audio, false);
        config = match self.video {
            Video::None => config,
            Video::Vp8 => config.enable_vp8(true),
            Video::H264 => config.enable_h264(true),
            Video::Vp9 => config.enable_vp9(true),
            Video::Av1 => config.enable_av1(true),
            Video::All => {
                config.enable_vp8(true).enable_h264(true).enable_vp9(true).enable_av1(true)
            }
        };
        config.extension_map().set(5, Extension::PlayoutDelay);
        config.extension_map().set(9, Extension::AbsoluteCaptureTime);
        config.extension_map().set(12, describe::extension());
        config.extension_map().set(3, Extension::TransportSequenceNumber);
        config.extension_map().set(10, Extension::RtpStreamId);
        config.extension_map().set(11, Extension::RepairedRtpStreamId);
        config
    }
}
