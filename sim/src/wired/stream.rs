//! TCP connections with distances: bytes are held each way until they would have arrived. It knows
//! no protocol above.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use futures_lite::{AsyncRead, AsyncWrite};

use super::alarm::Alarm;
use super::globe::{Entry, Globe, Kind};
use super::{Below, Home};

/// Bytes that may be under way in each direction, as with a window of this size: 50 Mbit/s over
/// 300 ms there and back.
const WINDOW: usize = 2 * 1024 * 1024;
/// Bytes of one read.
const CHUNK: usize = 16 * 1024;

/// Bytes under way in one direction.
#[derive(Default)]
struct Way {
    delay: Duration,
    /// What was sent, and when it arrives.
    pieces: VecDeque<(Instant, VecDeque<u8>)>,
    bytes: usize,
    /// What comes after the bytes, and when, once it is known.
    end: Option<(Instant, io::Result<()>)>,
}

impl Way {
    fn new(delay: Duration) -> Self {
        Way { delay, ..Way::default() }
    }

    fn push(&mut self, due: Instant, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.pieces.push_back((due, bytes.iter().copied().collect()));
    }

    /// The next bytes that have arrived; empty if there are none.
    fn arrived(&self, now: Instant) -> &[u8] {
        let due = self.pieces.front().filter(|(due, _)| *due <= now);
        due.map_or(&[], |(_, bytes)| bytes.as_slices().0)
    }

    fn clear(&mut self) {
        self.bytes = 0;
        self.pieces.clear();
    }

