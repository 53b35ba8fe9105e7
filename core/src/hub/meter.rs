//! What one layer of a track takes at the moment: its bit rate, how it spreads over spatial and
//! temporal layers, its height. It knows no sink.

use std::time::{Duration, Instant};

use crate::hub::choice::Layer;
use crate::limits;
use crate::media::vp9::Heights;

/// Measures one layer, or the spatial layers that come as one (SVC).
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Bytes of each spatial and temporal layer in the latest parts of the time, in a ring.
    parts: [[[usize; TEMPORAL]; limits::LAYERS]; limits::METER.1],
    /// When the first packet came, and the part of the time in which the latest one came.
    began: Option<(Instant, u64)>,
    /// When the latest packet of each spatial layer came.
    latest: [Option<Instant>; limits::LAYERS],
    /// The latest frame.
    frame: Frame,
    heights: Heights,
}

/// One packet as a meter sees it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Measured {
    /// On the wire.
    pub(super) bytes: usize,
    pub(super) timestamp: u32,
    pub(super) temporal: u8,
    pub(super) spatial: u8,
    /// Whether a keyframe begins here.
    pub(super) begins_keyframe: bool,
    /// Of its picture, by spatial layers, if it tells.
    pub(super) heights: Heights,
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
        let spatial = usize::from(packet.spatial).min(limits::LAYERS - 1);
        let (first, before) = self.began.unwrap_or((now, 0));
        let part = now.saturating_duration_since(first).as_micros() / part_length().as_micros();
        let part = (part as u64).max(before);
        let count = limits::METER.1 as u64;
        for skipped in (before + 1..=part).take(limits::METER.1) {
            self.parts[(skipped % count) as usize] = Default::default();
        }
        self.parts[(part % count) as usize][spatial][temporal] += bytes;
        self.began = Some((first, part));
        self.latest[spatial] = self.latest[spatial].max(Some(now));
        for (height, told) in self.heights.iter_mut().zip(packet.heights) {
            *height = told.or(*height);
        }
    }

    /// What was measured, by spatial layers that have ever come: each with all those below, since
    /// it is nothing without them.
    pub(super) fn layers(&self, now: Instant) -> impl Iterator<Item = (u8, Layer)> {
        let began = self.began.map_or(now, |(first, _)| first);
        let window = now.saturating_duration_since(began).clamp(part_length(), limits::METER.0);
        let mut bytes = [0; TEMPORAL];
        let seen = self.latest.iter().enumerate().filter_map(|(place, at)| Some((place, (*at)?)));
        seen.map(move |(spatial, latest)| {
            for (temporal, bytes) in bytes.iter_mut().enumerate() {
                *bytes += self.parts.iter().map(|part| part[spatial][temporal]).sum::<usize>();
            }
            let mut below = 0;
            let temporal = bytes.map(|bytes| {
                below += bytes;
                if bytes == 0 { 0 } else { rate(below, window) }
            });
            let is_live = now.saturating_duration_since(latest) < limits::METER.0;
            let (bitrate, height) = (rate(below, window), self.heights[spatial]);
            (spatial as u8, Layer { bitrate, height, temporal, is_live })
        })
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

    fn only(meter: &Meter, now: Instant) -> Layer {
        let layers: Vec<(u8, Layer)> = meter.layers(now).collect();
        assert_eq!(layers.len(), 1);
        layers[0].1
    }

    #[test]
    fn it_measures_the_latest_second_by_temporal_layers() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(meter.layers(start).count(), 0);
        for frame in 0..100 {
            let temporal = if frame % 2 == 0 { 0 } else { 2 };
            let bytes = if frame < 50 { 5_000 } else { 1_000 };
            let timestamp = frame as u32 + 1;
            let heights = [(frame == 0).then_some(360), None, None, None];
            let packet = Measured { bytes, timestamp, temporal, heights, ..Measured::default() };
            meter.add(at(frame * 33), &packet);
        }
        let Layer { bitrate, height, temporal, is_live } = only(&meter, at(3_300));
        assert!(bitrate.abs_diff(242_000) < 20_000, "{bitrate}");
        assert!(temporal[0].abs_diff(bitrate / 2) < 10_000, "{temporal:?}");
        assert_eq!((temporal[1], temporal[2], temporal[3]), (0, bitrate, 0));
        assert_eq!((height, is_live), (Some(360), true));
        assert!(!only(&meter, at(4_400)).is_live, "nothing for a second");
        meter.add(at(60_000), &Measured { bytes: 1_000, ..Measured::default() });
        assert_eq!(only(&meter, at(60_000)).bitrate, 8_000, "the past does not count");
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
            let bitrate = only(&meter, at(u64::from(frame) * 50)).bitrate;
            match frame {
                20..40 => assert!(bitrate <= 168_000, "{frame}: {bitrate}"),
                59 => assert!(bitrate >= 3_000_000, "{bitrate}"),
                _ => {}
            }
        }
    }
    #[test]
    fn a_spatial_layer_takes_what_those_below_take_as_well() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        for frame in 0..60 {
            let count = if frame < 30 { 3 } else { 2 };
            for spatial in 0..count {
                let temporal = (frame % 2) as u8;
                let bytes = [1_000, 3_000, 6_000][usize::from(spatial)];
                let heights = match (frame, spatial) {
                    (0, 0) => [Some(180), Some(360), Some(720), None],
                    _ => Heights::default(),
                };
                let timestamp = frame;
                let packet = Measured {
                    bytes,
                    timestamp,
                    temporal,
                    spatial,
                    heights,
                    ..Measured::default()
                };
                meter.add(at(u64::from(frame) * 50), &packet);
            }
            let layers = meter.layers(at(u64::from(frame) * 50)).map(|(_, layer)| layer);
            let layers: Vec<Layer> = layers.collect();
            if [29, 59].contains(&frame) {
                let heights: Vec<_> = layers.iter().filter_map(|layer| layer.height).collect();
                assert_eq!(heights, [180, 360, 720]);
                for (layer, expected) in layers.iter().zip([160_000, 640_000, 1_600_000]) {
                    if !layer.is_live {
                        continue;
                    }
                    let Layer { bitrate, temporal, .. } = layer;
                    assert!(bitrate.abs_diff(expected) <= expected / 10, "{layers:?}");
                    assert!(temporal[0].abs_diff(expected / 2) <= expected / 10, "{layers:?}");
                    assert_eq!(temporal[1], *bitrate);
                }
            }
            let live: Vec<bool> = layers.iter().map(|layer| layer.is_live).collect();
            assert_eq!(live, [true, true, frame < 49], "{frame}");
        }
    }
}
