//! The latest packets of a track, shared by all of its sinks: what they miss is repeated from here,
//! and who joins begins with the latest keyframe in it. It knows neither sinks nor how packets look
//! on the wire.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::limits;
use crate::media::packet::{Packet, SourceClock};

/// The latest packets of one track, by sequence number.
#[derive(Debug, Default)]
pub struct History {
    /// From `first` on; `None`: not arrived.
    packets: VecDeque<Option<Packet>>,
    first: u64,
    bytes: usize,
    /// The first packet of the latest keyframe and its time, as long as it is there.
    keyframe: Option<(u64, u32)>,
    /// Whether it was recent when the last packet came.
    is_recent: bool,
    clock: Option<SourceClock>,
}

impl History {
    /// Keeps a packet, and forgets those that are too old, or too many. `true`: nobody can begin
    /// with the latest keyframe any more.
    pub fn keep(&mut self, packet: &Packet, begins_keyframe: bool) -> bool {
        let now = packet.arrived;
        let end = self.first + self.packets.len() as u64;
        let is_far = packet.sequence >= end + limits::HISTORY_PACKETS as u64;
        if self.packets.is_empty() || is_far {
            self.packets.clear();
            (self.first, self.bytes, self.keyframe) = (packet.sequence, 0, None);
        }
        let Some(place) = packet.sequence.checked_sub(self.first) else { return false };
        let place = place as usize;
        while self.packets.len() <= place {
            self.packets.push_back(None);
        }
        if self.packets[place].is_none() {
            self.bytes += packet.payload.len();
            self.packets[place] = Some(packet.clone());
        }
        if begins_keyframe {
            self.note_keyframe(packet);
        }
        self.forget(now);
        let (was_recent, is_recent) = (self.is_recent, self.keyframe_is_recent(now));
        self.is_recent = is_recent;
        was_recent && !is_recent
    }

    fn keyframe_is_recent(&self, now: Instant) -> bool {
        self.keyframe.is_some_and(|(first, _)| self.find(now, first, limits::START_AGE).is_some())
    }

    /// The packet with this number, if it is there and no older than `age`.
    pub fn find(&self, now: Instant, sequence: u64, age: Duration) -> Option<&Packet> {
        let place = sequence.checked_sub(self.first)?;
        let packet = self.packets.get(usize::try_from(place).ok()?)?.as_ref()?;
        is_younger(now, packet, age).then_some(packet)
    }

    /// What the source said about its clocks last.
    pub(crate) fn clock(&self) -> Option<SourceClock> {
        self.clock
    }

    /// The source said how its clocks are related.
    pub(crate) fn set_clock(&mut self, clock: SourceClock) {
        self.clock = Some(clock);
    }

    /// The first packet of the latest keyframe, if it is recent and everything since is there.
    pub(crate) fn latest_keyframe(&self, now: Instant) -> Option<u64> {
        let (first, _) = self.keyframe.filter(|_| self.keyframe_is_recent(now))?;
        let place = usize::try_from(first.checked_sub(self.first)?).ok()?;
        self.packets.range(place..).all(Option::is_some).then_some(first)
    }

    /// Whether pictures since the latest keyframe may need this packet.
    pub(crate) fn needs(&self, sequence: u64) -> bool {
        self.keyframe.is_none_or(|(first, _)| first <= sequence)
    }

    /// The latest packets, the last one first.
    pub(crate) fn latest(&self) -> impl Iterator<Item = &Packet> + Clone {
        self.packets.iter().rev().flatten()
    }

