//! What one track may put on a byte stream that does not keep up: the picture may freeze, latency
//! may not grow. It knows neither the stream nor whom it leads to.

use std::time::Instant;

use crate::limits;

/// Lets the video of one track pass, frame by frame.
#[derive(Debug, Default)]
pub(super) struct Valve {
    /// Whether nothing passes until a keyframe does.
    shut: bool,
    /// The RTP time of the frame that passes now.
    frame: Option<u32>,
    /// When a keyframe was wished last.
    wished: Option<Instant>,
}

impl Valve {
    /// Whether a packet passes while so many bytes wait. What has begun to pass passes whole; what
    /// was stopped goes on with a keyframe, on a stream that has drained.
    pub(super) fn passes(
        &mut self,
        unsent: usize,
        timestamp: u32,
        begins_keyframe: impl FnOnce() -> bool,
    ) -> bool {
        self.shut = match self.shut {
            true => unsent > 0 || !begins_keyframe(),
            false => self.frame != Some(timestamp) && unsent > limits::VIDEO_UNSENT,
        };
        self.frame = (!self.shut).then_some(timestamp);
        !self.shut
    }

    /// Whether a keyframe should be asked for now; then it counts as asked for.
    pub(super) fn wishes(&mut self, now: Instant, unsent: usize) -> bool {
        let paused = self.wished.is_some_and(|at| now < at + limits::DRAINED_INTERVAL);
        let wishes = self.shut && unsent == 0 && !paused;
        if wishes {
            self.wished = Some(now);
        }
        wishes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: usize = limits::VIDEO_UNSENT + 1;

    #[test]
    fn a_frame_passes_whole_or_not_at_all_and_a_keyframe_ends_the_pause() {
        let mut valve = Valve::default();
        let mut passes = |unsent, time, key| valve.passes(unsent, time, || key);
        assert!(passes(limits::VIDEO_UNSENT, 1, false));
        assert!(passes(FULL, 1, false), "it has begun");
        assert!(!passes(FULL, 2, true), "not even a keyframe");
        assert!(!passes(0, 2, false));
        assert!(!passes(1, 3, true), "the stream has not drained");
        assert!(!passes(0, 3, false), "a keyframe without its beginning is none");
        assert!(passes(0, 4, true));
        assert!(passes(FULL, 4, false));
    }

    #[test]
    fn a_keyframe_is_wished_once_the_stream_has_drained_and_not_in_a_loop() {
        let (mut valve, start) = (Valve::default(), Instant::now());
        assert!(!valve.wishes(start, 0), "nothing was stopped");
        assert!(!valve.passes(FULL, 1, || false));
        assert!(!valve.wishes(start, 1));
        assert!(valve.wishes(start, 0));
        assert!(!valve.wishes(start, 0));
        assert!(valve.passes(0, 2, || true));
        assert!(!valve.passes(FULL, 3, || false));
        assert!(!valve.wishes(start, 0), "it was wished a moment ago");
        assert!(valve.wishes(start + limits::DRAINED_INTERVAL, 0));
    }
}
