//! Which spatial layers of its track one lane gets, if several come as one (SVC): fewer from any
//! picture on, more from a keyframe on. It remembers since when, for packets that come late or go
//! out again. It does not know why.

use std::collections::VecDeque;

use crate::limits;
use crate::media::codec::Codec;
use crate::media::packet::Packet;
use crate::media::temporal::{ALL_SPATIAL, Spatial};

/// Lets the lower spatial layers of one lane pass.
#[derive(Debug)]
pub(super) struct SpatialFilter {
    /// The highest one that passes of new pictures.
    highest: u8,
    /// The RTP time of the newest picture.
    newest: Option<u32>,
    /// Which one was the highest before a picture, by its RTP time; the latest change last.
    before: VecDeque<(u32, u8)>,
}

impl Default for SpatialFilter {
    fn default() -> Self {
        SpatialFilter { highest: ALL_SPATIAL, newest: None, before: VecDeque::new() }
    }
}

impl SpatialFilter {
    pub(super) fn highest(&self) -> u8 {
        self.highest
    }

    /// Whether everything passes, whatever it is.
    pub(super) fn is_open(&self) -> bool {
        self.highest == ALL_SPATIAL && self.before.is_empty()
    }

    /// A picture begins, or goes on; `last` is the RTP time of the one before it, if there was one
    /// of this source. Layers up to `wanted` shall pass.
    pub(super) fn begin(&mut self, last: Option<u32>, time: u32, is_keyframe: bool, wanted: u8) {
        let Some(last) = last else {
            *self = SpatialFilter { highest: wanted, newest: Some(time), ..Self::default() };
            return;
        };
        let newest = self.newest.filter(|newest| !is_before(*newest, last)).unwrap_or(last);
        self.newest = Some(newest);
        if time == newest || is_before(time, newest) {
            return;
        }
        self.newest = Some(time);
        self.before.retain(|(from, _)| time.wrapping_sub(*from) <= limits::LATE_TICKS);
        let highest = if is_keyframe { wanted } else { wanted.min(self.highest) };
        let before = std::mem::replace(&mut self.highest, highest);
        if before != highest {
            self.before.push_back((time, before));
        }
    }

    /// Whether a packet passes.
    pub(super) fn passes(&self, codec: Codec, packet: &Packet) -> bool {
        self.is_open()
            || spatial(codec, packet).is_none_or(|s| s.layer <= self.at(packet.timestamp))
    }

    /// Whether a packet is the last one that passes of its picture although others follow it.
    pub(super) fn ends_picture(&self, codec: Codec, packet: &Packet) -> bool {
        let is_last = |s: Spatial| s.ends_frame && s.layer == self.at(packet.timestamp);
        !self.is_open() && !packet.marker && spatial(codec, packet).is_some_and(is_last)
    }

    /// The highest layer that passes of a picture.
    fn at(&self, time: u32) -> u8 {
        let later = self.before.iter().find(|(from, _)| is_before(time, *from));
        later.map_or(self.highest, |(_, before)| *before)
    }
}

fn spatial(codec: Codec, packet: &Packet) -> Option<Spatial> {
    packet.layers(codec)?.spatial
}

