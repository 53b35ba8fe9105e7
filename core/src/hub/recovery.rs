//! Which packets of one incoming RTP stream are missing, and when to ask its sender for them. It
//! knows sequence numbers only: neither what is in the packets nor how a NACK looks on the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::limits;
use round_trip::RoundTrip;

mod round_trip;

/// What one stream misses.
#[derive(Debug, Default)]
pub struct Recovery {
    /// One above the highest number that arrived; `None`: nothing arrived.
    end: Option<u64>,
    missing: BTreeMap<u64, Missing>,
    /// The same by `Missing::next`.
    schedule: BTreeSet<(Instant, u64)>,
    /// The first time in `schedule`.
    deadline: Option<Instant>,
    /// When a packet came out of order last.
    reordered: Option<Instant>,
    round_trip: RoundTrip,
    /// The highest number that was asked for in vain.
    lost: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    /// When it is not wanted any more.
    over: Instant,
    /// When it is asked for next, or over.
    next: Instant,
    /// When it was asked for last.
    asked: Option<Instant>,
    /// How often it may still be asked for.
    tries_left: u8,
}

impl Recovery {
    /// A packet arrived, be it the original or a repair. `false`: it was there already, or is not
    /// wanted any more.
    pub fn arrived(&mut self, now: Instant, sequence: u64) -> bool {
        let end = match self.end {
            Some(end) if sequence < end => return self.fill(now, sequence),
            Some(end) if sequence - end <= limits::MISSING_JUMP => end,
            _ => {
                self.begin(now, sequence);
                sequence
            }
        };
        self.end = Some(sequence.saturating_add(1));
        if sequence > end {
            let next = now + self.wait(now);
            self.miss(now, end..sequence, next, limits::NACK_TRIES);
        }
        true
    }

    /// Appends the numbers that are to be asked for now, ascending, at most
    /// [`limits::NACKS_AT_ONCE`]; they count as asked for. If there are more, the deadline is over
    /// still.
    pub fn due(&mut self, now: Instant, numbers: &mut Vec<u64>) {
        let already = numbers.len();
        let retry = self.round_trip.retry_after();
        while numbers.len() - already < limits::NACKS_AT_ONCE {
            let Some(&(next, sequence)) = self.schedule.first() else { break };
            if next > now {
                break;
            }
            self.schedule.pop_first();
            let Some(missing) = self.missing.get_mut(&sequence) else { continue };
            if missing.over <= now {
                if missing.asked.is_some() {
                    self.lost = self.lost.max(Some(sequence));
                }
                self.missing.remove(&sequence);
                continue;
            }
            missing.ask(now, retry);
            self.schedule.insert((missing.next, sequence));
            numbers.push(sequence);
        }
        numbers[already..].sort_unstable();
        self.settle();
    }

    /// The highest number that was asked for in vain since this was asked last.
    pub fn take_lost(&mut self) -> Option<u64> {
        self.lost.take()
    }

    /// When [`Self::due`] is to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The source paused or jumped: what is missing below this number is not wanted any more.
    pub fn forget_below(&mut self, sequence: u64) {
        self.end = self.end.map(|end| end.max(sequence));
        while self.missing.first_key_value().is_some_and(|(first, _)| *first < sequence) {
            self.drop_first();
        }
        self.settle();
    }

    /// How long it takes from a NACK to the repair, as measured; until then a usual value.
    #[cfg(test)]
    fn round_trip(&self) -> Duration {
        self.round_trip.smoothed()
    }

    /// How long a packet that is missing may just be out of order.
    fn wait(&self, now: Instant) -> Duration {
        let is_lately = |at| now.saturating_duration_since(at) < limits::REORDERED_KEPT;
        let is_reordering = self.reordered.is_some_and(is_lately);
        if is_reordering { limits::NACK_WAIT_REORDERED } else { limits::NACK_WAIT }
    }

