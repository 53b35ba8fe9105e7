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
    /// When the latest packet of the frame before it came.
    before: Option<Instant>,
    heights: Heights,
}

/// How a track goes on, all of its layers together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// When the latest packet came.
    latest: Option<Instant>,
    /// When the latest packet of a frame came that has a successor in its layer.
    before: Option<Instant>,
}

impl Pace {
    /// The same with one more layer.
    pub(super) fn with(self, meter: &Meter) -> Pace {
        let latest = self.latest.max(meter.latest());
        Pace { latest, before: self.before.max(meter.before) }
    }

    /// Whether a layer is still sent whose latest packet came then. Where pictures are rare, one
    /// layer's may be there and the next one's not yet: only what misses a whole frame stands
    /// still.
    fn is_live(self, now: Instant, latest: Instant) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        let behind = self.before.map(|before| before.saturating_duration_since(latest));
        self.latest.is_some_and(|latest| since(latest) < limits::METER.0)
            && behind.is_none_or(|time| time < limits::LAYER_STILL)
    }
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

    /// Whether a packet repairs a frame before it.
    fn is_over(self, packet: &Measured) -> bool {
        (1..LATE).contains(&self.timestamp.wrapping_sub(packet.timestamp))
    }

    /// A keyframe now and then is an exception, after which a layer takes no more than before.
    fn counts(self) -> bool {
        !self.is_keyframe || self.follows_keyframe
    }
}

/// Temporal layers that are told apart: no browser makes more.
const TEMPORAL: usize = 4;
/// How late repairs may come, in RTP time: a second of video.
const LATE: u32 = 90_000;

impl Meter {
    /// A packet came.
    pub(super) fn add(&mut self, now: Instant, packet: &Measured) {
        let temporal = usize::from(packet.temporal).min(TEMPORAL - 1);
        let spatial = usize::from(packet.spatial).min(limits::LAYERS - 1);
        // Whether a layer goes on, repairs do not tell: they come when it has been switched off.
        let is_over = self.began.is_some() && self.frame.is_over(packet);
        if !is_over {
            if packet.timestamp != self.frame.timestamp {
                self.before = self.latest();
            }
            self.frame = self.frame.next(packet);
            self.latest[spatial] = self.latest[spatial].max(Some(now));
        }
        let bytes = if is_over || self.frame.counts() { packet.bytes } else { 0 };
        let (first, before) = self.began.unwrap_or((now, 0));
        let part = now.saturating_duration_since(first).as_micros() / part_length().as_micros();
        let part = (part as u64).max(before);
        let count = limits::METER.1 as u64;
        for skipped in (before + 1..=part).take(limits::METER.1) {
            self.parts[(skipped % count) as usize] = Default::default();
        }
        self.parts[(part % count) as usize][spatial][temporal] += bytes;
        self.began = Some((first, part));
        for (height, told) in self.heights.iter_mut().zip(packet.heights) {
            *height = told.or(*height);
        }
    }

    /// When the latest packet came.
    fn latest(&self) -> Option<Instant> {
        self.latest.iter().copied().max().flatten()
    }

    /// What was measured, by spatial layers that have ever come: each with all those below, since
    /// it is nothing without them. The track goes on at this pace.
    pub(super) fn layers(&self, now: Instant, pace: Pace) -> impl Iterator<Item = (u8, Layer)> {
        let began = self.began.map_or(now, |(first, _)| first);
        let window = now.saturating_duration_since(began).clamp(part_length(), limits::METER.0);
        let mut bytes = [0; TEMPORAL];
        let newest = self.latest().unwrap_or(now);
        let goes_on = pace.is_live(now, newest);
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
            let is_live = goes_on && newest.saturating_duration_since(latest) < limits::METER.0;
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

    /// The pace of a track with this layer alone.
    fn alone(meter: &Meter) -> Pace {
        Pace::default().with(meter)
    }

    fn only(meter: &Meter, now: Instant) -> Layer {
        let layers: Vec<(u8, Layer)> = meter.layers(now, alone(meter)).collect();
        assert_eq!(layers.len(), 1);
        layers[0].1
    }

    #[test]
    fn it_measures_the_latest_second_by_temporal_layers() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(meter.layers(start, Pace::default()).count(), 0);
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
            let now = at(u64::from(frame) * 50);
            let layers = meter.layers(now, alone(&meter)).map(|(_, layer)| layer);
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

    /// Which layers of simulcast are live.
    fn live<const N: usize>(meters: &[Meter; N], now: Instant) -> [bool; N] {
        let pace = meters.iter().fold(Pace::default(), Pace::with);
        meters.each_ref().map(|meter| meter.layers(now, pace).any(|(_, layer)| layer.is_live))
    }

    #[test]
    fn a_layer_is_switched_off_when_it_misses_what_others_bring_whatever_repairs_come() {
        let (mut meters, start) = ([Meter::default(), Meter::default()], Instant::now());
        let mut dead_at = None;
        for ms in 1..3_000 {
            let now = start + Duration::from_millis(ms);
            let frame = |ms: u64| Measured { timestamp: ms as u32 * 90, ..Measured::default() };
            if ms % 33 == 0 {
                meters[0].add(now, &frame(ms));
            }
            match ms {
                ..1_000 if ms % 33 == 0 => meters[1].add(now, &frame(ms)),
                1_000..1_500 if ms % 10 == 0 => meters[1].add(now, &frame(660)),
                _ => {}
            }
            let [other, switched_off] = live(&meters, now);
            assert!(other || ms < 33, "{ms}");
            dead_at = dead_at.or((ms > 33 && !switched_off).then_some(ms));
        }
        assert!((1_290..1_370).contains(&dead_at.expect("it is noticed")), "{dead_at:?}");
    }

    #[test]
    fn where_pictures_are_rare_no_layer_is_taken_for_switched_off() {
        let start = Instant::now();
        for between in [200, 400, 1_000, 3_000] {
            let mut meters = [Meter::default(), Meter::default()];
            for ms in 0..20_000 {
                let now = start + Duration::from_millis(ms);
                let layer = match ms % between {
                    0 => Some(0),
                    80 => Some(1),
                    _ => None,
                };
                if let Some(layer) = layer {
                    let timestamp = (ms / between) as u32 * 90_000 + 1;
                    meters[layer].add(now, &Measured { timestamp, ..Measured::default() });
                }
                let [first, second] = live(&meters, now);
                assert!(first == second || ms < 80, "{between}: {ms}");
            }
        }
    }
}
