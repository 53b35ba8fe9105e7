//! One byte stream: open, then ending. It holds what the kernel did not take, up to a bound, and
//! knows what the machine believes about that.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};

use farcast_core::limits;
use farcast_core::machine::StreamId;

use super::wire::{Buffers, Wire};
use crate::door::Seat;
use crate::runtime::ByteStream;

/// A stream and what waits to be written to it.
pub(super) struct Stream<T> {
    pub(super) id: StreamId,
    wire: Wire<T>,
    /// What the kernel did not take.
    waiting: VecDeque<u8>,
    /// How much waits as far as the machine knows.
    told: usize,
    phase: Phase,
    /// Whether it is in the list of those that changed.
    pub(super) in_changed: bool,
    /// Makes room for another connection when it is dropped.
    _seat: Option<Seat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open {
        reading: bool,
    },
    /// It cannot be written to any more, which the machine does not know yet.
    Broken,
    /// What waits goes out, then the stream is closed, then the peer's end is awaited.
    Ending {
        closed: bool,
    },
}

/// What a stream has done when it was its turn.
pub(super) enum Step {
    /// It read something.
    Bytes,
    /// The kernel took some of what waited; this still does.
    Unsent(usize),
    /// It is gone.
    Ended,
    /// It is gone as the machine wanted.
    Closed,
}

impl<T: ByteStream> Stream<T> {
    pub(super) fn new(id: StreamId, wire: Wire<T>, seat: Option<Seat>) -> Self {
        let phase = Phase::Open { reading: true };
        let waiting = VecDeque::new();
        Stream { id, wire, waiting, told: 0, phase, in_changed: false, _seat: seat }
    }

    pub(super) fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        if !matches!(self.phase, Phase::Open { .. }) {
            return;
        }
        if self.put(cx, bytes).is_err() {
            self.phase = Phase::Broken;
        }
    }

    fn put(&mut self, cx: &mut Context<'_>, mut bytes: &[u8]) -> io::Result<()> {
        if self.waiting.len() + bytes.len() > limits::STREAM_UNSENT {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        if self.wire.is_secure() {
            self.wire.seal(bytes, &mut self.waiting)?;
            return self.flush(cx);
        }
        while self.waiting.is_empty() && !bytes.is_empty() {
            match self.wire.poll_write(cx, bytes)? {
                Poll::Ready(count) => bytes = &bytes[count..],
                Poll::Pending => break,
            }
        }
        self.waiting.extend(bytes);
        Ok(())
    }

    /// Writes what waits as far as the kernel takes it.
    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.waiting.is_empty() {
            match self.wire.poll_write(cx, self.waiting.as_slices().0)? {
                Poll::Ready(count) => drop(self.waiting.drain(..count)),
                Poll::Pending => return Ok(()),
            }
        }
        // A stream that was slow once shall not keep that memory for ever.
        self.waiting.shrink_to(KEPT);
        Ok(())
    }

    pub(super) fn is_broken(&self) -> bool {
        self.phase == Phase::Broken
    }

    /// Whether the machine believes what is not so.
    pub(super) fn has_news(&self) -> bool {
        self.is_broken() || self.told != self.waiting.len()
    }

    /// What still waits, if the machine does not know that.
    pub(super) fn tell_unsent(&mut self) -> Option<usize> {
        let unsent = self.waiting.len();
        let open = matches!(self.phase, Phase::Open { .. });
        let before = std::mem::replace(&mut self.told, unsent);
        (open && before != unsent).then_some(unsent)
    }

    pub(super) fn set_reading(&mut self, on: bool) {
        if let Phase::Open { reading } = &mut self.phase {
            *reading = on;
        }
    }

    /// Whether it was not ending before.
    pub(super) fn end(&mut self) -> bool {
        let ending = matches!(self.phase, Phase::Ending { .. });
        if let Phase::Open { .. } = self.phase {
            self.wire.farewell(&mut self.waiting);
        }
        if !ending {
            self.phase = Phase::Ending { closed: false };
        }
        !ending
    }

    /// Does what can be done now: first writing, then reading.
    pub(super) fn step(&mut self, cx: &mut Context<'_>, buffers: &mut Buffers) -> Poll<Step> {
        if self.flush(cx).is_err() {
            let wanted = matches!(self.phase, Phase::Ending { .. });
            return Poll::Ready(if wanted { Step::Closed } else { Step::Ended });
        }
        match self.phase {
            Phase::Broken => Poll::Ready(Step::Ended),
            Phase::Ending { closed } => self.finish(cx, buffers, closed),
            Phase::Open { reading } => {
                if let Some(unsent) = self.tell_unsent() {
                    return Poll::Ready(Step::Unsent(unsent));
                }
                if !reading {
                    return Poll::Pending;
                }
                Poll::Ready(match ready!(self.wire.poll_read(cx, buffers, &mut self.waiting)) {
                    Ok(1..) => Step::Bytes,
                    Ok(0) | Err(_) => Step::Ended,
                })
            }
        }
    }

    /// Closes our side when everything is sent, and waits for the peer to close its own: what it
    /// has sent meanwhile would else make the kernel throw away what it has not got yet.
    fn finish(&mut self, cx: &mut Context<'_>, buffers: &mut Buffers, closed: bool) -> Poll<Step> {
        if !self.waiting.is_empty() {
            return Poll::Pending;
        }
        if !closed {
            if ready!(self.wire.poll_close(cx)).is_err() {
                return Poll::Ready(Step::Closed);
            }
            self.phase = Phase::Ending { closed: true };
        }
        match ready!(self.wire.poll_discard(cx, buffers)) {
            Ok(1..) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Ok(0) | Err(_) => Poll::Ready(Step::Closed),
        }
    }
}

/// Bytes of memory for what waits that a stream keeps when nothing does.
const KEPT: usize = 64 * 1024;
