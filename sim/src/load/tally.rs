//! What one person's session came to: when they connected, which packets came, when the picture
//! stood still. It knows no connection.

use std::time::Duration;

use str0m::media::MediaKind;

use super::spread::Spread;
use crate::evidence::CATCH_UP;
use crate::viewer::{Frame, is_freeze};

/// A picture that has not moved for so long at the end is gone.
const GONE: Duration = Duration::from_secs(2);

/// A session, as it was for whoever had it. Times are since the run began.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// When they asked.
    pub(super) asked: Duration,
    /// When ICE and DTLS were done.
    pub(super) connected: Option<Duration>,
    /// When the first media packet came.
    pub(super) first_packet: Option<Duration>,
    /// When the first frame was complete.
    pub(super) first_frame: Option<Duration>,
    /// How often the picture stood still.
    pub(super) freezes: u64,
    /// How often they were asked for a keyframe.
    pub(super) keyframes_asked: u64,
    /// Why it was not as it should be.
    pub(super) failure: Option<String>,
    /// When it was over.
    ended: Duration,
    last_frame: Duration,
    /// Frames after the first half second.
    frames: u64,
    video: Numbers,
    audio: Numbers,
}

/// The sequence numbers that came.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    /// The lowest and the highest one.
    range: Option<(u64, u64)>,
    count: u64,
}

impl Tally {
    /// Of somebody who asks now.
    pub(super) fn new(asked: Duration) -> Self {
        Tally { asked, ..Tally::default() }
    }

    /// A packet came, each one once.
    pub(super) fn packet(&mut self, at: Duration, kind: MediaKind, sequence: u64) {
        self.first_packet.get_or_insert(at);
        let numbers = match kind {
            MediaKind::Video => &mut self.video,
            MediaKind::Audio => &mut self.audio,
        };
        let (lowest, highest) = numbers.range.unwrap_or((sequence, sequence));
        numbers.range = Some((lowest.min(sequence), highest.max(sequence)));
        numbers.count += 1;
    }

    /// A frame was shown. How late it was counts once the viewer has caught up.
    pub(super) fn frame(&mut self, frame: Frame, latency: &mut Spread) {
        match self.first_frame {
            None => self.first_frame = Some(frame.shown),
            Some(_) => self.freezes += u64::from(is_freeze(frame.shown - self.last_frame)),
        }
        self.last_frame = frame.shown;
        if self.caught_up().is_some_and(|at| frame.captured >= at) {
            self.frames += 1;
            latency.add(frame.latency());
        }
    }

    /// They leave, or are thrown out.
    pub(super) fn end(&mut self, at: Duration) {
        self.ended = at;
        if self.first_frame.is_some() {
            let still = at.saturating_sub(self.last_frame);
            self.freezes += u64::from(is_freeze(still));
            if still > GONE {
                self.fail("the picture stopped and did not come back".to_owned());
            }
        }
    }

    /// It was not as it should be, and this is why.
    pub(super) fn fail(&mut self, why: String) {
        self.failure = Some(why);
    }

    /// Packets that should have come, and those of them that never came, after repair.
    pub(super) fn packets(&self) -> (u64, u64) {
        let all = [self.video, self.audio];
        let expected = |n: &Numbers| n.range.map_or(0, |(lowest, highest)| highest - lowest + 1);
        let (due, came) = all
            .iter()
            .fold((0, 0), |(due, came), numbers| (due + expected(numbers), came + numbers.count));
        (due, due.saturating_sub(came))
    }

    /// For how long there was a picture.
    pub(super) fn watched(&self) -> Duration {
        self.first_frame.map_or(Duration::ZERO, |first| self.ended.saturating_sub(first))
    }

    /// Frames a second since it had caught up; `None` if it was too short.
    pub(super) fn frame_rate(&self) -> Option<f64> {
        let span = self.ended.checked_sub(self.caught_up()?)?;
        (span >= CATCH_UP).then(|| self.frames as f64 / span.as_secs_f64())
    }

    fn caught_up(&self) -> Option<Duration> {
        Some(self.first_frame? + CATCH_UP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Somebody whose frames are captured every 40 ms and 5 ms late, but for those in the gap.
    fn watch(until: u64, gap: std::ops::Range<u64>) -> (Tally, Spread) {
        let (mut tally, mut latency) = (Tally::new(ms(900)), Spread::default());
        for at in (1_000..until).step_by(40).filter(|at| !gap.contains(at)) {
            tally.frame(
                Frame { captured: ms(at), shown: ms(at + 5), complete: ms(at + 5), parts: 1 },
                &mut latency,
            );
        }
        (tally, latency)
    }

    #[test]
    fn what_is_missing_between_the_first_and_the_last_is_lost() {
        let mut tally = Tally::new(ms(0));
        for sequence in [101, 100, 103, 106] {
            tally.packet(ms(7), MediaKind::Video, sequence);
        }
        tally.packet(ms(8), MediaKind::Audio, 5);
        assert_eq!(tally.packets(), (8, 3));
        assert_eq!(tally.first_packet, Some(ms(7)));
        assert_eq!(Tally::new(ms(0)).packets(), (0, 0));
    }

    #[test]
    fn frames_are_counted_once_the_viewer_has_caught_up() {
        let (mut tally, latency) = watch(5_000, 0..0);
        tally.end(ms(5_000));
        assert_eq!((tally.first_frame, tally.freezes), (Some(ms(1_005)), 0));
        let rate = tally.frame_rate().expect("it was long enough");
        assert!((rate - 25.0).abs() < 0.5, "{rate}");
        assert_eq!((latency.at(0.5), latency.longest()), (Some(ms(5)), Some(ms(5))));
        assert_eq!(tally.watched(), ms(3_995));
        assert_eq!(tally.failure, None);
    }

    #[test]
    fn a_gap_is_a_freeze_and_a_long_one_at_the_end_a_failure() {
        let freezes = |gap, until| {
            let (mut tally, _) = watch(5_000, gap);
            tally.end(ms(until));
            (tally.freezes, tally.failure.is_some())
        };
        assert_eq!(freezes(2_000..2_100, 5_000), (0, false));
        assert_eq!(freezes(2_000..2_200, 5_000), (1, false));
        assert_eq!(freezes(2_000..2_200, 5_400), (2, false));
        assert_eq!(freezes(0..0, 7_100), (1, true));
    }
}
