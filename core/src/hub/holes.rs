//! Tracks whose source paused and skipped packets: repairs would bring back pictures that are too
//! old, so what is missing is not wanted any more, and a keyframe is.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::hub::streams::TrackId;
use crate::limits;
use crate::media::packet::Packet;

/// Where each track's packets have come to.
#[derive(Debug, Default)]
pub(crate) struct Holes(BTreeMap<TrackId, Place>);

#[derive(Debug, Clone, Copy)]
struct Place {
    sequence: u64,
    arrived: Instant,
    /// Packets below this are not wanted any more.
    fence: u64,
}

/// What a run of packets is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passage {
    /// Whether there is a hole before it.
    pub(crate) hole: bool,
    /// Packets below this are not wanted any more.
    pub(crate) fence: u64,
}

impl Holes {
    /// Packets of a track arrived, from `first` to `last`.
    pub(crate) fn pass(&mut self, track: TrackId, first: &Packet, last: &Packet) -> Passage {
        let (sequence, arrived) = (last.sequence, last.arrived);
        let fresh = Place { sequence, arrived, fence: 0 };
        let place = self.0.entry(track).or_insert(fresh);
        let paused = first.arrived.saturating_duration_since(place.arrived) >= limits::PAUSE;
        let hole = paused && first.sequence > place.sequence + limits::REORDERED;
        let fence = if hole { first.sequence } else { place.fence };
        // A late repair does not take the track back.
        *place = Place { sequence: sequence.max(place.sequence), arrived, fence };
        Passage { hole, fence }
    }

    /// A track is gone.
    pub(crate) fn remove(&mut self, track: TrackId) {
        self.0.remove(&track);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::media::packet::Extensions;

    #[test]
    fn a_pause_with_missing_packets_is_a_hole_and_one_without_or_mere_loss_is_none() {
        let start = Instant::now();
        let packet = |sequence, ms| Packet {
            sequence,
            timestamp: 0,
            marker: false,
            arrived: start + Duration::from_millis(ms),
            extensions: Extensions::default(),
            dependency: None,
            payload: [].into(),
        };
        let mut holes = Holes::default();
        let mut pass = |first, last, ms| {
            let passage = holes.pass(7, &packet(first, ms), &packet(last, ms));
            (passage.hole, passage.fence)
        };
        assert_eq!(pass(10, 19, 0), (false, 0), "a track begins");
        assert_eq!(pass(45, 49, 33), (false, 0), "loss without a pause is repaired");
        assert_eq!(pass(50, 59, 1_033), (false, 0), "a pause without loss: nothing moved");
        assert_eq!(pass(62, 69, 2_033), (false, 0), "a pause, and packets out of order");
        assert_eq!(pass(100, 109, 3_033), (true, 100));
        assert_eq!(pass(70, 80, 3_040), (false, 100), "late repairs are below the fence");
        assert_eq!(pass(110, 119, 3_340), (false, 100), "and do not make a hole of a pause");
    }
}
