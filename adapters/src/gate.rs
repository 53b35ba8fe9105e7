//! Polls something only after it was woken, so that a wake costs what it is about, not what else
//! waits on the same task. It knows not what it polls.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Stands before something that is polled.
pub(crate) struct Gate {
    bell: Arc<Bell>,
    /// Rings the bell; made once, so that polling allocates nothing.
    waker: Waker,
    /// Whom the bell wakes.
    task: Option<Waker>,
}

struct Bell {
    rung: AtomicBool,
    /// Reactors wake from threads of their own.
    task: Mutex<Option<Waker>>,
}

impl Default for Gate {
    fn default() -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), task: Mutex::default() });
        Gate { waker: Arc::clone(&bell).into(), bell, task: None }
    }
}

impl Gate {
    /// Polls `inner` if it was woken since it was pending, or never polled.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        inner: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if !self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            self.task = Some(cx.waker().clone());
            self.bell.wakes(cx.waker().clone());
        }
        if !self.bell.rung.swap(false, Ordering::Acquire) {
            return Poll::Pending;
        }
        let result = inner(&mut Context::from_waker(&self.waker));
        if result.is_ready() {
            self.ring();
        }
        result
    }

    /// Has it polled, as something that has changed without a wake.
    pub(crate) fn ring(&self) {
        self.bell.rung.store(true, Ordering::Release);
    }
}

impl Bell {
    fn wakes(&self, task: Waker) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.iter().for_each(Waker::wake_by_ref);
    }
}

/// Runs `main` to its end, and `rest` beside it, on the same task.
pub(crate) async fn beside<T>(
    main: impl Future<Output = T>,
    rest: impl Future<Output = Infallible>,
) -> T {
    let (mut main, mut rest) = (pin!(main), pin!(rest));
    let mut gate = Gate::default();
    poll_fn(|cx| {
        let result = main.as_mut().poll(cx);
        if result.is_pending() {
            let Poll::Pending = gate.poll(cx, |cx| rest.as_mut().poll(cx));
        }
        result
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::ready::wakes::Count;

    #[test]
    fn it_is_polled_at_first_and_after_every_wake_and_wakes_the_task() {
        let (mut gate, polls, kept) = (Gate::default(), Cell::new(0), Cell::new(None));
        let task = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&task));
        let mut poll = |answer: Poll<()>| {
            gate.poll(&mut Context::from_waker(&waker), |cx| {
                polls.set(polls.get() + 1);
                kept.set(Some(cx.waker().clone()));
                answer
            })
        };
        assert!(poll(Poll::Pending).is_pending() && poll(Poll::Pending).is_pending());
        assert_eq!(polls.get(), 1);
        kept.take().expect("it was polled").wake();
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
        assert!(poll(Poll::Ready(())).is_ready());
        assert!(poll(Poll::Pending).is_pending(), "what was ready may have more");
        assert_eq!(polls.get(), 3);
    }

    #[test]
    fn the_rest_runs_beside_and_ends_with_the_main_future() {
        let steps = Cell::new(0);
        let rest = async {
            loop {
                steps.set(steps.get() + 1);
                futures_lite::future::yield_now().await;
            }
        };
        let main = async {
            while steps.get() < 5 {
                futures_lite::future::yield_now().await;
            }
            7
        };
        assert_eq!(futures_lite::future::block_on(beside(main, rest)), 7);
    }
}
