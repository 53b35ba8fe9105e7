//! Farcast on tokio, on one thread. Mirrors `smol.rs` line by line.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use farcast_core::outbox::Transmit;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UdpSocket, lookup_host};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use crate::batch::Batch;
use crate::kernel::{self, Segments};
use crate::runtime::{Runtime, Udp};

/// The tokio runtime that drives the current task.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tokio;

/// Runs a future to its end on a new tokio runtime on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}

impl Runtime for Tokio {
    type Udp = Socket;
    type Listener = TcpListener;
    type Tcp = Compat<TcpStream>;

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep_until(at.into())
    }

    async fn bind(&self, at: SocketAddr) -> io::Result<Socket> {
        let socket = kernel::udp(at)?;
        let segments = Segments::new(&socket)?;
        Ok(Socket { io: UdpSocket::from_std(socket)?, segments })
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::from_std(kernel::listener(at)?)
    }

    fn listening(&self, listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(Self::Tcp, SocketAddr)> {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream.compat(), peer))
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
        async move { Ok(lookup_host((host, port)).await?.collect()) }
    }
}

async fn connect(to: SocketAddr) -> io::Result<Compat<TcpStream>> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream.compat())
}

/// A UDP socket on tokio.
pub struct Socket {
    io: UdpSocket,
    segments: Segments,
}

impl Udp for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.segments.bound())
    }

    fn poll_recv(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        loop {
            ready!(self.io.poll_recv_ready(cx))?;
            let read = || self.segments.receive((&self.io).into(), batch);
            match self.io.try_io(Interest::READABLE, read) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn send(&self, run: &Transmit<'_>) -> io::Result<()> {
        // Past tokio: it holds a socket for unwritable until its reactor has looked at it once.
        self.segments.send(|| (&self.io).into(), run)
    }
}
