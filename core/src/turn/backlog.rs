//! What waits for one TURN client's stream: answers, and the newest media. Old media is dropped,
//! for late media is worth nothing, unless its sender hears how much waits. It knows no message.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::limits;
use crate::machine::StreamId;
use crate::outbox::Outbox;

/// The queue of one stream.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Bytes that waited with the world when it last told.
    unsent: usize,
    /// Bytes written since then; if nothing waited, since `at`.
    written: usize,
    at: Option<Instant>,
    answers: Vec<u8>,
    media: VecDeque<u8>,
    /// Where `media` is cut, and when each part is worth nothing any more.
    frames: VecDeque<(Option<Instant>, usize)>,
    /// Frames dropped since the last report.
    dropped: u64,
    /// Bytes that wait, as was told last.
    told: usize,
}

/// More answers wait than anybody needs who reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overflow;

impl Backlog {
    /// An answer; it is never dropped.
    pub(super) fn answer(
        &mut self,
        stream: StreamId,
        bytes: &[u8],
        now: Instant,
        out: &mut Outbox,
    ) -> Result<(), Overflow> {
        if self.is_empty() && self.is_open(now) {
            self.write(stream, &[bytes], out);
        } else if self.answers.len() + bytes.len() > limits::TURN_ANSWERS_WAITING {
            return Err(Overflow);
        } else {
            self.answers.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// One frame of media, in parts, and how long it is worth anything.
    pub(super) fn media(
        &mut self,
        stream: StreamId,
        parts: &[&[u8]],
        age: Option<Duration>,
        now: Instant,
        out: &mut Outbox,
    ) {
        if self.is_empty() && self.is_open(now) {
            return self.write(stream, parts, out);
        }
        let len = parts.iter().map(|part| part.len()).sum();
        self.drop_old(now);
        while self.media.len() + len > limits::TURN_MEDIA_WAITING && self.drop_oldest() {}
        parts.iter().for_each(|part| self.media.extend(*part));
        self.frames.push_back((age.map(|age| now + age), len));
    }

    /// The world says how much waits there.
    pub(super) fn set_unsent(&mut self, bytes: usize) {
        self.unsent = bytes;
        self.written = 0;
    }

    /// Writes what has room.
    pub(super) fn flush(&mut self, stream: StreamId, now: Instant, out: &mut Outbox) {
        self.note_time(now);
        self.drop_old(now);
        if self.has_room() {
            self.write_answers(stream, out);
        }
        while self.has_room()
            && let Some((_, len)) = self.frames.pop_front()
        {
            let (one, two) = self.media.as_slices();
            let from_one = len.min(one.len());
            out.write(stream, &[&one[..from_one], &two[..len - from_one]]);
            self.media.drain(..len);
            self.written += len;
        }
    }

    /// Writes all answers, room or not.
    pub(super) fn write_answers(&mut self, stream: StreamId, out: &mut Outbox) {
        let answers = std::mem::take(&mut self.answers);
        self.write(stream, &[&answers], out);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.frames.is_empty()
    }

    /// Whether the world will tell when there is room again.
    pub(super) fn is_blocked(&self) -> bool {
        self.unsent > 0
    }

    /// Bytes that wait because the line takes no more, there and here, if that was not told yet.
    pub(super) fn tell_waiting(&mut self) -> Option<usize> {
        let here = self.written + self.answers.len() + self.media.len();
        let waiting = if self.is_blocked() { self.unsent + here } else { 0 };
        let before = std::mem::replace(&mut self.told, waiting);
        (before != waiting).then_some(waiting)
    }

    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Whether what comes now may be written at once.
    fn is_open(&mut self, now: Instant) -> bool {
        self.note_time(now);
        self.unsent == 0 && self.written < limits::TURN_BURST
    }

    fn has_room(&self) -> bool {
        self.unsent + self.written < limits::TURN_UNSENT
    }

    /// What was written at an earlier instant is taken, unless the world has told otherwise.
    fn note_time(&mut self, now: Instant) {
        if self.at != Some(now) && self.unsent == 0 {
            self.written = 0;
        }
        self.at = Some(now);
    }

    fn write(&mut self, stream: StreamId, parts: &[&[u8]], out: &mut Outbox) {
        out.write(stream, parts);
        self.written += parts.iter().map(|part| part.len()).sum::<usize>();
    }

    fn drop_old(&mut self, now: Instant) {
        let is_old = |until: &Option<Instant>| until.is_some_and(|until| until < now);
        while self.frames.front().is_some_and(|(until, _)| is_old(until)) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((_, len)) = self.frames.pop_front() else { return false };
        self.media.drain(..len);
        self.dropped += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: StreamId = StreamId(1);

    #[test]
    fn what_waits_is_news_only_where_a_line_takes_no_more() {
        let (mut backlog, mut out, now) = (Backlog::default(), Outbox::default(), Instant::now());
        let mut media = |backlog: &mut Backlog, packets| {
            for _ in 0..packets {
                backlog.media(STREAM, &[&[7; 1000]], None, now, &mut out);
            }
        };
        media(&mut backlog, 100);
        assert!(!backlog.is_empty());
        assert_eq!(backlog.tell_waiting(), None, "the rest of a burst goes on in a moment");
        backlog.set_unsent(40_000);
        backlog.flush(STREAM, now, &mut Outbox::default());
        let rest = 100_000 - limits::TURN_BURST.next_multiple_of(1000);
        assert_eq!(backlog.tell_waiting(), Some(40_000 + rest));
        assert_eq!(backlog.tell_waiting(), None, "it was told");
        media(&mut backlog, 1);
        assert_eq!(backlog.tell_waiting(), Some(41_000 + rest));
        backlog.set_unsent(0);
        backlog.flush(STREAM, now, &mut Outbox::default());
        assert_eq!(backlog.tell_waiting(), Some(0));
    }

    #[test]
    fn media_grows_too_old_unless_its_sender_stops_by_himself() {
        for (age, kept) in [(Some(limits::TURN_MEDIA_AGE), 0), (None, 10)] {
            let (mut backlog, now) = (Backlog::default(), Instant::now());
            let mut out = Outbox::default();
            backlog.set_unsent(100_000);
            for _ in 0..10 {
                backlog.media(STREAM, &[&[7; 1000]], age, now, &mut out);
            }
            backlog.set_unsent(0);
            let late = now + limits::TURN_MEDIA_AGE + Duration::from_millis(1);
            backlog.flush(STREAM, late, &mut out);
            let written: usize = out.writes().map(|(_, bytes)| bytes.len()).sum();
            assert_eq!((written, backlog.take_dropped()), (kept * 1000, 10 - kept as u64));
        }
    }
}