    /// A stream begins with this packet, or with one shortly before that it has overtaken. Whether
    /// there are any cannot be known, so nobody is asked for them.
    fn begin(&mut self, now: Instant, sequence: u64) {
        self.missing.clear();
        self.schedule.clear();
        let before = sequence.saturating_sub(limits::BEFORE_FIRST)..sequence;
        self.miss(now, before, now + limits::REPAIR_AGE, 0);
    }

    /// These are missing, the latest of them if they are too many; older ones make room.
    fn miss(&mut self, now: Instant, numbers: Range<u64>, next: Instant, tries_left: u8) {
        let first = numbers.start.max(numbers.end.saturating_sub(limits::MISSING as u64));
        let over = now + limits::REPAIR_AGE;
        for sequence in first..numbers.end {
            if self.missing.len() >= limits::MISSING {
                self.drop_first();
            }
            self.missing.insert(sequence, Missing { over, next, asked: None, tries_left });
            self.schedule.insert((next, sequence));
        }
        self.settle();
    }

    /// A packet arrived below the end.
    fn fill(&mut self, now: Instant, sequence: u64) -> bool {
        let Some(missing) = self.missing.remove(&sequence) else {
            self.round_trip.repeated(now, sequence);
            return false;
        };
        self.schedule.remove(&(missing.next, sequence));
        self.settle();
        match missing.asked {
            None => self.reordered = Some(now),
            Some(asked) if missing.tries_left + 1 == limits::NACK_TRIES => {
                self.round_trip.answered(now, sequence, asked);
            }
            Some(_) => self.round_trip.answered_late(),
        }
        true
    }

    fn drop_first(&mut self) {
        if let Some((sequence, missing)) = self.missing.pop_first() {
            self.schedule.remove(&(missing.next, sequence));
        }
    }

    /// Most streams miss nothing most of the time, and hold no memory for it then: emptied maps
    /// would.
    fn settle(&mut self) {
        if self.missing.is_empty() {
            self.missing.clear();
            self.schedule.clear();
        }
        self.deadline = self.schedule.first().map(|(next, _)| *next);
    }
}

