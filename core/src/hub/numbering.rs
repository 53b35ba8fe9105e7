//! Sequence numbers and timestamps of one lane, i.e. one track at one viewer: they go on without a
//! gap when packets are left out or the source changes. It knows no packet but its numbers.

use std::collections::VecDeque;
use std::time::Instant;

use crate::limits;

/// Identifies the source of a track's packets; another source numbers from elsewhere.
pub(crate) type SourceTrack = u64;

/// Maps sources' numbers to those that the viewer sees. No number stands for two packets, ever: a
/// cipher's nonce is made of it (RFC 3711 section 4.1, RFC 7714 section 8.1).
///
/// All packets of the present source must be placed or skipped, each as it arrives.
#[derive(Debug)]
pub(crate) struct Numbering {
    clock_rate: u32,
    first: u16,
    /// In the order of the viewer's numbers; the last one grows.
    segments: VecDeque<Segment>,
    last: Option<Last>,
    used: Used,
}

/// How the timestamps of a new source are related to those of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timing {
    /// What to add to the new source's RTP time, in ticks: sender reports told it.
    Exact(u32),
    /// Nobody knows: as much RTP time has passed as time has.
    Elapsed,
}

impl Timing {
    /// For a source whose RTP time is so much behind that of the present one, if that is known.
    pub(crate) fn after(present: &Numbering, behind: Option<u32>) -> Self {
        let shift = present.shift().zip(behind);
        shift.map_or(Timing::Elapsed, |(shift, behind)| Timing::Exact(shift.wrapping_add(behind)))
    }
}

/// Packets of one source in a row, none of which was left out.
#[derive(Debug, Clone, Copy)]
struct Segment {
    track: SourceTrack,
    /// The source's number of the first one.
    first: u64,
    /// The source's number after the last one.
    end: u64,
    /// The viewer's number of the first one.
    shown: u64,
    /// What is added to the source's RTP time.
    timestamp: u32,
}

impl Segment {
    fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// The viewer's number after the last one.
    fn next(&self) -> u64 {
        self.shown + (self.end - self.first)
    }
}

/// The placed packet with the highest number.
#[derive(Debug, Clone, Copy)]
struct Last {
    sequence: u64,
    timestamp: u32,
    at: Instant,
}

impl Numbering {
    /// Reads what the next packet will need.
    pub(crate) fn warm(&self) -> usize {
        self.segments.back().map_or(0, |segment| segment.end as usize)
    }

    /// A numbering that starts at `first`, which must leave room below 65,536: a receiver that
    /// has not seen a stream assumes a rollover counter of 0 (RFC 3711 section 3.3.1).
    pub(crate) fn new(clock_rate: u32, first: u16) -> Self {
        let (segments, used) = (VecDeque::new(), Used::default());
        Numbering { clock_rate, first, segments, last: None, used }
    }

    /// The source that is placed now.
    fn source(&self) -> Option<SourceTrack> {
        self.segments.back().map(|segment| segment.track)
    }

    /// Another source goes on, beginning with this packet, whose numbers at the viewer are
    /// returned. Its timestamp is always later than what the viewer has: two pictures with one
    /// timestamp would look like one.
    fn switch(
        &mut self,
        track: SourceTrack,
        sequence: u64,
        timestamp: u32,
        timing: Timing,
        now: Instant,
    ) -> (u64, u32) {
        let shown = self.segments.back().map_or(self.first.into(), Segment::next);
        if self.segments.back().is_some_and(Segment::is_empty) {
            self.segments.pop_back();
        }
        let time = self.time(timestamp, timing, now);
        let shift = time.wrapping_sub(timestamp);
        let end = sequence + 1;
        self.segments.push_back(Segment { track, first: sequence, end, shown, timestamp: shift });
        self.bound();
        self.note(shown, time, now);
        (shown, time)
    }

    /// Places a packet of the present source, or of another one, which then goes on.
    pub(crate) fn go_on(
        &mut self,
        (track, sequence): (SourceTrack, u64),
        timestamp: u32,
        timing: Timing,
        now: Instant,
    ) -> Option<(u64, u32)> {
        match self.source() {
            Some(source) if source != track => {
                Some(self.switch(track, sequence, timestamp, timing, now))
            }
            _ => self.place(track, sequence, timestamp, now),
        }
    }

