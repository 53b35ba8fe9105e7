//! Farcast on tokio, on one thread. Mirrors `smol.rs` line by line.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::{self, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use farcast_core::machine::Icmp;
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
        Socket::new(socket, segments)
    }

    async fn bind_relayed(&self, at: SocketAddr) -> io::Result<Socket> {
        let socket = kernel::relayed_udp(at)?;
        let segments = Segments::with_errors(&socket)?;
        Socket::new(socket, segments)
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::from_std(kernel::listener(at)?)
    }

    async fn listen_relayed(&self, at: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::from_std(kernel::relayed_listener(at)?)
    }

    fn listening(&self, listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(Self::Tcp, SocketAddr)> {
        let (stream, peer) = listener.accept().await?;
        kernel::prompt(&stream)?;
        Ok((stream.compat(), peer))
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
        stream.get_ref().local_addr()
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
    kernel::prompt(&stream)?;
    Ok(stream.compat())
}

async fn connect_from(from: SocketAddr, to: SocketAddr) -> io::Result<Compat<TcpStream>> {
    let stream = TcpStream::from_std(kernel::dial(from, to)?)?;
    stream.writable().await?;
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    kernel::prompt(&stream)?;
    Ok(stream.compat())
}

/// A UDP socket on tokio.
pub struct Socket {
    io: Rc<UdpSocket>,
    segments: Segments,
    /// Ends when the reactor has seen errors; `None` if the socket does not hear of them.
    errors: Option<RefCell<Errors>>,
}

type Errors = Pin<Box<dyn Future<Output = ()>>>;

impl Socket {
    fn new(socket: net::UdpSocket, segments: Segments) -> io::Result<Self> {
        let io = Rc::new(UdpSocket::from_std(socket)?);
        let errors = segments.hears_errors().then(|| RefCell::new(errors(&io)));
        Ok(Socket { io, segments, errors })
    }
}

/// Waits until there are errors. To tokio they are neither readable nor writable.
fn errors(io: &Rc<UdpSocket>) -> Errors {
    let io = Rc::clone(io);
    Box::pin(async move {
        if io.ready(Interest::ERROR).await.is_ok() {
            // It need not have any: this only forgets that there was an event.
            io.try_io(Interest::ERROR, nothing).ok();
        }
    })
}

fn nothing() -> io::Result<()> {
    Err(io::ErrorKind::WouldBlock.into())
}

impl Udp for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.segments.bound())
    }

    fn poll_recv(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        loop {
            ready!(self.io.poll_recv_ready(cx))?;
            let mut any = false;
            // One that brings less than it could has emptied the socket: the reactor, which tells
            // every arrival, will say when to read again.
            let read = || {
                self.segments.receive(&*self.io, batch)?;
                any = true;
                if batch.is_full() { Ok(()) } else { nothing() }
            };
            match self.io.try_io(Interest::READABLE, read) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !any => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                _ => return Poll::Ready(Ok(())),
            }
        }
    }

    fn poll_unreachable(&self, cx: &mut Context<'_>) -> Poll<(SocketAddr, Icmp)> {
        let Some(waiting) = &self.errors else { return Poll::Pending };
        loop {
            if let Some(error) = self.segments.unreachable(&*self.io) {
                return Poll::Ready(error);
            }
            ready!(waiting.borrow_mut().as_mut().poll(cx));
            *waiting.borrow_mut() = errors(&self.io);
            self.segments.suspect();
        }
    }

    fn send(&self, run: &Transmit<'_>) -> io::Result<()> {
        // Past tokio: it holds a socket for unwritable until its reactor has looked at it once.
        self.segments.send(&*self.io, run)
    }
}