    /// The packets from this number on.
    pub(crate) fn since(&self, sequence: u64) -> impl Iterator<Item = &Packet> + Clone {
        let place = usize::try_from(sequence.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.packets.range(place.min(self.packets.len())..).flatten()
    }

    /// Several packets of one keyframe may look like its beginning (H.264: parameters, then
    /// slices); the first one is.
    fn note_keyframe(&mut self, packet: &Packet) {
        let (sequence, timestamp) = (packet.sequence, packet.timestamp);
        self.keyframe = match self.keyframe {
            Some((first, time)) if time == timestamp => Some((first.min(sequence), time)),
            Some((first, time)) if first > sequence => Some((first, time)),
            _ => Some((sequence, timestamp)),
        };
    }

    fn forget(&mut self, now: Instant) {
        while let Some(front) = self.packets.front() {
            let is_over =
                self.packets.len() > limits::HISTORY_PACKETS || self.bytes > limits::HISTORY_BYTES;
            // What never arrived waits for nobody at the front.
            let is_kept =
                front.as_ref().is_some_and(|packet| is_younger(now, packet, limits::START_KEPT));
            if is_kept && !is_over {
                return;
            }
            self.bytes -= front.as_ref().map_or(0, |packet| packet.payload.len());
            self.packets.pop_front();
            self.first += 1;
            self.keyframe.take_if(|(keyframe, _)| *keyframe < self.first);
        }
    }
}

fn is_younger(now: Instant, packet: &Packet, age: Duration) -> bool {
    now.saturating_duration_since(packet.arrived) <= age
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::media::packet::Extensions;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn packet(start: Instant, sequence: u64, ms: u64, len: usize) -> Packet {
        Packet {
            sequence,
            timestamp: sequence as u32,
            marker: false,
            arrived: start + Duration::from_millis(ms),
            extensions: Extensions::default(),
            dependency: None,
            payload: vec![0; len].into(),
        }
    }

    #[test]
    fn packets_are_found_by_number_until_they_are_too_old() {
        let start = Instant::now();
        let mut history = History::default();
        for (sequence, ms) in [(1_000, 0), (1_002, 1), (1_001, 5)] {
            history.keep(&packet(start, sequence, ms, 10), false);
        }
        let at = |ms| start + Duration::from_millis(ms);
        let found = |history: &History, ms| {
            (999..1_004)
                .filter(|n| history.find(at(ms), *n, limits::REPAIR_AGE).is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&history, 5), [1_000, 1_001, 1_002]);
        let age = limits::REPAIR_AGE.as_millis() as u64;
        assert_eq!(found(&history, age + 1), [1_001, 1_002]);
        history.keep(&packet(start, 1_003, age + 6, 10), false);
        assert_eq!(found(&history, age + 6), [1_003]);
    }

    #[test]
    fn whoever_joins_begins_with_the_latest_keyframe_while_it_is_recent_and_whole() {
        let start = Instant::now();
        let mut history = History::default();
        let keep = |history: &mut History, sequence, ms, key| {
            history.keep(&packet(start, sequence, ms, 10), key)
        };
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(history.latest_keyframe(at(0)), None);
        keep(&mut history, 10, 0, false);
        keep(&mut history, 11, 33, true);
        keep(&mut history, 12, 66, false);
        keep(&mut history, 14, 99, false);
        assert_eq!(history.latest_keyframe(at(99)), None, "one is missing");
        keep(&mut history, 13, 110, false);
        let age = limits::START_AGE.as_millis() as u64;
        keep(&mut history, 15, 33 + age, false);
        assert_eq!(history.latest_keyframe(at(33 + age)), Some(11));
        let numbers: Vec<u64> = history.since(11).map(|packet| packet.sequence).collect();
        assert_eq!(numbers, [11, 12, 13, 14, 15]);
        assert!(history.find(start + limits::START_AGE, 12, limits::REPAIR_AGE).is_none());
        assert!(keep(&mut history, 16, 34 + age, false), "the keyframe is too old now");
        assert_eq!(history.latest_keyframe(at(34 + age)), None);
        let first = |history: &History| history.since(0).map(|packet| packet.sequence).next();
        assert_eq!(first(&history), Some(10), "who has begun with it still needs it");
        let kept = limits::START_KEPT.as_millis() as u64;
        assert!(!keep(&mut history, 17, 34 + kept, false), "that was said already");
        assert_eq!(first(&history), Some(12), "it is gone");
        assert!(!keep(&mut history, 18, 35 + kept, true));
        assert!(!keep(&mut history, 19, 36 + kept, true));
        assert_eq!(history.latest_keyframe(at(36 + kept)), Some(19), "the latest one");
    }

    #[test]
    fn a_keyframe_begins_with_its_first_packet_that_looks_like_a_beginning() {
        let start = Instant::now();
        let mut history = History::default();
        for sequence in [7, 9, 8] {
            history.keep(&Packet { timestamp: 1, ..packet(start, sequence, 0, 10) }, true);
        }
        assert_eq!(history.latest_keyframe(start), Some(7));
    }

    #[test]
    fn a_jump_begins_anew_and_old_stragglers_do_no_harm() {
        let start = Instant::now();
        let mut history = History::default();
        history.keep(&packet(start, 7, 0, 10), false);
        history.keep(&packet(start, 1 << 40, 0, 10), false);
        history.keep(&packet(start, 8, 0, 10), false);
        assert!(
            history.find(start, 1 << 40, DAY).is_some() && history.find(start, 8, DAY).is_none()
        );
        assert_eq!(history.packets.len(), 1);
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_finds_what_a_map_would(
            steps in prop::collection::vec((0u64..40, 0u64..30, 1usize..200_000), 1..200)
        ) {
            let start = Instant::now();
            let (mut history, mut model) = (History::default(), BTreeMap::new());
            let (mut next, mut ms) = (100, 0);
            for (step, pause, len) in steps {
                // A few steps back, or ahead.
                let sequence: u64 = next + step - 20;
                next = next.max(sequence + 1);
                ms += pause;
                let packet = packet(start, sequence, ms, len);
                let now = packet.arrived;
                history.keep(&packet, len % 7 == 0);
                model.entry(sequence).or_insert(packet);
                prop_assert!(history.packets.len() <= limits::HISTORY_PACKETS);
                prop_assert!(history.bytes <= limits::HISTORY_BYTES);
                let held: usize = history.packets.iter().flatten().map(|p| p.payload.len()).sum();
                prop_assert_eq!(held, history.bytes);
                for found in history.packets.iter().flatten() {
                    let (kept, first) =
                        (history.find(now, found.sequence, DAY), &model[&found.sequence]);
                    prop_assert!(kept.is_none_or(|kept| kept.arrived == first.arrived));
                }
            }
        }
    }
}
