//! Which packets of its layer one lane gets: all, those of the lower temporal layers, or keyframes
//! alone. Frames pass whole or not at all. It does not know why.

use std::time::Instant;

use crate::limits;
use crate::media::codec::Codec;
use crate::media::keyframe;
use crate::media::packet::Packet;
use crate::media::temporal::{ALL_TEMPORAL, temporal};

/// Lets frames of one lane pass.
#[derive(Debug)]
pub(super) struct Filter {
    /// The highest temporal layer that passes, and that shall pass as soon as it can begin.
    highest: u8,
    wanted: u8,
    keyframes_only: bool,
    /// Whether nothing passes until a keyframe does.
    shut: bool,
    /// The RTP time of the latest frame that began, and whether it passes.
    frame: Option<(u32, bool)>,
    /// When a keyframe was wished last.
    wished: Option<Instant>,
}

impl Default for Filter {
    fn default() -> Self {
        Filter {
            highest: ALL_TEMPORAL,
            wanted: ALL_TEMPORAL,
            keyframes_only: false,
            shut: false,
            frame: None,
            wished: None,
        }
    }
}

impl Filter {
    /// What shall pass: temporal layers up to this one, or keyframes alone.
    pub(super) fn set(&mut self, temporal: u8, keyframes_only: bool) {
        (self.wanted, self.keyframes_only) = (temporal, keyframes_only);
    }

    /// Whether a keyframe should be asked for now, with which all goes on; then it counts as asked
    /// for.
    pub(super) fn wishes(&mut self, now: Instant) -> bool {
        let paused = self.wished.is_some_and(|at| now < at + limits::DRAINED_INTERVAL);
        let wishes = self.shut && !self.keyframes_only && !paused;
        if wishes {
            self.wished = Some(now);
        }
        wishes
    }

    /// Whether a packet passes.
    pub(super) fn passes(&mut self, codec: Codec, packet: &Packet) -> bool {
        let is_open = !self.shut && !self.keyframes_only;
        if is_open && self.highest == ALL_TEMPORAL && self.wanted == ALL_TEMPORAL {
            return true;
        }
        match self.frame {
            Some((time, passes)) if time == packet.timestamp => passes,
            _ => self.begin(codec, packet),
        }
    }

    fn begin(&mut self, codec: Codec, packet: &Packet) -> bool {
        let is_keyframe = keyframe::begins(codec, &packet.payload);
        self.shut = !is_keyframe && (self.shut || self.keyframes_only);
        let layers = temporal(codec, &packet.payload);
        self.highest = match layers {
            _ if is_keyframe => self.wanted,
            Some(layers) if layers.begins_frame => layers.highest(self.highest, self.wanted),
            Some(_) => self.highest,
            None => self.wanted,
        };
        let is_low = layers.is_none_or(|layers| layers.layer <= self.highest);
        let passes = !self.shut && is_low;
        self.frame = Some((packet.timestamp, passes));
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
            payload: [head, 0xe0, frame, frame, layer, u8::from(!frame.is_multiple_of(50))].into(),
        }
    }

    fn passes(filter: &mut Filter, packet: Packet) -> bool {
        filter.passes(Codec::Vp8, &packet)
    }

    #[test]
    fn upper_temporal_layers_are_left_out_and_come_back_where_they_can_begin() {
        let mut filter = Filter::default();
        assert!(passes(&mut filter, packet(1, true, 2, false)));
        filter.set(0, false);
        assert!(passes(&mut filter, packet(2, true, 0, false)));
        assert!(!passes(&mut filter, packet(3, true, 2, false)));
        assert!(!passes(&mut filter, packet(3, false, 2, false)), "the rest of it neither");
        filter.set(ALL_TEMPORAL, false);
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
        filter.set(ALL_TEMPORAL, true);
        assert!(!passes(&mut filter, packet(1, true, 0, false)));
        let now = Instant::now();
        assert!(!filter.wishes(now), "they come as they come");
        assert!(passes(&mut filter, packet(50, true, 0, false)));
        assert!(passes(&mut filter, packet(50, false, 0, false)));
        assert!(!passes(&mut filter, packet(51, true, 0, false)));
        filter.set(ALL_TEMPORAL, false);
        assert!(!passes(&mut filter, packet(52, true, 0, false)));
        assert!(filter.wishes(now) && !filter.wishes(now), "once");
        assert!(passes(&mut filter, packet(100, true, 0, false)));
        assert!(passes(&mut filter, packet(101, true, 0, false)));
    }
}
