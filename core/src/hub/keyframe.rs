//! Merges the keyframe wishes of all sinks of a track into at most two requests a second.

use std::time::Instant;

use crate::limits;

/// When a track's source was last asked for a keyframe, and whether somebody wishes one since.
#[derive(Debug, Default)]
pub(crate) struct KeyframeWishes {
    asked: Option<Instant>,
    wished: bool,
}

impl KeyframeWishes {
    /// Somebody wishes a keyframe. `true`: ask the source now.
    pub(crate) fn wish(&mut self, now: Instant) -> bool {
        self.wished = true;
        self.due(now)
    }

    /// Whether a wish is waiting and may be passed on now; then it counts as passed on.
    pub(crate) fn due(&mut self, now: Instant) -> bool {
        let ready = self.wished && self.opens().is_none_or(|at| at <= now);
        if ready {
            self.wished = false;
            self.asked = Some(now);
        }
        ready
    }

    /// A keyframe has come: whoever has wished one gets it.
    pub(crate) fn fulfil(&mut self) {
        self.wished = false;
    }

    /// When a waiting wish may be passed on.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.opens().filter(|_| self.wished)
    }

    fn opens(&self) -> Option<Instant> {
        self.asked.map(|at| at + limits::KEYFRAME_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ten_thousand_wishes_in_a_second_make_three_requests_at_most_half_a_second_apart() {
        let start = Instant::now();
        let mut wishes = KeyframeWishes::default();
        let mut asked = Vec::new();
        for n in 0..10_000u32 {
            let now = start + Duration::from_micros(100) * n;
            if wishes.wish(now) {
                asked.push(now);
            }
        }
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[0], start, "the first wish is passed on at once");
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= limits::KEYFRAME_INTERVAL));
        let deadline = wishes.deadline().expect("the last wish waits");
        assert!(!wishes.due(deadline - Duration::from_micros(1)));
        assert!(wishes.due(deadline));
        assert_eq!(wishes.deadline(), None);
    }

    #[test]
    fn a_wish_that_a_keyframe_has_fulfilled_is_not_passed_on() {
        let start = Instant::now();
        let mut wishes = KeyframeWishes::default();
        assert!(wishes.wish(start));
        assert!(!wishes.wish(start + Duration::from_millis(10)));
        wishes.fulfil();
        assert_eq!(wishes.deadline(), None);
        assert!(!wishes.due(start + limits::KEYFRAME_INTERVAL));
        assert!(wishes.wish(start + limits::KEYFRAME_INTERVAL), "a new one is");
    }
}
