//! Sequence numbers and timestamps of one track at one sink: they go on without a gap when the
//! sink's source changes. It knows no packet but its numbers.

use std::time::Instant;

/// Identifies the source of a track's packets; another source numbers from elsewhere.
pub(crate) type SourceTrack = u64;

/// Maps a source's numbers to those that the sink sees.
#[derive(Debug)]
pub(crate) struct Numbering {
    clock_rate: u32,
    first: u16,
    source: Option<Source>,
    last: Option<Last>,
}

#[derive(Debug)]
struct Source {
    track: SourceTrack,
    first: u64,
    sequence: u64,
    timestamp: u32,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    sequence: u64,
    timestamp: u32,
    at: Instant,
}

impl Numbering {
    /// A numbering that starts at `first`, which must leave room below 65,536: a receiver that
    /// has not seen a stream assumes a rollover counter of 0 (RFC 3711 section 3.3.1).
    pub(crate) fn new(clock_rate: u32, first: u16) -> Self {
        Numbering { clock_rate, first, source: None, last: None }
    }

    /// The sink's extended sequence number and timestamp for a packet of a source, or `None` for
    /// a straggler from before the sink joined. Gaps of the source stay gaps: they are losses.
    pub(crate) fn place(
        &mut self,
        track: SourceTrack,
        sequence: u64,
        timestamp: u32,
        now: Instant,
    ) -> Option<(u64, u32)> {
        if self.source.as_ref().is_none_or(|source| source.track != track) {
            self.source = Some(self.adopt(track, sequence, timestamp, now));
        }
        let (sequence, timestamp) = self.find(track, sequence, timestamp)?;
        if self.last.is_none_or(|last| sequence > last.sequence) {
            self.last = Some(Last { sequence, timestamp, at: now });
        }
        Some((sequence, timestamp))
    }

    /// What [`Numbering::place`] has said about a packet of the present source.
    pub(crate) fn find(
        &self,
        track: SourceTrack,
        sequence: u64,
        timestamp: u32,
    ) -> Option<(u64, u32)> {
        let source = self.source.as_ref().filter(|source| source.track == track)?;
        let sequence = source.sequence + sequence.checked_sub(source.first)?;
        Some((sequence, timestamp.wrapping_add(source.timestamp)))
    }

    /// Which packet of the present source the sink knows by the lower bits of its sequence number.
    pub(crate) fn origin(&self, shown: u16) -> Option<(SourceTrack, u64)> {
        let (source, last) = (self.source.as_ref()?, self.last?);
        let behind = (last.sequence as u16).wrapping_sub(shown);
        let sequence = last.sequence.checked_sub(behind.into())?.checked_sub(source.sequence)?;
        Some((source.track, source.first + sequence))
    }

    /// What is added to the present source's RTP time.
    pub(crate) fn shift(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.timestamp)
    }

    fn adopt(&self, track: SourceTrack, sequence: u64, timestamp: u32, now: Instant) -> Source {
        let (out, time) = match self.last {
            None => (u64::from(self.first), timestamp),
            Some(last) => (last.sequence + 1, last.timestamp.wrapping_add(self.ticks(last, now))),
        };
        Source { track, first: sequence, sequence: out, timestamp: time.wrapping_sub(timestamp) }
    }

    /// The time since the last packet in ticks of the clock, at least one.
    fn ticks(&self, last: Last, now: Instant) -> u32 {
        let micros = now.saturating_duration_since(last.at).as_micros();
        let ticks = micros * u128::from(self.clock_rate) / 1_000_000;
        (ticks as u32).max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_late_joiner_of_an_old_stream_starts_low() {
        let mut numbering = Numbering::new(90_000, 7);
        let now = Instant::now();
        assert_eq!(numbering.place(1, 5_000_000, 90, now), Some((7, 90)));
        assert_eq!(numbering.place(1, 5_000_001, 90, now), Some((8, 90)));
    }

    #[test]
    fn a_loss_stays_a_gap_that_a_repair_can_fill_but_stragglers_are_dropped() {
        let mut numbering = Numbering::new(90_000, 0);
        let now = Instant::now();
        let mut place = |sequence| numbering.place(1, sequence, 0, now).map(|(out, _)| out);
        assert_eq!([place(10), place(12), place(11), place(9)], [Some(0), Some(2), Some(1), None]);
    }

    #[test]
    fn a_new_source_goes_on_where_the_old_one_stopped() {
        let mut numbering = Numbering::new(90_000, 0);
        let now = Instant::now();
        numbering.place(1, 10, 1_000, now);
        let later = now + Duration::from_secs(2);
        assert_eq!(numbering.place(2, 70_000, 5, later), Some((1, 1_000 + 180_000)));
        assert_eq!(numbering.place(2, 70_001, 3_005, later), Some((2, 1_000 + 183_000)));
    }

    #[test]
    fn a_sinks_number_leads_back_to_the_present_source_alone() {
        let mut numbering = Numbering::new(90_000, 65_530);
        let now = Instant::now();
        for sequence in 100..120 {
            numbering.place(1, sequence, 0, now);
        }
        assert_eq!(numbering.origin(65_530), Some((1, 100)));
        assert_eq!(numbering.origin(3), Some((1, 109)), "behind a wrap");
        assert_eq!(numbering.origin(65_529), None, "before it joined");
        assert_eq!(numbering.origin(100), None, "not sent yet");
        numbering.place(2, 7, 0, now);
        assert_eq!(numbering.origin(14), Some((2, 7)));
        assert_eq!(numbering.origin(3), None, "of a source that is gone");
        assert_eq!(numbering.find(2, 7, 50), numbering.shift().map(|shift| (65_550, 50 + shift)));
    }

    proptest! {
        #[test]
        fn gapless_sources_give_gapless_numbers_that_start_below_65536(
            first in 0u16..1 << 15,
            runs in prop::collection::vec((0u64..1 << 40, 1usize..50), 1..6),
        ) {
            let now = Instant::now();
            let mut numbering = Numbering::new(90_000, first);
            let mut expected = u64::from(first);
            for (track, (start, len)) in runs.into_iter().enumerate() {
                for sequence in start..start + len as u64 {
                    let (out, _) = numbering.place(track as u64, sequence, 0, now).unwrap();
                    prop_assert_eq!(out, expected);
                    expected += 1;
                }
            }
        }
    }
}
