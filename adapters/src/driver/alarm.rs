//! The driver's one timer. It knows not for what.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// A timer that is set anew only for an earlier instant. Deadlines mostly move on with every
/// packet; then the old timer rings early, once, instead of being replaced with every packet.
pub(super) struct Alarm<S, F> {
    sleep_until: S,
    rings: Option<Instant>,
    sleep: Pin<Box<Option<F>>>,
}

impl<S: Fn(Instant) -> F, F: Future<Output = ()>> Alarm<S, F> {
    pub(super) fn new(sleep_until: S) -> Self {
        Alarm { sleep_until, rings: None, sleep: Box::pin(None) }
    }

    /// Ready at `at` or earlier.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if self.rings.is_none_or(|rings| at < rings) {
            self.rings = Some(at);
            self.sleep.set(Some((self.sleep_until)(at)));
        }
        let sleep = self.sleep.as_mut().as_pin_mut().expect("it was set when `rings` was");
        ready!(sleep.poll(cx));
        self.rings = None;
        Poll::Ready(())
    }
}
