//! What one layer of a track takes at the moment: its bit rate, how it spreads over temporal
//! layers, its height. It knows no sink.

use std::time::{Duration, Instant};

use crate::hub::choice::Layer;
use crate::limits;

/// Measures one layer.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Bytes of each temporal layer in the latest parts of the time, in a ring.
    parts: [[usize; TEMPORAL]; limits::METER.1],
    /// When the first packet came and when the latest one, and the part of it.
    times: Option<(Instant, Instant, u64)>,
    /// The latest frame.
    frame: Frame,
    height: Option<u16>,
}

/// One packet as a meter sees it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Measured {
    /// On the wire.
    pub(super) bytes: usize,
    pub(super) timestamp: u32,
    pub(super) temporal: u8,
    /// Whether a keyframe begins here.
    pub(super) begins_keyframe: bool,
    /// Of its picture, if it tells.
    pub(super) height: Option<u16>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    timestamp: u32,
    is_keyframe: bool,
    /// Whether the one before it was a keyframe as well.
    follows_keyframe: bool,
}

impl Frame {
    fn next(self, packet: &Measured) -> Self {
        let Measured { timestamp, begins_keyframe, .. } = *packet;
        if timestamp == self.timestamp {
            let is_keyframe = self.is_keyframe || begins_keyframe;
            return Frame { is_keyframe, ..self };
        }
        Frame { timestamp, is_keyframe: begins_keyframe, follows_keyframe: self.is_keyframe }
    }

    /// A keyframe now and then is an exception, after which a layer takes no more than before.
    fn counts(self) -> bool {
        !self.is_keyframe || self.follows_keyframe
    }
}

/// Temporal layers that are told apart: no browser makes more.
const TEMPORAL: usize = 4;

impl Meter {
    /// A packet came.
    pub(super) fn add(&mut self, now: Instant, packet: &Measured) {
        self.frame = self.frame.next(packet);
        let bytes = if self.frame.counts() { packet.bytes } else { 0 };
        let temporal = usize::from(packet.temporal).min(TEMPORAL - 1);
        let (first, latest, before) = self.times.unwrap_or((now, now, 0));
        let part = now.saturating_duration_since(first).as_micros() / part_length().as_micros();
        let part = (part as u64).max(before);
        let count = limits::METER.1 as u64;
        for skipped in (before + 1..=part).take(limits::METER.1) {
            self.parts[(skipped % count) as usize] = [0; TEMPORAL];
        }
        self.parts[(part % count) as usize][temporal] += bytes;
        self.times = Some((first, latest.max(now), part));
        self.height = packet.height.or(self.height);
    }

    /// What was measured.
    pub(super) fn layer(&self, now: Instant) -> Layer {
        let Some((first, latest, _)) = self.times else { return Layer::default() };
        let window = now.saturating_duration_since(first).clamp(part_length(), limits::METER.0);
        let mut below = 0;
        let temporal = std::array::from_fn(|layer| {
            let bytes: usize = self.parts.iter().map(|part| part[layer]).sum();
            below += bytes;
            if bytes == 0 { 0 } else { rate(below, window) }
        });
        let is_live = now.saturating_duration_since(latest) < limits::METER.0;
        Layer { bitrate: rate(below, window), height: self.height, temporal, is_live }
    }
}

fn part_length() -> Duration {
    limits::METER.0 / limits::METER.1 as u32
}

/// Bits a second.
fn rate(bytes: usize, time: Duration) -> u64 {
    (bytes as u128 * 8 * 1_000_000 / time.as_micros()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_measures_the_latest_second_by_temporal_layers() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!meter.layer(start).is_live);
        for frame in 0..100 {
            let temporal = if frame % 2 == 0 { 0 } else { 2 };
            let bytes = if frame < 50 { 5_000 } else { 1_000 };
            let timestamp = frame as u32 + 1;
            let height = (frame == 0).then_some(360);
            let packet = Measured { bytes, timestamp, temporal, height, ..Measured::default() };
            meter.add(at(frame * 33), &packet);
        }
        let Layer { bitrate, height, temporal, is_live } = meter.layer(at(3_300));
        assert!(bitrate.abs_diff(242_000) < 20_000, "{bitrate}");
        assert!(temporal[0].abs_diff(bitrate / 2) < 10_000, "{temporal:?}");
        assert_eq!((temporal[1], temporal[2], temporal[3]), (0, bitrate, 0));
        assert_eq!((height, is_live), (Some(360), true));
        assert!(!meter.layer(at(4_400)).is_live, "nothing for a second");
        meter.add(at(60_000), &Measured { bytes: 1_000, ..Measured::default() });
        assert_eq!(meter.layer(at(60_000)).bitrate, 8_000, "the past does not count");
    }

    #[test]
    fn a_keyframe_now_and_then_does_not_count_but_keyframes_alone_do() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        for frame in 0..60 {
            let begins_keyframe = frame == 20 || frame >= 40;
            let bytes = if begins_keyframe { 20_000 } else { 1_000 };
            let packet =
                Measured { bytes, timestamp: frame, begins_keyframe, ..Measured::default() };
            meter.add(at(u64::from(frame) * 50), &packet);
            let bitrate = meter.layer(at(u64::from(frame) * 50)).bitrate;
            match frame {
                20..40 => assert!(bitrate <= 168_000, "{frame}: {bitrate}"),
                59 => assert!(bitrate >= 3_000_000, "{bitrate}"),
                _ => {}
            }
        }
    }
}
