//! The byte streams of one driver: whose turn it is to be read, what waits to be written, and when
//! the machine hears of either. It knows nothing of what the bytes mean.

mod stream;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use farcast_core::limits;
use farcast_core::machine::{Input, StreamId};
use slab::Slab;

use crate::door::Seat;
use crate::ready::Ready;
use crate::runtime::ByteStream;

use stream::{Step, Stream};
pub(crate) use wire::{Buffers, Wire};

/// All streams that are open, or that still send what was written to them.
pub(crate) struct Streams<T> {
    all: Slab<Stream<T>>,
    /// Looked up only: the order of hash maps must not reach the machine.
    places: HashMap<StreamId, usize>,
    ready: Ready,
    /// Streams that changed while they were written to.
    changed: VecDeque<StreamId>,
    /// Streams that were ended, and when they are dropped; in order.
    ending: VecDeque<(Instant, StreamId)>,
    /// What was read last.
    buffers: Buffers,
}

/// What the machine is to hear of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Bytes came; [`Streams::input`] has them.
    Bytes(StreamId),
    /// So many bytes wait now.
    Unsent(StreamId, usize),
    /// It is gone.
    Ended(StreamId),
}

impl<T> Default for Streams<T> {
    fn default() -> Self {
        Streams {
            all: Slab::new(),
            places: HashMap::new(),
            ready: Ready::default(),
            changed: VecDeque::new(),
            ending: VecDeque::new(),
            buffers: Buffers::default(),
        }
    }
}

impl<T: ByteStream> Streams<T> {
    /// Whether there is no room for another one.
    pub(crate) fn is_full(&self) -> bool {
        self.all.len() >= limits::BYTE_STREAMS
    }

    /// Adds a stream and gives it a name that no other stream of this process has had.
    pub(crate) fn add(&mut self, wire: Wire<T>, seat: Option<Seat>) -> StreamId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = StreamId(NEXT.fetch_add(1, Ordering::Relaxed));
        let place = self.all.insert(Stream::new(id, wire, seat));
        self.places.insert(id, place);
        self.ready.push(place);
        id
    }

    /// Writes what the kernel takes and keeps the rest.
    pub(crate) fn write(&mut self, id: StreamId, bytes: &[u8]) {
        let Some(&place) = self.places.get(&id) else { return };
        let mut cx = Context::from_waker(self.ready.waker(place));
        let stream = &mut self.all[place];
        stream.write(&mut cx, bytes);
        if stream.has_news() && !stream.in_changed {
            stream.in_changed = true;
            self.changed.push_back(id);
        }
    }

    /// Begins or stops to read a stream.
    pub(crate) fn read(&mut self, id: StreamId, on: bool) {
        let Some(&place) = self.places.get(&id) else { return };
        self.all[place].set_reading(on);
        self.ready.push(place);
    }

    /// Ends a stream once everything is sent. The machine hears of it no more.
    pub(crate) fn end(&mut self, id: StreamId, now: Instant) {
        let Some(&place) = self.places.get(&id) else { return };
        if self.all[place].end() {
            self.ending.push_back((now + LINGER, id));
            self.ready.push(place);
        }
    }

    /// What writing has changed, for the machine to hear before it writes more.
    pub(crate) fn next_change(&mut self) -> Option<News> {
        while let Some(id) = self.changed.pop_front() {
            let Some(&place) = self.places.get(&id) else { continue };
            let stream = &mut self.all[place];
            stream.in_changed = false;
            if stream.is_broken() {
                self.remove(id);
                return Some(News::Ended(id));
            }
            if let Some(unsent) = stream.tell_unsent() {
                return Some(News::Unsent(id, unsent));
            }
        }
        None
    }

    /// Takes what the first ready stream has. It comes last then, until it has nothing.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<News> {
        // A stream that wakes itself meanwhile has its turn later.
        for _ in 0..self.ready.len() {
            let Some(place) = self.ready.pop() else { break };
            let Some(stream) = self.all.get_mut(place) else { continue };
            let mut cx = Context::from_waker(self.ready.waker(place));
            let id = stream.id;
            let news = match stream.step(&mut cx, &mut self.buffers) {
                Poll::Pending => continue,
                Poll::Ready(Step::Bytes) => News::Bytes(id),
                Poll::Ready(Step::Unsent(unsent)) => News::Unsent(id, unsent),
                Poll::Ready(Step::Ended) => {
                    self.remove(id);
                    return Poll::Ready(News::Ended(id));
                }
                Poll::Ready(Step::Closed) => {
                    self.remove(id);
                    continue;
                }
            };
            self.ready.push(place);
            return Poll::Ready(news);
        }
        self.ready.wait(cx);
        Poll::Pending
    }

    /// The fact for the machine.
    pub(crate) fn input(&self, news: &News) -> Input<'_> {
        match *news {
            News::Bytes(stream) => Input::Bytes { stream, bytes: self.buffers.bytes() },
            News::Unsent(stream, bytes) => Input::Unsent { stream, bytes },
            News::Ended(stream) => Input::Ended { stream },
        }
    }

    /// When [`Streams::expire`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.ending.front().map(|(at, _)| *at)
    }

    /// Drops streams whose peers do not take what was written to them before the end.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.ending.front()
            && at <= now
        {
            self.ending.pop_front();
            self.remove(id);
        }
    }

    fn remove(&mut self, id: StreamId) {
        if let Some(place) = self.places.remove(&id) {
            self.all.remove(place);
        }
    }
}

/// For a peer to take what was written to it before the end, and to end the stream itself.
const LINGER: Duration = Duration::from_secs(2);
