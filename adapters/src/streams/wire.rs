//! What a stream goes over: a TCP connection, bare or with TLS around it. TLS holds nothing back
//! here: what it seals lies with what waits for the kernel, so that it is counted there.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::{AsyncRead, AsyncWrite};
use futures_rustls::server::TlsStream;
use rustls::ServerConnection;

use crate::door::rewind::Rewind;
use crate::runtime::ByteStream;

/// Bytes of one read of a stream: fair to the others, and enough for any line.
const READ: usize = 64 * 1024;

/// A connection, with or without TLS.
pub(crate) struct Wire<T> {
    io: Rewind<T>,
    tls: Option<Box<Secure>>,
}

struct Secure {
    session: ServerConnection,
    /// What was opened before the stream was ours.
    early: Vec<u8>,
    /// The peer has said that no more comes.
    closed: bool,
}

/// The reused memory of one read.
pub(crate) struct Buffers {
    raw: Box<[u8]>,
    /// What TLS has opened.
    opened: Vec<u8>,
    /// Bytes of `raw` that are the result of the read; `None` if `opened` is.
    len: Option<usize>,
}

impl Default for Buffers {
    fn default() -> Self {
        Buffers { raw: vec![0; READ].into(), opened: Vec::new(), len: None }
    }
}

impl Buffers {
    /// What the last read brought.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self.len {
            Some(len) => &self.raw[..len],
            None => &self.opened,
        }
    }
}

impl<T: ByteStream> Wire<T> {
    /// A bare connection of which nothing was read.
    pub(crate) fn new(io: T) -> Self {
        Wire::plain(Rewind::new(io))
    }

    /// A bare connection.
    pub(crate) fn plain(io: Rewind<T>) -> Self {
        Wire { io, tls: None }
    }

    /// A connection after the TLS handshake, and what was read of it already.
    pub(crate) fn secure(stream: TlsStream<Rewind<T>>, early: Vec<u8>) -> Self {
        let (io, session) = stream.into_inner();
        let mut tls = Secure { session, early, closed: false };
        tls.take_early();
        Wire { io, tls: Some(Box::new(tls)) }
    }

    pub(super) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Puts `bytes` under TLS; they go to `waiting`.
    pub(super) fn seal(&mut self, mut bytes: &[u8], waiting: &mut VecDeque<u8>) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while !bytes.is_empty() {
            let count = tls.session.writer().write(bytes)?;
            bytes = &bytes[count..];
            tls.take_sealed(waiting)?;
        }
        Ok(())
    }

    /// Says goodbye, if the protocol has a word for it.
    pub(super) fn farewell(&mut self, waiting: &mut VecDeque<u8>) {
        if let Some(tls) = &mut self.tls {
            tls.session.send_close_notify();
            // Writing to memory does not fail.
            tls.take_sealed(waiting).ok();
        }
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> io::Result<Poll<usize>> {
        match Pin::new(&mut self.io).poll_write(cx, bytes) {
            Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(count)) => Ok(Poll::Ready(count)),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Ok(Poll::Pending),
        }
    }

    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }

    /// Reads whatever comes and says how much it was; 0 at the end.
    pub(super) fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_read(cx, &mut buffers.raw)
    }

    /// Reads into `buffers` and says how much; 0 at the end. What TLS has to answer goes to
    /// `waiting`.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
        waiting: &mut VecDeque<u8>,
    ) -> Poll<io::Result<usize>> {
        let Some(tls) = &mut self.tls else {
            let len = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffers.raw))?;
            buffers.len = Some(len);
            return Poll::Ready(Ok(len));
        };
        buffers.len = None;
        buffers.opened.clear();
        buffers.opened.append(&mut tls.early);
        if buffers.opened.is_empty() && !tls.closed {
            let len = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffers.raw))?;
            tls.closed |= len == 0;
            tls.open(&buffers.raw[..len], &mut buffers.opened, waiting)?;
        }
        if buffers.opened.is_empty() && !tls.closed {
            // Half a record, or none for us: others first, then we read on.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(buffers.opened.len()))
    }
}

impl Secure {
    /// Takes what the session has opened beyond what was read of it.
    fn take_early(&mut self) {
        let mut early = std::mem::take(&mut self.early);
        // What is wrong with it shows again when more comes.
        self.take_opened(&mut early).ok();
        self.early = early;
    }

    /// Opens what was received.
    fn open(
        &mut self,
        mut raw: &[u8],
        opened: &mut Vec<u8>,
        waiting: &mut VecDeque<u8>,
    ) -> io::Result<()> {
        // It takes little at a time, and nothing after the peer's goodbye.
        while !raw.is_empty() && !self.closed {
            self.session.read_tls(&mut raw)?;
            self.take_opened(opened)?;
        }
        self.take_sealed(waiting)
    }

    fn take_opened(&mut self, opened: &mut Vec<u8>) -> io::Result<()> {
        let state = self.session.process_new_packets().map_err(io::Error::other)?;
        self.closed |= state.peer_has_closed();
        let start = opened.len();
        opened.resize(start + state.plaintext_bytes_to_read(), 0);
        self.session.reader().read_exact(&mut opened[start..])
    }

    fn take_sealed(&mut self, waiting: &mut VecDeque<u8>) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(waiting)?;
        }
        Ok(())
    }
}