impl Missing {
    /// It is asked for now. After the last try it is still welcome until it is over.
    fn ask(&mut self, now: Instant, retry: Duration) {
        self.asked = Some(now);
        self.tries_left = self.tries_left.saturating_sub(1);
        self.next = if self.tries_left == 0 { self.over } else { self.over.min(now + retry) };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::seed::Seed;

    /// One recovery and its clock.
    struct Stream(Recovery, Instant);

    impl Stream {
        /// It begins at 100, and nothing before may arrive any more.
        fn begun() -> Self {
            let mut stream = Self(Recovery::default(), Instant::now());
            assert!(stream.arrived(0, 100));
            stream.0.forget_below(100);
            stream
        }

        fn at(&self, ms: u64) -> Instant {
            self.1 + Duration::from_millis(ms)
        }

        fn arrived(&mut self, ms: u64, sequence: u64) -> bool {
            self.0.arrived(self.at(ms), sequence)
        }

        fn due(&mut self, ms: u64) -> Vec<u64> {
            let mut numbers = Vec::new();
            self.0.due(self.at(ms), &mut numbers);
            numbers
        }

        /// Loses a packet, and repairs it after this round trip or at its second try.
        fn repair(&mut self, ms: u64, sequence: u64, round_trip: u64) -> usize {
            self.arrived(ms, sequence + 1);
            let asked = (1..round_trip + 2).filter(|after| !self.due(ms + after).is_empty());
            let asked = asked.count();
            assert!(self.arrived(ms + 2 + round_trip, sequence));
            asked
        }
    }

    #[test]
    fn without_loss_nothing_is_due_and_no_memory_held() {
        let mut stream = Stream::begun();
        assert!((101..1_000).all(|sequence| stream.arrived(sequence, sequence)));
        assert!(!stream.arrived(1_000, 999), "it was there");
        assert_eq!((stream.0.deadline(), stream.due(2_000)), (None, vec![]));
        assert!(size_of::<Recovery>() <= 200, "{}", size_of::<Recovery>());
    }

    #[test]
    fn a_gap_is_asked_for_within_5_ms_then_after_a_round_trip_and_no_more_when_it_is_there() {
        let mut stream = Stream::begun();
        stream.arrived(10, 103);
        assert_eq!(stream.0.deadline(), Some(stream.at(12)));
        assert_eq!(stream.due(11), [0; 0]);
        assert_eq!(stream.due(12), [101, 102]);
        assert!(stream.arrived(112, 102));
        assert_eq!(stream.0.round_trip(), Duration::from_millis(100));
        assert_eq!(stream.0.deadline(), Some(stream.at(12 + 132)));
        assert_eq!((stream.due(143), stream.due(144)), (vec![], vec![101]));
        assert!(stream.arrived(240, 101) && !stream.arrived(241, 101));
        assert_eq!(stream.0.deadline(), None);
    }

    #[test]
    fn packets_out_of_order_are_waited_for_longer_for_a_while() {
        let mut stream = Stream::begun();
        stream.arrived(0, 102);
        assert!(stream.arrived(1, 101), "not asked for");
        stream.arrived(2, 104);
        assert_eq!((stream.due(5), stream.due(6)), (vec![], vec![103]));
        stream.arrived(10_001, 106);
        assert_eq!(stream.due(10_003), [105]);
    }

    #[test]
    fn packets_that_the_first_one_has_overtaken_are_new_but_never_asked_for() {
        let (mut recovery, now) = (Recovery::default(), Instant::now());
        assert!(recovery.arrived(now, 100) && recovery.arrived(now, 84));
        assert!(!recovery.arrived(now, 84) && !recovery.arrived(now, 83));
        let mut numbers = Vec::new();
        recovery.due(now + limits::REPAIR_AGE, &mut numbers);
        assert_eq!((numbers, recovery.deadline()), (vec![], None));
        assert!(!recovery.arrived(now + limits::REPAIR_AGE, 99), "too old");
    }

    #[test]
    fn what_is_not_wanted_any_more_is_neither_asked_for_nor_new() {
        let mut stream = Stream::begun();
        stream.arrived(0, 110);
        stream.0.forget_below(105);
        assert_eq!(stream.due(5), [105, 106, 107, 108, 109]);
        assert!(!stream.arrived(6, 104) && stream.arrived(6, 105));
        stream.0.forget_below(200);
        assert!(stream.arrived(7, 201) && !stream.arrived(7, 199) && stream.arrived(8, 200));
        assert_eq!(stream.0.deadline(), None);
    }

    #[test]
    fn a_great_gap_is_asked_for_in_full_and_a_jump_begins_anew() {
        let mut stream = Stream::begun();
        stream.arrived(0, 101 + limits::MISSING_JUMP);
        let mut asked = Vec::new();
        while stream.0.deadline().is_some_and(|at| at <= stream.at(5)) {
            asked.extend(stream.due(5));
        }
        let end = 101 + limits::MISSING_JUMP;
        assert_eq!(asked, Vec::from_iter(end - limits::MISSING as u64..end));
        let far = end + 2 + limits::MISSING_JUMP;
        assert!(stream.arrived(6, far) && stream.arrived(6, far - 1));
        assert_eq!(stream.due(400), [0; 0]);
    }

    #[test]
    fn a_round_trip_that_has_become_longer_or_shorter_is_learnt() {
        let mut stream = Stream::begun();
        let (mut ms, mut sequence) = (0, 101);
        for round_trip in [100, 300, 15, 90] {
            let mut asked = 0;
            for _ in 0..40 {
                asked = stream.repair(ms, sequence, round_trip);
                (ms, sequence) = (ms + 1_000, sequence + 2);
            }
            let measured = stream.0.round_trip().as_millis() as u64;
            assert!(measured.abs_diff(round_trip) <= 3, "{measured} for {round_trip}");
            assert_eq!(asked, 1, "{round_trip}");
        }
    }

    #[test]
    fn originals_that_are_only_late_do_not_shorten_the_round_trip() {
        let mut stream = Stream::begun();
        for (step, sequence) in (0..100).zip((101..).step_by(2)) {
            let ms = step * 200;
            stream.arrived(ms, sequence + 1);
            assert_eq!(stream.due(ms + 4), [sequence]);
            assert!(stream.arrived(ms + 7, sequence));
            assert!(!stream.arrived(ms + 94, sequence), "the repair");
        }
        assert_eq!(stream.0.round_trip(), Duration::from_millis(90));
    }

    #[test]
    fn what_was_asked_for_in_vain_is_told_once() {
        let (mut stream, age) = (Stream::begun(), limits::REPAIR_AGE.as_millis() as u64);
        assert!(stream.arrived(0, 104));
        for ms in 0..age {
            stream.due(ms);
            assert_eq!(stream.0.take_lost(), None, "{ms}");
        }
        assert!(stream.arrived(age, 103));
        stream.due(age);
        assert_eq!(stream.0.take_lost(), Some(102));
        assert_eq!(stream.0.take_lost(), None);
    }

    /// When it was seen to be missing, when it was asked for last, and how often.
    type Model = BTreeMap<u64, (u64, Option<u64>, u8)>;

    fn check_due(stream: &mut Stream, model: &mut Model, ms: u64) {
        let age = limits::REPAIR_AGE.as_millis() as u64;
        while stream.0.deadline().is_some_and(|at| at <= stream.at(ms)) {
            for sequence in stream.due(ms) {
                let (seen, asked, tries) = model.get_mut(&sequence).unwrap();
                assert!(ms < *seen + age && *tries < limits::NACK_TRIES);
                assert!(asked.is_none_or(|asked| ms >= asked + 10));
                (*asked, *tries) = (Some(ms), *tries + 1);
            }
        }
        model.retain(|_, (seen, ..)| ms < *seen + age);
        let is_asked_for =
            |(seen, asked, _): &(u64, Option<u64>, u8)| asked.is_some() || ms < seen + 5;
        assert!(model.values().all(is_asked_for));
        assert!(stream.0.missing.keys().eq(model.keys()));
        assert_eq!(stream.0.schedule.len(), model.len());
        assert_eq!(stream.0.deadline(), stream.0.schedule.first().map(|(at, _)| *at));
        assert_eq!(stream.0.deadline().is_some(), !model.is_empty());
    }

    #[test]
    fn it_does_what_a_naive_model_does() {
        for seed in 0..200 {
            let (mut seed, mut stream) = (Seed::new([seed; 32]), Stream::begun());
            let mut below = |end| u64::from(seed.below(end));
            let (mut model, mut end) = (Model::new(), 101);
            for ms in 0..2_000 {
                check_due(&mut stream, &mut model, ms);
                let sequence = match below(300) {
                    0 => end + below(5_000),
                    1..10 => end + below(30),
                    10..100 => end - below(100).min(end),
                    100..200 => end,
                    200 => {
                        let fence = end - 50 + below(60);
                        stream.0.forget_below(fence);
                        model.retain(|sequence, _| *sequence >= fence);
                        end = end.max(fence);
                        continue;
                    }
                    _ => continue,
                };
                let is_new = sequence >= end || model.remove(&sequence).is_some();
                assert_eq!(stream.arrived(ms, sequence), is_new, "{sequence} {end}");
                if sequence > end + limits::MISSING_JUMP {
                    model.clear();
                    let before = sequence - limits::BEFORE_FIRST..sequence;
                    model.extend(before.map(|n| (n, (ms, Some(0), limits::NACK_TRIES))));
                } else {
                    model.extend((end..sequence).map(|n| (n, (ms, None, 0))));
                }
                while model.len() > limits::MISSING {
                    model.pop_first();
                }
                end = end.max(sequence + 1);
            }
            check_due(&mut stream, &mut model, 3_000);
            assert_eq!(stream.0.deadline(), None);
        }
    }
}
