//! Farcast on smol, on one thread. Mirrors `tokio.rs` line by line.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use farcast_core::outbox::Transmit;
use smol::net::resolve;
use smol::{Async, Timer};

use crate::batch::Batch;
use crate::kernel::{self, Segments};
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
    type Tcp = Async<TcpStream>;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + 'static {
        sleep_until(at)
    }

    async fn bind(&self, at: SocketAddr) -> io::Result<Socket> {
        let socket = kernel::udp(at)?;
        let segments = Segments::new(&socket)?;
        let drained = Cell::new(false);
        Ok(Socket { io: Async::<UdpSocket>::new_nonblocking(socket)?, segments, drained })
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<Async<TcpListener>> {
        Async::new_nonblocking(kernel::listener(at)?)
    }

    fn listening(&self, listener: &Async<TcpListener>) -> io::Result<SocketAddr> {
        listener.get_ref().local_addr()
    }

    async fn accept(&self, listener: &Async<TcpListener>) -> io::Result<(Self::Tcp, SocketAddr)> {
        let (stream, peer) = listener.accept().await?;
        stream.get_ref().set_nodelay(true)?;
        Ok((stream, peer))
    }

    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Tcp>> + 'static {
        connect(to)
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

async fn connect(to: SocketAddr) -> io::Result<Async<TcpStream>> {
    let stream = Async::<TcpStream>::connect(to).await?;
    stream.get_ref().set_nodelay(true)?;
    Ok(stream)
}

/// A UDP socket on smol.
pub struct Socket {
    io: Async<UdpSocket>,
    segments: Segments,
    /// Whether the last read found nothing: then the reactor knows when to read again. Until then
    /// reading on is cheaper than asking it.
    drained: Cell<bool>,
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
            match self.segments.receive((&self.io).into(), batch) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.drained.set(true),
                result => return Poll::Ready(result),
            }
        }
    }

    fn send(&self, run: &Transmit<'_>) -> io::Result<()> {
        self.segments.send(|| (&self.io).into(), run)
    }
}