    /// The viewer's extended sequence number and timestamp for a packet of the present source.
    /// Gaps of the source stay gaps: they are losses, and a late packet fills its own, even one of
    /// an earlier source. `None` for a packet that has no number: it was skipped, or it is a
    /// straggler from before the viewer joined or from after its source was left.
    fn place(
        &mut self,
        track: SourceTrack,
        sequence: u64,
        timestamp: u32,
        now: Instant,
    ) -> Option<(u64, u32)> {
        let Some(present) = self.segments.back_mut() else {
            return Some(self.switch(track, sequence, timestamp, Timing::Elapsed, now));
        };
        if present.track == track {
            present.end = present.end.max(sequence + 1);
        }
        let (shown, time) = self.find(track, sequence, timestamp)?;
        self.note(shown, time, now);
        Some((shown, time))
    }

    /// This packet is left out: later ones close up. If it comes so late that a number between
    /// others was kept for it, that number is returned: it stays a gap and will never stand for
    /// any packet, so that padding may be sent under it, once.
    pub(crate) fn skip(&mut self, track: SourceTrack, sequence: u64) -> Option<u64> {
        let present = self.segments.back_mut()?;
        if present.track != track || sequence < present.end {
            return self.retire(track, sequence);
        }
        // What is missing before it may still come, and keeps its numbers.
        present.end = sequence;
        let (first, shown) = (sequence + 1, present.next());
        let next = Segment { first, end: first, shown, ..*present };
        if present.is_empty() {
            *present = next;
        } else {
            self.segments.push_back(next);
            self.bound();
        }
        None
    }

    /// What [`Numbering::place`] has said about a packet, as long as it is remembered.
    pub(crate) fn find(
        &self,
        track: SourceTrack,
        sequence: u64,
        timestamp: u32,
    ) -> Option<(u64, u32)> {
        let segment = &self.segments[self.holder(track, sequence)?];
        let shown = segment.shown + (sequence - segment.first);
        Some((shown, timestamp.wrapping_add(segment.timestamp)))
    }

    /// Which packet the viewer knows by the lower bits of its sequence number.
    pub(crate) fn origin(&self, shown: u16) -> Option<(SourceTrack, u64)> {
        let highest = self.segments.back()?.next().checked_sub(1)?;
        let behind = (highest as u16).wrapping_sub(shown);
        let number = highest.checked_sub(behind.into())?;
        let segment = self.segments.iter().rev().find(|segment| segment.shown <= number)?;
        let origin = (segment.track, segment.first + (number - segment.shown));
        (number < segment.next()).then_some(origin)
    }

    /// What is added to the present source's RTP time.
    pub(crate) fn shift(&self) -> Option<u32> {
        self.segments.back().map(|segment| segment.timestamp)
    }

    /// The place of the segment that a packet belongs to. The latest one that begins before it
    /// decides: a source that the viewer came back to may repeat what it had shown earlier.
    fn holder(&self, track: SourceTrack, sequence: u64) -> Option<usize> {
        let begins = |segment: &Segment| segment.track == track && segment.first <= sequence;
        let place = self.segments.iter().rposition(begins)?;
        (sequence < self.segments[place].end).then_some(place)
    }

    /// Takes the number of a packet that was never placed out of use.
    fn retire(&mut self, track: SourceTrack, sequence: u64) -> Option<u64> {
        let place = self.holder(track, sequence)?;
        let (shown, _) = self.find(track, sequence, 0)?;
        if !self.used.is_free(shown) {
            return None;
        }
        let before = &mut self.segments[place];
        let after = Segment { first: sequence + 1, shown: shown + 1, ..*before };
        before.end = sequence;
        let is_over = before.is_empty();
        self.segments.insert(place + 1, after);
        if is_over {
            self.segments.remove(place);
        }
        self.bound();
        Some(shown)
    }

    fn bound(&mut self) {
        while self.segments.len() > limits::SEGMENTS {
            self.segments.pop_front();
        }
    }

