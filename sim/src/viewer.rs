//! What somebody sees of a film: which frames were complete when, and where the picture stood
//! still. It decodes as browsers do: a frame needs the one whose packets come right before its own,
//! unless it is a keyframe, and RTP time goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::camera::{FRAME_RATE, Stamp};

/// How long a viewer waits for its first picture, and for what is missing later, before it asks for
/// a keyframe, and between two requests: those of libwebrtc.
const FIRST_PATIENCE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(3);
/// Frames that wait for what is missing; with more, only a keyframe helps.
const WAITING: usize = 256;

/// A frame on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// When it was captured, since the world's start.
    pub captured: Duration,
    /// When it was complete, and so were all frames that it needs.
    pub shown: Duration,
    /// When it was complete, whatever it needs.
    pub complete: Duration,
    /// How many packets it had: those of better layers have more.
    pub parts: u16,
}

impl Frame {
    /// Glass to glass, but for the devices.
    pub fn latency(&self) -> Duration {
        self.shown.saturating_sub(self.captured)
    }
}

/// A viewer of one track of video.
#[derive(Debug, Default)]
pub struct Viewer {
    shown: Vec<Frame>,
    /// Where the frame that was shown last ends.
    last: Option<End>,
    /// By their first sequence number.
    waiting: BTreeMap<u64, Partial>,
    /// Since when something waits for what is missing.
    stuck: Option<Duration>,
    asked: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    /// The first sequence number after it.
    next: u64,
    timestamp: u32,
}

#[derive(Debug)]
struct Partial {
    captured: Duration,
    timestamp: u32,
    keyframe: bool,
    /// Which parts are there, as far as they have shown.
    parts: Vec<bool>,
    /// Whether the last one has.
    ends: bool,
    complete: Duration,
}

impl Viewer {
    /// A packet arrived: its extended sequence number, its RTP time, what it is part of, whether it
    /// is the last one of its frame.
    pub fn take(
        &mut self,
        now: Duration,
        sequence: u64,
        timestamp: u32,
        stamp: Stamp,
        is_last: bool,
    ) {
        let first = sequence.saturating_sub(u64::from(stamp.part));
        if self.last.is_some_and(|last| first < last.next) {
            return;
        }
        let partial = self.waiting.entry(first).or_insert_with(|| Partial::new(timestamp, stamp));
        partial.add(now, stamp.part.into(), is_last);
        while self.waiting.len() > WAITING {
            self.waiting.pop_first();
        }
        self.show(now);
    }

    /// Whether it should ask for a keyframe now: it cannot go on by itself.
    pub fn wants_keyframe(&mut self, now: Duration) -> bool {
        let due = self.deadline().is_some_and(|at| at <= now);
        if due {
            self.asked = Some(now);
        }
        due
    }

    /// When it will ask for a keyframe.
    pub fn deadline(&self) -> Option<Duration> {
        let patience = if self.last.is_some() { PATIENCE } else { FIRST_PATIENCE };
        Some(self.stuck?.max(self.asked.unwrap_or_default()) + patience)
    }

    /// What was on the screen.
    pub fn shown(&self) -> &[Frame] {
        &self.shown
    }

    /// What was on the screen since that was last taken.
    pub fn take_shown(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.shown)
    }

    /// Begins a new session, which begins with a keyframe.
    pub fn restart(&mut self) {
        *self = Viewer { shown: std::mem::take(&mut self.shown), ..Viewer::default() };
    }

    fn show(&mut self, now: Duration) {
        let newest = self.waiting.iter().rev().find(|(_, p)| p.keyframe && p.is_complete());
        if let Some((&first, _)) = newest {
            self.waiting = self.waiting.split_off(&first);
            let timestamp = self.last.map(|last| last.timestamp);
            self.last = timestamp.map(|timestamp| End { next: first, timestamp });
        }
        while let Some(entry) = self.waiting.first_entry() {
            let (first, partial) = (*entry.key(), entry.get());
            let follows = self.last.map_or(partial.keyframe, |last| last.next == first);
            let goes_on = self.last.is_none_or(|last| is_later(partial.timestamp, last.timestamp));
            if !follows || !goes_on || !partial.is_complete() {
                break;
            }
            let partial = entry.remove();
            let parts = partial.parts.len() as u16;
            let next = first + u64::from(parts);
            self.last = Some(End { next, timestamp: partial.timestamp });
            let Partial { captured, complete, .. } = partial;
            self.shown.push(Frame { captured, shown: now, complete, parts });
            self.stuck = None;
        }
        if self.waiting.is_empty() {
            self.stuck = None;
        } else {
            self.stuck.get_or_insert(now);
        }
    }
}

/// Whether an RTP time is later than another (RFC 3550 section 5.1: it wraps).
fn is_later(one: u32, other: u32) -> bool {
    (1..1 << 31).contains(&one.wrapping_sub(other))
}

impl Partial {
    fn new(timestamp: u32, stamp: Stamp) -> Self {
        let Stamp { captured, keyframe, .. } = stamp;
        let (parts, ends, complete) = (Vec::new(), false, Duration::ZERO);
        Partial { captured, timestamp, keyframe, parts, ends, complete }
    }

    fn add(&mut self, now: Duration, part: usize, is_last: bool) {
        self.parts.resize(self.parts.len().max(part + 1), false);
        if !self.parts[part] {
            (self.parts[part], self.complete) = (true, now);
        }
        self.ends |= is_last;
    }