    fn consume(&mut self, count: usize) {
        self.bytes -= count;
        if let Some((_, bytes)) = self.pieces.front_mut() {
            bytes.drain(..count);
            if bytes.is_empty() {
                self.pieces.pop_front();
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Where there is no distance, nothing is held beyond what the socket below has no room for.
    fn is_full(&self) -> bool {
        self.bytes >= if self.delay.is_zero() { 1 } else { WINDOW }
    }

    /// When bytes arrive next.
    fn next_due(&self) -> Option<Instant> {
        self.pieces.front().map(|(due, _)| *due)
    }

    /// When nothing will come any more, once that is known.
    fn end_due(&self) -> Option<Instant> {
        self.end.as_ref().map(|(due, _)| *due)
    }
}

/// A connection with a distance.
///
/// What was written goes out while anybody reads, writes or closes; what its owner drops before is
/// lost.
pub struct Stream<S> {
    io: S,
    below: Below,
    inward: Way,
    outward: Way,
    /// Nothing comes before the connection is made.
    opens: Instant,
    /// Who has connected to us, until its first byte comes: a node of ours will then have made
    /// itself known, and has taken the distance upon itself.
    stranger: Option<(Arc<Globe>, SocketAddr)>,
    _entry: Option<Entry>,
    globe: Arc<Globe>,
    /// How the net knows both ends: here, there.
    ends: [SocketAddr; 2],
    reads: Alarm,
    writes: Alarm,
    /// Who waits for something to read, and who for room to write; they may be two tasks.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl<S> Stream<S> {
    /// A connection that was made to a node: its first byte comes a round trip later than others.
    pub(super) fn accepted(io: S, peer: SocketAddr, home: &Home) -> Self {
        let [inward, outward] = home.globe.accepting(home, peer);
        let opens = (home.below.now)() + inward + outward;
        let stranger = Some((Arc::clone(&home.globe), peer));
        let there = home.globe.known_as(Kind::Dialled, peer);
        Stream { stranger, ..Stream::new(io, home, there, [inward, outward], opens) }
    }

    /// A connection that a node has made.
    pub(super) fn connected(io: S, ends: [SocketAddr; 2], home: &Home) -> Self {
        let [from, to] = ends;
        let entry = home.globe.enter(Kind::Dialled, vec![from], home.ip);
        let [outward, inward] = home.globe.dialling(home, to);
        let there = home.globe.known_as(Kind::Listener, to);
        let stream = Stream::new(io, home, there, [inward, outward], home.below.start);
        Stream { _entry: Some(entry), ..stream }
    }

    /// The connection below.
    pub(super) fn below(&self) -> &S {
        &self.io
    }

    fn new(
        io: S,
        home: &Home,
        there: SocketAddr,
        [inward, outward]: [Duration; 2],
        opens: Instant,
    ) -> Self {
        let ends = [SocketAddr::new(home.ip, 0), there];
        Stream {
            io,
            below: home.below.clone(),
            inward: Way::new(inward),
            outward: Way::new(outward),
            opens,
            stranger: None,
            _entry: None,
            globe: Arc::clone(&home.globe),
            ends,
            reads: Alarm::default(),
            writes: Alarm::default(),
            reader: None,
            writer: None,
        }
    }

    /// Writes down that bytes were sent, if anybody wants to know.
    fn trace(&self, now: Instant, count: usize) {
        let mut net = self.globe.net();
        if net.trace.wants() {
            let names = self.ends.map(|end| net.name(end));
            let at = now.saturating_duration_since(self.below.start);
            net.trace.line(at, names, "tcp", count);
        }
    }

    /// The first sign of life: now it shows who is there.
    fn meet(&mut self) {
        if let Some((globe, peer)) = self.stranger.take()
            && globe.is_dialled(peer)
        {
            self.opens = self.below.start;
            self.inward.delay = Duration::ZERO;
            self.outward.delay = Duration::ZERO;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    /// Takes from the socket below what there is and has room.
    fn take_in(&mut self, cx: &mut Context<'_>) {
        let mut chunk = [0; CHUNK];
        while !self.inward.is_full() && self.inward.end.is_none() {
            let Poll::Ready(result) = Pin::new(&mut self.io).poll_read(cx, &mut chunk) else {
                return;
            };
            self.meet();
            let due = (self.below.now)().max(self.opens) + self.inward.delay;
            match result {
                Ok(0) => self.inward.end = Some((due, Ok(()))),
                Ok(count) => self.inward.push(due, &chunk[..count]),
                Err(error) => self.inward.end = Some((due, Err(error))),
            }
        }
    }

    /// Gives the socket below what has arrived there. Ready when the rest is not due; pending when
    /// the socket has no room.
    fn let_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now = (self.below.now)();
        loop {
            let bytes = self.outward.arrived(now);
            if bytes.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let result = match ready!(Pin::new(&mut self.io).poll_write(cx, bytes)) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                result => result,
            };
            match result {
                Ok(count) => self.outward.consume(count),
                // Nobody will take the rest either; who writes next hears why.
                Err(_) => self.outward.clear(),
            }
            self.writer.take().into_iter().for_each(Waker::wake);
            result?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            let waits_for_room = this.let_out(cx).is_pending();
            this.take_in(cx);
            let now = (this.below.now)();
            let bytes = this.inward.arrived(now);
            if !bytes.is_empty() {
                let count = bytes.len().min(buf.len());
                buf[..count].copy_from_slice(&bytes[..count]);
                this.inward.consume(count);
                return Poll::Ready(Ok(count));
            }
            let inward = this.inward.next_due().or(this.inward.end_due());
            if inward.is_some_and(|due| due <= now)
                && let Some((_, end)) = &mut this.inward.end
            {
                return Poll::Ready(mem::replace(end, Ok(())).map(|()| 0));
            }
            this.reader = Some(cx.waker().clone());
            let outward = this.outward.next_due().filter(|_| !waits_for_room);
            let Some(due) = inward.into_iter().chain(outward).min() else { return Poll::Pending };
            ready!(this.reads.poll(cx, &this.below, now, due));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            let sent = this.let_out(cx)?;
            let now = (this.below.now)();
            if !this.outward.is_full() {
                let count = buf.len().min(CHUNK);
                this.outward.push(now + this.outward.delay, &buf[..count]);
                this.trace(now, count);
                // At once, where there is no distance.
                let _ = this.let_out(cx)?;
                if this.outward.next_due().is_some() {
                    this.reader.take().into_iter().for_each(Waker::wake);
                }
                return Poll::Ready(Ok(count));
            }
            this.writer = Some(cx.waker().clone());
            ready!(sent);
            let Some(due) = this.outward.next_due() else { continue };
            ready!(this.writes.poll(cx, &this.below, now, due));
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is under way has left us.
        let _ = self.let_out(cx)?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            ready!(this.let_out(cx))?;
            let now = (this.below.now)();
            let end = now + this.outward.delay;
            let end = this.outward.end.get_or_insert((end, Ok(()))).0;
            if this.outward.is_empty() && end <= now {
                return Pin::new(&mut this.io).poll_close(cx);
            }
            let due = this.outward.next_due().unwrap_or(end);
            ready!(this.writes.poll(cx, &this.below, now, due));
        }
    }
}
