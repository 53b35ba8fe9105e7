//! Which of many sources were woken, in the order of their wakes: so that a wake costs what is
//! ready, not what is there. It knows not what the sources are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

/// The list of what is ready. Sources have places, small numbers that may be used again.
#[derive(Default)]
pub(crate) struct Ready {
    list: Arc<List>,
    /// By place; made once, so that polling allocates nothing.
    wakers: Vec<Waker>,
}

impl Ready {
    /// Lists a source, as one that was just made or that may have more.
    pub(crate) fn push(&mut self, place: usize) {
        while self.wakers.len() <= place {
            let bell = Bell { list: Arc::clone(&self.list), place: self.wakers.len() };
            self.wakers.push(Arc::new(bell).into());
            self.list.lock().listed.push(false);
        }
        self.list.lock().push(place);
    }

    /// Lists a source again when it is woken.
    pub(crate) fn waker(&self, place: usize) -> &Waker {
        &self.wakers[place]
    }

    /// How many are listed.
    pub(crate) fn len(&self) -> usize {
        self.list.lock().ready.len()
    }

    /// Takes the first one off the list. Its source may be gone.
    pub(crate) fn pop(&mut self) -> Option<usize> {
        let mut list = self.list.lock();
        let place = list.ready.pop_front()?;
        list.listed[place] = false;
        Some(place)
    }

    /// Wakes the task when something is listed; at once if something is.
    pub(crate) fn wait(&mut self, cx: &mut Context<'_>) {
        let mut list = self.list.lock();
        if !list.ready.is_empty() {
            drop(list);
            cx.waker().wake_by_ref();
        } else if !list.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            list.task = Some(cx.waker().clone());
        }
    }
}

/// Reactors wake from threads of their own.
#[derive(Default)]
struct List(Mutex<State>);

#[derive(Default)]
struct State {
    ready: VecDeque<usize>,
    /// By place: whether it is in `ready`.
    listed: Vec<bool>,
    /// Who polls the sources.
    task: Option<Waker>,
}

impl List {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, place: usize) {
        if !std::mem::replace(&mut self.listed[place], true) {
            self.ready.push_back(place);
        }
    }
}

/// Lists one source.
struct Bell {
    list: Arc<List>,
    place: usize,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut list = self.list.lock();
        list.push(self.place);
        let task = list.task.take();
        drop(list);
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
pub(crate) mod wakes {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    /// Counts how often it is woken.
    #[derive(Default)]
    pub(crate) struct Count(pub(crate) AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::wakes::Count;
    use super::*;

    #[test]
    fn what_is_woken_is_listed_once_and_in_order_and_wakes_the_task() {
        let mut ready = Ready::default();
        (0..3).for_each(|place| ready.push(place));
        while ready.pop().is_some() {}

        let task = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&task));
        ready.wait(&mut Context::from_waker(&waker));
        for place in [2, 0, 2] {
            ready.waker(place).wake_by_ref();
        }
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
        assert_eq!([ready.pop(), ready.pop(), ready.pop()], [Some(2), Some(0), None]);

        ready.push(1);
        ready.wait(&mut Context::from_waker(&waker));
        assert_eq!(task.0.load(Ordering::Relaxed), 2, "something is listed already");
    }
}