    fn is_complete(&self) -> bool {
        self.ends && self.parts.iter().all(|is_there| *is_there)
    }
}

/// How often the picture stood still.
pub fn freezes(frames: &[Frame]) -> usize {
    gaps(frames).filter(|(_, gap)| is_freeze(*gap)).count()
}

/// Whether the picture stands still that has no successor for so long: longer than three frames
/// and 150 ms more than one (the freezes of W3C's webrtc-stats).
pub fn is_freeze(gap: Duration) -> bool {
    let frame = Duration::from_secs(1) / FRAME_RATE;
    gap > (frame * 3).max(frame + Duration::from_millis(150))
}

/// When each pause between two frames began, and how long it was.
pub fn gaps(frames: &[Frame]) -> impl Iterator<Item = (Duration, Duration)> {
    frames.windows(2).map(|pair| (pair[0].shown, pair[1].shown.saturating_sub(pair[0].shown)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(33);
    const AWAY: Duration = Duration::from_millis(100);

    /// Part `part` of two of a frame that was captured in its turn.
    fn stamp(frame: u32, part: u16, keyframe: bool) -> Stamp {
        Stamp { captured: FRAME * frame, frame, part, parts: 2, keyframe }
    }

    /// Feeds parts, each as late as it is.
    fn watch(viewer: &mut Viewer, parts: &[(u32, u16, u64)]) {
        for (frame, part, late) in parts {
            let now = FRAME * *frame + AWAY + Duration::from_millis(*late);
            let sequence = u64::from(*frame) * 2 + u64::from(*part);
            let stamp = stamp(*frame, *part, *frame % 10 == 0);
            viewer.take(now, sequence, frame * 3_000, stamp, *part == 1);
        }
    }

    fn latencies(viewer: &Viewer) -> Vec<u128> {
        viewer.shown().iter().map(|frame| frame.latency().as_millis()).collect()
    }

    #[test]
    fn a_frame_is_shown_when_it_is_complete_whatever_the_order() {
        let mut viewer = Viewer::default();
        watch(&mut viewer, &[(10, 1, 0), (10, 0, 5), (10, 0, 6), (11, 0, 0), (11, 1, 2)]);
        assert_eq!(latencies(&viewer), [105, 102]);
        assert_eq!(viewer.deadline(), None);
    }

    #[test]
    fn the_first_picture_is_a_keyframe() {
        let mut viewer = Viewer::default();
        watch(&mut viewer, &[(8, 0, 0), (8, 1, 0), (9, 0, 0), (9, 1, 0)]);
        assert!(viewer.shown().is_empty());
        assert!(viewer.deadline().is_some());
        watch(&mut viewer, &[(10, 0, 0), (10, 1, 0)]);
        assert_eq!(latencies(&viewer), [100]);
    }

    #[test]
    fn what_is_missing_holds_up_what_follows_until_it_comes() {
        let mut viewer = Viewer::default();
        watch(&mut viewer, &[(10, 0, 0), (10, 1, 0), (11, 0, 0), (12, 0, 0), (12, 1, 0)]);
        assert_eq!(latencies(&viewer), [100]);
        watch(&mut viewer, &[(11, 1, 60)]);
        assert_eq!(latencies(&viewer), [100, 160, 127]);
    }

    #[test]
    fn a_stuck_viewer_asks_for_a_keyframe_which_ends_the_wait() {
        let mut viewer = Viewer::default();
        watch(&mut viewer, &[(10, 0, 0), (10, 1, 0), (12, 0, 0), (12, 1, 0)]);
        let stuck = FRAME * 12 + AWAY;
        assert!(!viewer.wants_keyframe(stuck + PATIENCE - Duration::from_millis(1)));
        assert!(viewer.wants_keyframe(stuck + PATIENCE));
        assert!(!viewer.wants_keyframe(stuck + PATIENCE));
        assert!(viewer.wants_keyframe(stuck + PATIENCE * 2));
        watch(&mut viewer, &[(20, 0, 0), (20, 1, 0), (21, 0, 0), (21, 1, 0)]);
        assert_eq!(latencies(&viewer), [100, 100, 100]);
        assert_eq!(viewer.deadline(), None);
        let mut gaps: Vec<_> = gaps(viewer.shown()).map(|(_, gap)| gap).collect();
        gaps.sort();
        assert_eq!(gaps, [FRAME, FRAME * 10]);
        assert_eq!(freezes(viewer.shown()), 1);
    }

    #[test]
    fn a_hole_in_the_numbers_or_a_time_that_runs_back_stops_the_picture() {
        for (sequence, timestamp, shown) in [(2, 3_000, 2), (3, 3_000, 1), (2, 0, 1), (2, 9, 2)] {
            let mut viewer = Viewer::default();
            for (number, part) in [(0, 0), (1, 1)] {
                viewer.take(AWAY, number, 0, stamp(10, part, true), part == 1);
            }
            for (number, part) in [(sequence, 0), (sequence + 1, 1)] {
                let stamp = stamp(11, part, false);
                viewer.take(AWAY + FRAME, number, timestamp, stamp, part == 1);
            }
            assert_eq!(viewer.shown().len(), shown, "{sequence} {timestamp}");
        }
    }
}
