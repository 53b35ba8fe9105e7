//! A timer that rings on the microsecond. It knows not for what.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::{Below, Sleep};

/// Set anew only for an earlier instant; so it may ring early.
#[derive(Default)]
pub(super) struct Alarm {
    set: Option<(Instant, Sleep)>,
}

impl Alarm {
    /// Ready at `at` or earlier: look at the clock and ask again.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        below: &Below,
        now: Instant,
        at: Instant,
    ) -> Poll<()> {
        let left = at.saturating_duration_since(now);
        if left.is_zero() {
            return Poll::Ready(());
        }
        if left <= below.blur {
            // Everybody else gets a turn, then we look at the clock again.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let rings = at - below.blur;
        if self.set.as_ref().is_none_or(|(set, _)| rings < *set) {
            self.set = Some((rings, (below.sleep)(rings)));
        }
        let (_, sleep) = self.set.as_mut().expect("it was just set");
        ready!(sleep.as_mut().poll(cx));
        self.set = None;
        Poll::Ready(())
    }
}