    fn note(&mut self, sequence: u64, timestamp: u32, at: Instant) {
        self.used.mark(sequence);
        if self.last.is_none_or(|last| sequence > last.sequence) {
            self.last = Some(Last { sequence, timestamp, at });
        }
    }

    /// The viewer's timestamp for the first packet of a new source.
    fn time(&self, timestamp: u32, timing: Timing, now: Instant) -> u32 {
        let exact = match timing {
            Timing::Exact(shift) => Some(timestamp.wrapping_add(shift)),
            Timing::Elapsed => None,
        };
        let Some(last) = self.last else { return exact.unwrap_or(timestamp) };
        let ticks = match exact.map(|exact| exact.wrapping_sub(last.timestamp)) {
            Some(ahead) if ahead < 1 << 31 => ahead,
            Some(_) => 0,
            None => self.ticks(last, now),
        };
        last.timestamp.wrapping_add(ticks.max(1))
    }

    /// The time since the last packet in ticks of the clock.
    fn ticks(&self, last: Last, now: Instant) -> u32 {
        let micros = now.saturating_duration_since(last.at).as_micros();
        (micros * u128::from(self.clock_rate) / 1_000_000) as u32
    }
}

/// Which of the latest numbers stand for a packet that was placed, like a receiver's replay list
/// (RFC 3711 section 3.3.2).
#[derive(Debug, Default)]
struct Used {
    /// The highest one.
    top: u64,
    /// Bit n: the number n below it.
    below: u128,
}

impl Used {
    fn mark(&mut self, number: u64) {
        if let Some(ahead) = number.checked_sub(self.top) {
            let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.below = self.below.checked_shl(ahead).unwrap_or(0) | 1;
            self.top = number;
        } else if self.top - number < u128::BITS.into() {
            self.below |= 1 << (self.top - number);
        }
    }