/// Whether a picture came a little before another one. A source that jumps back goes on.
fn is_before(time: u32, other: u32) -> bool {
    (1..=limits::LATE_TICKS).contains(&other.wrapping_sub(time))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::hub::session::filter::{Filter, Share};
    use crate::media::packet::Extensions;

    const VP9: Codec = Codec::Vp9 { profile: 0 };
    const LOW: Share = Share { spatial: 0, ..Share::ALL };
    const MIDDLE: Share = Share { spatial: 1, ..Share::ALL };

    /// Pictures 0, 50, 100... are keyframes. Each layer has two packets.
    fn packet(picture: u32, layer: u8, is_last: bool) -> Packet {
        let predicted = if picture.is_multiple_of(50) { 0 } else { 0x40 };
        let part = if is_last { 0x04 } else { 0x08 };
        Packet {
            sequence: u64::from(picture * 6 + u32::from(layer * 2) + u32::from(is_last)),
            timestamp: (u32::MAX - 9_000).wrapping_add(picture * 3_000),
            marker: is_last && layer == 2,
            arrived: Instant::now(),
            extensions: Extensions::default(),
            dependency: None,
            payload: [0xa0 | predicted | part, picture as u8 & 0x7f, layer << 1, 0, 7].into(),
        }
    }

    fn shown(filter: &mut Filter, track: u64, packet: &Packet) -> Option<bool> {
        let passes = filter.passes(VP9, track, packet);
        passes.then(|| filter.shown(VP9, packet).marker)
    }

    /// How many layers of a picture pass, the last packet of which carries the marker.
    fn layers(filter: &mut Filter, picture: u32) -> usize {
        let all =
            (0..3).flat_map(|layer| [packet(picture, layer, false), packet(picture, layer, true)]);
        let markers: Vec<bool> = all.filter_map(|packet| shown(filter, 1, &packet)).collect();
        let (last, others) = markers.split_last().expect("the base always passes");
        assert!(last & !others.contains(&true), "picture {picture}: {markers:?}");
        markers.len() / 2
    }

    #[test]
    fn fewer_layers_pass_at_once_and_more_from_a_keyframe_on() {
        let mut filter = Filter::default();
        let now = Instant::now();
        assert_eq!(layers(&mut filter, 1), 3);
        filter.set(MIDDLE);
        assert_eq!(layers(&mut filter, 2), 2);
        filter.set(LOW);
        assert_eq!(layers(&mut filter, 3), 1);
        assert!(!filter.is_rising() && !filter.wishes(now));
        filter.set(Share::ALL);
        assert_eq!(layers(&mut filter, 4), 1, "what it needs was left out");
        assert!(filter.is_rising() && filter.wishes(now) && !filter.wishes(now), "once");
        assert_eq!(layers(&mut filter, 50), 3);
        assert_eq!(layers(&mut filter, 51), 3);
        assert!(!filter.is_rising());
        filter.set(LOW);
        assert_eq!(layers(&mut filter, 52), 1);
        filter.set(MIDDLE);
        assert_eq!(layers(&mut filter, 100), 2, "no more than wanted");
    }

    #[test]
    fn a_picture_is_never_cut_in_the_middle() {
        let mut filter = Filter::default();
        for share in [LOW, Share::ALL] {
            let picture = if share == LOW { 1 } else { 50 };
            let expected = filter.passes(VP9, 1, &packet(picture, 2, false));
            filter.set(share);
            assert_eq!(filter.passes(VP9, 1, &packet(picture, 2, true)), expected);
        }
    }

    #[test]
    fn what_comes_late_or_goes_out_again_is_as_its_picture_was() {
        let mut filter = Filter::default();
        assert_eq!(shown(&mut filter, 1, &packet(1, 2, false)), Some(false));
        filter.set(LOW);
        assert_eq!(layers(&mut filter, 2), 1);
        assert_eq!(shown(&mut filter, 1, &packet(1, 1, true)), Some(false));
        assert_eq!(shown(&mut filter, 1, &packet(1, 2, true)), Some(true));
        assert_eq!(layers(&mut filter, 3), 1);
        filter.set(Share::ALL);
        assert_eq!(layers(&mut filter, 50), 3);
        assert_eq!(shown(&mut filter, 1, &packet(3, 0, true)), Some(true));
        assert_eq!(shown(&mut filter, 1, &packet(3, 1, true)), None);
        for picture in (51u32..1_000).filter(|picture| !picture.is_multiple_of(50)) {
            assert_eq!(layers(&mut filter, picture), 3);
        }
        filter.set(LOW);
        assert_eq!(layers(&mut filter, 1_001), 1, "wherever its clock stands");
    }

    #[test]
    fn another_source_begins_with_what_is_wanted() {
        let mut filter = Filter::default();
        assert_eq!(layers(&mut filter, 700), 3);
        filter.set(MIDDLE);
        assert_eq!(shown(&mut filter, 2, &packet(3, 1, true)), Some(true));
        assert_eq!(shown(&mut filter, 2, &packet(3, 2, true)), None);
    }
}
