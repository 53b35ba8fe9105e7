//! What somebody sees of a film: which frames were complete when, and where the picture stood
//! still. It decodes as browsers do: a frame needs the one before it, unless it is a keyframe.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::camera::{FRAME_RATE, Stamp};

/// How long a viewer waits for what is missing before it asks for a keyframe, and between two
/// requests.
const PATIENCE: Duration = Duration::from_millis(300);
/// Frames that wait for what is missing; with more, only a keyframe helps.
const WAITING: usize = 256;

/// A frame on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// When it was captured, since the world's start.
    pub captured: Duration,
    /// When it was complete, and so were all frames that it needs.
    pub shown: Duration,
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
    /// The number of the frame that was shown last.
    last: Option<u32>,
    waiting: BTreeMap<u32, Partial>,
    /// Since when something waits for what is missing.
    stuck: Option<Duration>,
    asked: Option<Duration>,
}

#[derive(Debug)]
struct Partial {
    captured: Duration,
    keyframe: bool,
    /// Which parts are missing.
    missing: Vec<bool>,
    left: usize,
}

impl Viewer {
    /// A packet arrived.
    pub fn take(&mut self, now: Duration, stamp: Stamp) {
        if self.is_of_another_camera(stamp) {
            *self = Viewer { shown: std::mem::take(&mut self.shown), ..Viewer::default() };
        }
        if self.last.is_some_and(|last| stamp.frame <= last) {
            return;
        }
        let partial = self.waiting.entry(stamp.frame).or_insert_with(|| Partial::new(stamp));
        partial.add(stamp.part);
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
        let patient = self.stuck? + PATIENCE;
        Some(self.asked.map_or(patient, |asked| patient.max(asked + PATIENCE)))
    }

    /// What was on the screen.
    pub fn shown(&self) -> &[Frame] {
        &self.shown
    }

    /// Begins a new session, which begins with a keyframe.
    pub fn restart(&mut self) {
        *self = Viewer { shown: std::mem::take(&mut self.shown), ..Viewer::default() };
    }

    /// A camera counts its frames; another one counts anew.
    fn is_of_another_camera(&self, stamp: Stamp) -> bool {
        let last = self.shown.last().map(|frame| frame.captured);
        let counts_anew = self.last.is_some_and(|last| stamp.frame < last);
        counts_anew && last.is_some_and(|last| stamp.captured > last)
    }

    fn show(&mut self, now: Duration) {
        let complete = |partial: &Partial| partial.left == 0;
        let newest = self.waiting.iter().rev().find(|(_, p)| p.keyframe && complete(p));
        if let Some((&number, _)) = newest {
            self.waiting = self.waiting.split_off(&number);
            self.last = Some(number.wrapping_sub(1));
        }
        while let Some(entry) = self.waiting.first_entry() {
            let follows = self.last.is_some_and(|last| *entry.key() == last.wrapping_add(1));
            if !follows || !complete(entry.get()) {
                break;
            }
            self.last = Some(*entry.key());
            self.shown.push(Frame { captured: entry.remove().captured, shown: now });
            self.stuck = None;
        }
        if self.waiting.is_empty() {
            self.stuck = None;
        } else {
            self.stuck.get_or_insert(now);
        }
    }
}

impl Partial {
    fn new(stamp: Stamp) -> Self {
        let Stamp { captured, keyframe, parts, .. } = stamp;
        Partial { captured, keyframe, missing: vec![true; parts.into()], left: parts.into() }
    }

    fn add(&mut self, part: u16) {
        if let Some(missing) = self.missing.get_mut(usize::from(part)).filter(|missing| **missing) {
            *missing = false;
            self.left -= 1;
        }
    }
}

/// How often the picture stood still: longer than three frames and 150 ms more than one (the
/// freezes of W3C's webrtc-stats).
pub fn freezes(frames: &[Frame]) -> usize {
    let frame = Duration::from_secs(1) / FRAME_RATE;
    let still = (frame * 3).max(frame + Duration::from_millis(150));
    gaps(frames).filter(|(_, gap)| *gap > still).count()
}

/// When each pause between two frames began, and how long it was.
pub fn gaps(frames: &[Frame]) -> impl Iterator<Item = (Duration, Duration)> {
    frames.windows(2).map(|pair| (pair[0].shown, pair[1].shown - pair[0].shown))
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
            viewer.take(now, stamp(*frame, *part, *frame % 10 == 0));
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
    fn another_camera_counts_anew() {
        let mut viewer = Viewer::default();
        watch(&mut viewer, &[(20, 0, 0), (20, 1, 0)]);
        let captured = FRAME * 90;
        for part in [0, 1] {
            let stamp = Stamp { captured, frame: 1, part, parts: 2, keyframe: true };
            viewer.take(captured + AWAY, stamp);
        }
        assert_eq!(latencies(&viewer), [100, 100]);
    }
}