    /// Whether nothing was placed under this number, for sure.
    fn is_free(&self, number: u64) -> bool {
        match self.top.checked_sub(number) {
            Some(behind) if behind < u128::BITS.into() => self.below >> behind & 1 == 0,
            Some(_) => false,
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::*;

    /// Numbers by chance, but always the same (Knuth's MMIX constants).
    struct Lcg(u64);

    impl Lcg {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (self.0 >> 33) % bound
        }
    }

    fn number(place: Option<(u64, u32)>) -> Option<u64> {
        place.map(|(sequence, _)| sequence)
    }

    #[test]
    fn a_late_joiner_of_an_old_stream_starts_low() {
        let mut numbering = Numbering::new(90_000, 7);
        let now = Instant::now();
        assert_eq!(numbering.source(), None);
        assert_eq!(numbering.place(1, 5_000_000, 90, now), Some((7, 90)));
        assert_eq!(numbering.place(1, 5_000_001, 90, now), Some((8, 90)));
        assert_eq!(numbering.source(), Some(1));
    }

    #[test]
    fn a_loss_stays_a_gap_that_a_repair_can_fill_but_stragglers_are_dropped() {
        let mut numbering = Numbering::new(90_000, 0);
        let now = Instant::now();
        let mut place = |sequence| number(numbering.place(1, sequence, 0, now));
        assert_eq!([place(10), place(12), place(11), place(9)], [Some(0), Some(2), Some(1), None]);
    }

    #[test]
    fn a_new_source_goes_on_where_the_old_one_stopped() {
        let mut numbering = Numbering::new(90_000, 0);
        let now = Instant::now();
        numbering.place(1, 10, 1_000, now);
        let later = now + Duration::from_secs(2);
        let elapsed = Timing::Elapsed;
        assert_eq!(numbering.switch(2, 70_000, 5, elapsed, later), (1, 1_000 + 180_000));
        assert_eq!(numbering.place(2, 70_001, 3_005, later), Some((2, 1_000 + 183_000)));
    }

    #[test]
    fn a_layer_whose_clock_is_known_keeps_its_exact_time_but_never_goes_back() {
        let now = Instant::now();
        let switched = |shift| {
            let mut numbering = Numbering::new(90_000, 0);
            numbering.place(1, 10, 1_000, now);
            numbering.switch(2, 7, 500, Timing::Exact(shift), now + Duration::from_secs(9)).1
        };
        assert_eq!(switched(3_500), 4_000, "whatever the time");
        assert_eq!(switched(500), 1_001, "the same picture in another size is another picture");
        assert_eq!(switched(400), 1_001);
        assert_eq!(switched(0u32.wrapping_sub(600)), 1_001);
        let mut numbering = Numbering::new(90_000, 0);
        assert_eq!(numbering.switch(2, 7, 500, Timing::Exact(9), now), (0, 509), "at the start");
        assert_eq!(numbering.shift(), Some(9));
    }

    #[test]
    fn what_is_left_out_leaves_no_gap() {
        let mut numbering = Numbering::new(90_000, 0);
        let now = Instant::now();
        assert_eq!(numbering.skip(1, 99), None, "nothing is shown yet");
        let mut shown = Vec::new();
        for sequence in 100..112 {
            match sequence % 4 {
                2 | 3 => assert_eq!(numbering.skip(1, sequence), None),
                _ => shown.extend(number(numbering.place(1, sequence, 0, now))),
            }
        }
        assert_eq!(shown, [0, 1, 2, 3, 4, 5]);
        assert_eq!(numbering.segments.len(), 4);
        assert_eq!(numbering.origin(3), Some((1, 105)));
        assert_eq!(numbering.origin(6), None, "not sent yet");
        assert_eq!(number(numbering.find(1, 105, 0)), Some(3), "repairs work across what is out");
        assert_eq!(number(numbering.place(1, 106, 0, now)), None, "once out, always out");
        assert_eq!(numbering.skip(1, 106), None);
    }

    #[test]
    fn a_loss_before_what_is_left_out_can_still_come() {
        let mut numbering = Numbering::new(90_000, 0);
        let now = Instant::now();
        numbering.place(1, 100, 0, now);
        numbering.skip(1, 102);
        numbering.skip(1, 104);
        assert_eq!(number(numbering.place(1, 105, 0, now)), Some(3));
        assert_eq!([numbering.origin(1), numbering.origin(2)], [Some((1, 101)), Some((1, 103))]);
        assert_eq!(number(numbering.place(1, 103, 0, now)), Some(2));
        assert_eq!(number(numbering.place(1, 101, 0, now)), Some(1));
    }

    #[test]
    fn what_is_left_out_too_late_leaves_a_gap_for_padding_that_nothing_else_fills() {
        let mut numbering = Numbering::new(90_000, 0);
        let now = Instant::now();
        for sequence in [100, 103, 105] {
            numbering.place(1, sequence, 0, now);
        }
        for (late, gap) in [(102, 2), (101, 1), (104, 4)] {
            assert_eq!(numbering.skip(1, late), Some(gap));
            assert_eq!(numbering.skip(1, late), None, "padding is sent once");
            assert_eq!(number(numbering.place(1, late, 0, now)), None);
            assert_eq!(numbering.origin(gap as u16), None);
        }
        assert_eq!(numbering.skip(1, 103), None, "that one was sent already");
        for (sequence, shown) in [(100, 0), (103, 3), (105, 5), (106, 6)] {
            assert_eq!(number(numbering.place(1, sequence, 0, now)), Some(shown));
            assert_eq!(numbering.origin(shown as u16), Some((1, sequence)));
        }
    }

    #[test]
    fn the_last_of_a_loss_may_be_left_out_too_late() {
        let mut numbering = Numbering::new(90_000, 0);
        let now = Instant::now();
        numbering.place(1, 100, 0, now);
        numbering.skip(1, 103);
        assert_eq!(numbering.skip(1, 102), Some(2));
        assert_eq!(numbering.skip(1, 101), Some(1));
        assert_eq!(number(numbering.place(1, 104, 0, now)), Some(3));
        assert_eq!([1, 2, 3].map(|n| numbering.origin(n)), [None, None, Some((1, 104))]);
    }

    #[test]
    fn nobody_pads_under_a_number_that_may_be_old_and_used() {
        let mut numbering = Numbering::new(90_000, 0);
        let now = Instant::now();
        for sequence in (100..).filter(|sequence| ![150, 300].contains(sequence)).take(300) {
            numbering.place(1, sequence, 0, now);
        }
        assert_eq!(numbering.skip(1, 300), Some(200));
        assert_eq!(numbering.skip(1, 150), None, "too long ago to be sure");
        assert_eq!(number(numbering.place(1, 150, 0, now)), Some(50));
    }

    #[test]
    fn a_viewers_number_leads_back_to_its_packet_even_of_an_earlier_source() {
        let mut numbering = Numbering::new(90_000, 65_530);
        let now = Instant::now();
        for sequence in 100..120 {
            numbering.place(1, sequence, 40, now);
        }
        assert_eq!(numbering.origin(65_530), Some((1, 100)));
        assert_eq!(numbering.origin(3), Some((1, 109)), "behind a wrap");
        assert_eq!(numbering.origin(65_529), None, "before it joined");
        assert_eq!(numbering.origin(100), None, "not sent yet");
        numbering.switch(2, 7, 0, Timing::Elapsed, now);
        assert_eq!(numbering.origin(14), Some((2, 7)));
        assert_eq!(numbering.origin(3), Some((1, 109)), "of the source before");
        assert_eq!(numbering.find(1, 109, 40), Some((65_539, 40)), "with its own time");
        assert_eq!(numbering.find(2, 7, 50), numbering.shift().map(|shift| (65_550, 50 + shift)));
    }

    #[test]
    fn after_a_change_late_packets_of_the_old_source_fill_their_gaps_and_no_more() {
        let mut numbering = Numbering::new(90_000, 0);
        let now = Instant::now();
        numbering.place(1, 100, 0, now);
        numbering.place(1, 102, 0, now);
        numbering.switch(2, 7, 0, Timing::Elapsed, now);
        assert_eq!(number(numbering.place(1, 101, 0, now)), Some(1));
        assert_eq!(number(numbering.place(1, 103, 0, now)), None, "after the change");
        assert_eq!(number(numbering.place(2, 6, 0, now)), None, "before the change");
        assert_eq!(numbering.source(), Some(2));
    }

    #[test]
    fn a_source_that_comes_back_may_repeat_what_was_shown_before_under_new_numbers() {
        let mut numbering = Numbering::new(90_000, 0);
        let now = Instant::now();
        for sequence in 100..110 {
            numbering.place(1, sequence, 0, now);
        }
        numbering.switch(2, 7, 0, Timing::Elapsed, now);
        assert_eq!(numbering.switch(1, 105, 0, Timing::Elapsed, now).0, 11);
        assert_eq!(numbering.skip(1, 106), None);
        assert_eq!(number(numbering.place(1, 107, 0, now)), Some(12));
        assert_eq!(number(numbering.place(1, 106, 0, now)), None, "left out this time");
        assert_eq!(numbering.origin(6), Some((1, 106)), "but it was shown");
        assert_eq!(number(numbering.find(1, 104, 0)), Some(4));
    }

    #[test]
    fn pictures_are_numbered_alike() {
        let mut pictures = Numbering::new(1, 0);
        let now = Instant::now();
        let shown = |place: Option<(u64, u32)>| place.map(|(id, tl0)| (id, tl0 as u8));
        assert_eq!(shown(pictures.place(1, 40, 200, now)), Some((0, 200)));
        pictures.skip(1, 41);
        assert_eq!(shown(pictures.place(1, 42, 201, now)), Some((1, 201)));
        pictures.switch(2, 900, 17, Timing::Exact(202 - 17), now);
        assert_eq!(shown(pictures.place(2, 900, 17, now)), Some((2, 202)), "every packet of it");
        assert_eq!(shown(pictures.find(1, 42, 201)), Some((1, 201)));
    }

    #[test]
    fn memory_is_bounded_and_the_latest_is_remembered() {
        let mut numbering = Numbering::new(90_000, 0);
        let now = Instant::now();
        for sequence in 0..10_000 {
            numbering.place(1, 2 * sequence, 0, now);
            assert_eq!(numbering.origin(sequence as u16), Some((1, 2 * sequence)));
            numbering.skip(1, 2 * sequence + 1);
        }
        assert_eq!(numbering.segments.len(), limits::SEGMENTS);
        let repaired = 10_000 - limits::SEGMENTS as u64 + 1;
        assert_eq!(numbering.origin(repaired as u16), Some((1, 2 * repaired)));
        assert_eq!(numbering.origin(repaired as u16 - 1), None, "forgotten");
        assert!(size_of::<Segment>() <= 40);
    }

    #[test]
    fn gapless_sources_give_gapless_numbers_whatever_is_left_out_and_wherever_they_change() {
        for seed in 0..200 {
            let (mut lcg, now) = (Lcg(seed), Instant::now());
            let first = lcg.below(1 << 15) as u16;
            let mut numbering = Numbering::new(90_000, first);
            let mut expected = u64::from(first);
            for track in 0..5 {
                let start = lcg.below(1 << 40);
                numbering.switch(track, start, 0, Timing::Elapsed, now);
                expected += 1;
                for sequence in start + 1..start + 1 + lcg.below(100) {
                    if lcg.below(3) == 0 {
                        assert_eq!(numbering.skip(track, sequence), None);
                        continue;
                    }
                    let placed = numbering.place(track, sequence, 0, now);
                    assert_eq!(number(placed), Some(expected));
                    expected += 1;
                }
            }
        }
    }

    /// What a viewer has got so far: what each number stands for, and each packet's number.
    #[derive(Default)]
    struct Shown {
        packets: HashMap<u64, Option<(u64, u64)>>,
        numbers: HashMap<(u64, u64), u64>,
    }

    impl Shown {
        fn add(&mut self, number: u64, track: u64, sequence: u64) {
            let earlier = self.packets.insert(number, Some((track, sequence)));
            assert!(earlier.is_none_or(|p| p == Some((track, sequence))), "{number} twice");
            let earlier = self.numbers.insert((track, sequence), number);
            assert!(earlier.is_none_or(|n| n == number), "{track} {sequence} has two numbers");
        }

        fn check_order(&self) {
            let mut all: Vec<_> = self.numbers.iter().collect();
            all.sort();
            for pair in all.windows(2) {
                let [((track, _), number), ((other, _), next)] = pair else { continue };
                assert!(track != other || number < next, "order of {track}");
            }
        }
    }

    #[test]
    fn no_number_stands_for_two_packets_however_they_are_lost_late_doubled_or_left_out() {
        for seed in 0..300 {
            let (mut lcg, now) = (Lcg(seed), Instant::now());
            let mut numbering = Numbering::new(90_000, lcg.below(1 << 15) as u16);
            let mut shown = Shown::default();
            let (reach, keeps) = (1 + lcg.below(12), 1 + lcg.below(5));
            let mut ends = [1_000, 2_000_000, 3_000_000_000];
            let mut track = 0;
            for _ in 0..1_500 {
                if lcg.below(60) == 0 {
                    track = lcg.below(3);
                    let sequence = ends[track as usize] + lcg.below(3);
                    ends[track as usize] = sequence + 1;
                    let (number, _) = numbering.switch(track, sequence, 0, Timing::Elapsed, now);
                    shown.add(number, track, sequence);
                }
                let from = if lcg.below(20) == 0 { lcg.below(3) } else { track };
                let end = &mut ends[from as usize];
                let sequence = (*end + lcg.below(3)).saturating_sub(lcg.below(reach));
                if from != track && sequence >= *end {
                    continue;
                }
                *end = (*end).max(sequence + 1);
                if lcg.below(keeps) > 0 {
                    if let Some(gap) = numbering.skip(from, sequence) {
                        assert!(shown.packets.insert(gap, None).is_none(), "{gap} was used");
                    }
                } else if let Some((number, _)) = numbering.place(from, sequence, 0, now) {
                    shown.add(number, from, sequence);
                    assert_eq!(numbering.origin(number as u16), Some((from, sequence)));
                    assert_eq!(numbering.find(from, sequence, 0).map(|f| f.0), Some(number));
                }
                assert!(numbering.segments.len() <= limits::SEGMENTS);
            }
            shown.check_order();
        }
    }
}
