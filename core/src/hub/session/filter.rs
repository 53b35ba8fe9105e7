//! Which packets of its layer one lane gets: all, those of lower temporal and spatial layers, or
//! keyframes alone. Frames pass whole or not at all. It does not know why.

use std::borrow::Cow;
use std::time::Instant;

use crate::hub::numbering::SourceTrack;
use crate::hub::session::spatial::SpatialFilter;
use crate::limits;
use crate::media::codec::Codec;
use crate::media::keyframe;
use crate::media::packet::Packet;
use crate::media::temporal::{ALL_SPATIAL, ALL_TEMPORAL};

/// What of its layer a lane gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// The highest temporal layer.
    pub(crate) temporal: u8,
    /// The highest spatial layer, if several come as one.
    pub(crate) spatial: u8,
    pub(crate) keyframes_only: bool,
}

impl Share {
    pub(super) const ALL: Share =
        Share { temporal: ALL_TEMPORAL, spatial: ALL_SPATIAL, keyframes_only: false };
}

/// Lets frames of one lane pass.
#[derive(Debug)]
pub(super) struct Filter {
    /// What shall pass as soon as it can begin.
    wanted: Share,
    /// The highest temporal layer that passes.
    highest: u8,
    spatial: SpatialFilter,
    /// Whether nothing passes until a keyframe does.
    shut: bool,
    /// The source and RTP time of the latest frame that began, and whether it passes.
    frame: Option<(SourceTrack, u32, bool)>,
    /// When a keyframe was wished last.
    wished: Option<Instant>,
}

impl Default for Filter {
    fn default() -> Self {
        Filter {
            wanted: Share::ALL,
            highest: ALL_TEMPORAL,
            spatial: SpatialFilter::default(),
            shut: false,
            frame: None,
            wished: None,
        }
    }
}

impl Filter {
    /// What shall pass.
    pub(super) fn set(&mut self, share: Share) {
        self.wanted = share;
    }

    /// Whether more spatial layers pass from the next keyframe on.
    pub(super) fn is_rising(&self) -> bool {
        self.spatial.highest() < self.wanted.spatial
    }

    /// Whether a keyframe should be asked for now, with which all goes on, or more passes; then it
    /// counts as asked for.
    pub(super) fn wishes(&mut self, now: Instant) -> bool {
        let paused = self.wished.is_some_and(|at| now < at + limits::DRAINED_INTERVAL);
        let lacks = self.shut || self.is_rising();
        let wishes = lacks && !self.wanted.keyframes_only && !paused;
        if wishes {
            self.wished = Some(now);
        }
        wishes
    }

    /// Whether a packet passes.
    pub(super) fn passes(&mut self, codec: Codec, track: SourceTrack, packet: &Packet) -> bool {
        let is_open = !self.shut && self.highest == ALL_TEMPORAL && self.spatial.is_open();
        if is_open && self.wanted == Share::ALL {
            self.frame = Some((track, packet.timestamp, true));
            return true;
        }
        let passes = match self.frame {
            Some((source, time, passes)) if (source, time) == (track, packet.timestamp) => passes,
            _ => self.begin(codec, track, packet),
        };
        passes && self.spatial.passes(codec, packet)
    }

    /// A packet as the lane shows it: the last one that passes of a picture says so.
    pub(super) fn shown<'p>(&self, codec: Codec, packet: &'p Packet) -> Cow<'p, Packet> {
        if self.spatial.ends_picture(codec, packet) {
            Cow::Owned(Packet { marker: true, ..packet.clone() })
        } else {
            Cow::Borrowed(packet)
        }
    }

    fn begin(&mut self, codec: Codec, track: SourceTrack, packet: &Packet) -> bool {
        let is_keyframe = keyframe::begins(codec, &packet.payload);
        let Share { temporal: wanted, spatial, keyframes_only } = self.wanted;
        let last = self.frame.filter(|(source, ..)| *source == track).map(|(_, time, _)| time);
        self.spatial.begin(last, packet.timestamp, is_keyframe, spatial);
        self.shut = !is_keyframe && (self.shut || keyframes_only);
        let layers = packet.layers(codec);
        self.highest = match layers {
            _ if is_keyframe => wanted,
            Some(layers) if layers.begins_frame => layers.highest(self.highest, wanted),
            Some(_) => self.highest,
            None => wanted,
        };
        let is_low = layers.is_none_or(|layers| layers.layer <= self.highest);
        let passes = !self.shut && is_low;
        self.frame = Some((track, packet.timestamp, passes));
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::packet::Extensions;

    /// A packet of VP8: its frame's number, temporal layer, and whether its frame depends on the
    /// base alone (Y); frame 0 is a keyframe.
    fn packet(frame: u8, first: bool, layer: u8, syncs: bool) -> Packet {
        let head = if first { 0x90 } else { 0x80 };
        let layer = layer << 6 | if syncs { 0x20 } else { 0 };
        Packet {
            sequence: frame.into(),
            timestamp: u32::from(frame) * 3_000,
            marker: false,
            arrived: Instant::now(),
            extensions: Extensions::default(),
            dependency: None,
            payload: [head, 0xe0, frame, frame, layer, u8::from(!frame.is_multiple_of(50))].into(),
        }
    }

    fn passes(filter: &mut Filter, packet: Packet) -> bool {
        filter.passes(Codec::Vp8, 1, &packet)
    }

    #[test]
    fn upper_temporal_layers_are_left_out_and_come_back_where_they_can_begin() {
        let mut filter = Filter::default();
        assert!(passes(&mut filter, packet(1, true, 2, false)));
        filter.set(Share { temporal: 0, ..Share::ALL });
        assert!(passes(&mut filter, packet(2, true, 0, false)));
        assert!(!passes(&mut filter, packet(3, true, 2, false)));
        assert!(!passes(&mut filter, packet(3, false, 2, false)), "the rest of it neither");
        filter.set(Share::ALL);
        assert!(!passes(&mut filter, packet(4, true, 1, false)), "it needs what was left out");
        assert!(passes(&mut filter, packet(5, true, 1, true)));
        assert!(!passes(&mut filter, packet(6, true, 2, false)));
        assert!(passes(&mut filter, packet(7, true, 2, true)));
        assert!(passes(&mut filter, packet(100, true, 0, false)));
        assert!(passes(&mut filter, packet(101, true, 2, false)), "after a keyframe all can");
    }

    #[test]
    fn keyframes_alone_pass_whole_and_what_follows_begins_with_one() {
        let mut filter = Filter::default();
        filter.set(Share { keyframes_only: true, ..Share::ALL });
        assert!(!passes(&mut filter, packet(1, true, 0, false)));
        let now = Instant::now();
        assert!(!filter.wishes(now), "they come as they come");
        assert!(passes(&mut filter, packet(50, true, 0, false)));
        assert!(passes(&mut filter, packet(50, false, 0, false)));
        assert!(!passes(&mut filter, packet(51, true, 0, false)));
        filter.set(Share::ALL);
        assert!(!passes(&mut filter, packet(52, true, 0, false)));
        assert!(filter.wishes(now) && !filter.wishes(now), "once");
        assert!(passes(&mut filter, packet(100, true, 0, false)));
        assert!(passes(&mut filter, packet(101, true, 0, false)));
    }
}
