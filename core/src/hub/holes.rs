//! Tracks whose source paused and skipped packets: repairs would bring back pictures that are too
//! old, so a keyframe is better.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::hub::streams::TrackId;
use crate::limits;
use crate::media::packet::Packet;

/// Where each track's packets have come to.
#[derive(Debug, Default)]
pub(crate) struct Holes(BTreeMap<TrackId, (u64, Instant)>);

impl Holes {
    /// Packets of a track arrived, from `first` to `last`. `true`: after a pause, and some are
    /// missing.
    pub(crate) fn opens(&mut self, track: TrackId, first: &Packet, last: &Packet) -> bool {
        let place = (last.sequence, last.arrived);
        let Some((sequence, arrived)) = self.0.insert(track, place) else { return false };
        let paused = first.arrived.saturating_duration_since(arrived) >= limits::PAUSE;
        paused && first.sequence > sequence + 1
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
            payload: [].into(),
        };
        let mut holes = Holes::default();
        let mut opens = |first, last, ms| holes.opens(7, &packet(first, ms), &packet(last, ms));
        assert!(!opens(10, 19, 0), "a track begins");
        assert!(!opens(25, 29, 33), "loss without a pause is repaired");
        assert!(!opens(30, 39, 1_033), "a pause without loss: the picture stood still");
        assert!(opens(60, 69, 2_033));
        assert!(!opens(40, 50, 2_040), "late repairs");
    }
}
