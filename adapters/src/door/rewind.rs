//! A stream whose first bytes were looked at: whoever reads it gets them all the same. It knows
//! nothing of their meaning.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};

use super::first;

/// A stream and what was read of it ahead.
pub(crate) struct Rewind<S> {
    io: S,
    ahead: [u8; first::LONGEST],
    /// Bytes of `ahead` that were read.
    len: usize,
    /// Bytes of `ahead` that were handed on.
    taken: usize,
}

impl<S> Rewind<S> {
    pub(crate) fn new(io: S) -> Self {
        Rewind { io, ahead: [0; first::LONGEST], len: 0, taken: 0 }
    }

    pub(crate) fn get_ref(&self) -> &S {
        &self.io
    }

    /// What was read ahead and not handed on.
    pub(crate) fn ahead(&self) -> &[u8] {
        &self.ahead[self.taken..self.len]
    }

    /// The stream, and what was read ahead of it.
    pub(crate) fn into_parts(self) -> (S, Vec<u8>) {
        let ahead = self.ahead().to_vec();
        (self.io, ahead)
    }
}

impl<S: AsyncRead + Unpin> Rewind<S> {
    /// Reads at least one byte ahead. There must be room: not all of [`first::LONGEST`] are read.
    pub(crate) async fn look(&mut self) -> io::Result<()> {
        let room = &mut self.ahead[self.len..];
        let count = poll_fn(|cx| Pin::new(&mut self.io).poll_read(cx, room)).await?;
        self.len += count;
        if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewind<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let ahead = &this.ahead[this.taken..this.len];
        if ahead.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let count = ahead.len().min(buf.len());
        buf[..count].copy_from_slice(&ahead[..count]);
        this.taken += count;
        Poll::Ready(Ok(count))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewind<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::{AsyncReadExt, future};

    use super::*;

    #[test]
    fn what_was_looked_at_is_read_again_whatever_is_asked_for() {
        future::block_on(async {
            let mut stream = Rewind::new(&b"0123456789abc"[..]);
            stream.look().await.unwrap();
            assert_eq!(stream.ahead(), b"0123456789");
            let mut some = [0; 4];
            stream.read_exact(&mut some).await.unwrap();
            assert_eq!((&some, stream.ahead()), (b"0123", &b"456789"[..]));
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"456789abc");
            assert!(Rewind::new(&b""[..]).look().await.is_err());
        });
    }
}
