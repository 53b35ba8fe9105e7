//! Farcast on smol, on one thread. Mirrors `tokio.rs` line by line.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::{self, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use farcast_core::machine::Icmp;
use farcast_core::outbox::Transmit;
use futures_lite::{AsyncRead, AsyncWrite};
use smol::net::resolve;
use smol::{Async, Timer};
use socket2::SockRef;

use crate::batch::Batch;
use crate::kernel::{self, Portions, Segments};
use crate::runtime::{Runtime, Udp};

/// smol's reactor, which every thread of a process shares.
#[derive(Debug, Clone, Copy, Default)]
pub struct Smol;

/// Runs a future to its end on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    Ok(smol::block_on(future))
}

impl Runtime for Smol {
    type Udp = Socket;
    type Listener = Async<TcpListener>;
    type Tcp = Stream;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + 'static {
        sleep_until(at)
    }

    async fn bind(&self, at: SocketAddr) -> io::Result<Socket> {
        let socket = kernel::udp(at)?;
        let segments = Segments::new(&socket)?;
        Socket::new(socket, segments)
    }

    async fn bind_shared(&self, at: SocketAddr, joins: bool) -> io::Result<Socket> {
        let socket = kernel::shared_udp(at, joins)?;
        let segments = Segments::new(&socket)?;
        Socket::new(socket, segments)
    }

    async fn bind_relayed(&self, at: SocketAddr) -> io::Result<Socket> {
        let socket = kernel::relayed_udp(at)?;
        let segments = Segments::with_errors(&socket)?;
        Socket::new(socket, segments)
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<Async<TcpListener>> {
        Async::new_nonblocking(kernel::listener(at)?)
    }

    async fn listen_relayed(&self, at: SocketAddr) -> io::Result<Async<TcpListener>> {
        Async::new_nonblocking(kernel::relayed_listener(at)?)
    }

    fn listening(&self, listener: &Async<TcpListener>) -> io::Result<SocketAddr> {
        listener.get_ref().local_addr()
    }

    async fn accept(&self, listener: &Async<TcpListener>) -> io::Result<(Self::Tcp, SocketAddr)> {
        let (stream, peer) = listener.accept().await?;
        Ok((Stream::new(stream)?, peer))
    }

    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Tcp>> + 'static {
        connect(to)
    }

    fn connect_from(
        &self,
        from: SocketAddr,
        to: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Tcp>> + 'static {
        connect_from(from, to)
    }

    fn near_end(&self, stream: &Self::Tcp) -> io::Result<SocketAddr> {
        stream.io.get_ref().local_addr()
    }

    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + 'static {
        let host = host.to_owned();
        async move { resolve((host, port)).await }
    }
}

async fn sleep_until(at: Instant) {
    Timer::at(at).await;
}

async fn connect(to: SocketAddr) -> io::Result<Stream> {
    Stream::new(Async::<TcpStream>::connect(to).await?)
}

async fn connect_from(from: SocketAddr, to: SocketAddr) -> io::Result<Stream> {
    let stream = Async::<TcpStream>::new_nonblocking(kernel::dial(from, to)?)?;
    stream.writable().await?;
    if let Some(error) = stream.get_ref().take_error()? {
        return Err(error);
    }
    Stream::new(stream)
}

/// A TCP connection on smol.
pub struct Stream {
    io: Async<TcpStream>,
    portions: Portions,
}

impl Stream {
    fn new(stream: Async<TcpStream>) -> io::Result<Self> {
        kernel::prompt(stream.get_ref())?;
        Ok(Stream { io: stream, portions: Portions::default() })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Stream { io, portions } = &mut *self;
        loop {
            let mut write = || {
                let portion = portions.next(io.get_ref(), bytes.len())?;
                SockRef::from(io.get_ref()).send(&bytes[..portion])
            };
            match write() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(io.poll_writable(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}

/// A UDP socket on smol.
pub struct Socket {
    io: Async<UdpSocket>,
    segments: Segments,
    /// Whether the last read left nothing: then the reactor knows when to read again. Until then
    /// reading on is cheaper than asking it.
    drained: Cell<bool>,
}

impl Socket {
    fn new(socket: net::UdpSocket, segments: Segments) -> io::Result<Self> {
        let io = Async::<UdpSocket>::new_nonblocking(socket)?;
        Ok(Socket { io, segments, drained: Cell::new(false) })
    }
}

impl Udp for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.segments.bound())
    }

    fn poll_recv(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        loop {
            if self.drained.get() {
                ready!(self.io.poll_readable(cx))?;
                self.drained.set(false);
            }
            match self.segments.receive(&self.io, batch) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.drained.set(true);
                    // To smol errors are readable.
                    self.segments.suspect();
                }
                result => {
                    // One that brings less than it could has emptied the socket.
                    self.drained.set(result.is_ok() && !batch.is_full());
                    return Poll::Ready(result);
                }
            }
        }
    }

    fn poll_unreachable(&self, _: &mut Context<'_>) -> Poll<(SocketAddr, Icmp)> {
        self.segments.unreachable(&self.io).map_or(Poll::Pending, Poll::Ready)
    }

    fn send(&self, run: &Transmit<'_>) -> io::Result<()> {
        self.segments.send(&self.io, run)
    }
}
