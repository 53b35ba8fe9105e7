//! Farcast on tokio, on one thread. Mirrors `smol.rs` line by line.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use farcast_core::machine::Icmp;
use farcast_core::outbox::Transmit;
use futures_lite::{AsyncRead, AsyncWrite};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use crate::batch::Batch;
use crate::kernel::{self, Portions, Segments};
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
    type Tcp = Stream;

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
        async move { Ok(lookup_host((host, port)).await?.collect()) }
    }
}

async fn connect(to: SocketAddr) -> io::Result<Stream> {
    Stream::new(TcpStream::connect(to).await?)
}

async fn connect_from(from: SocketAddr, to: SocketAddr) -> io::Result<Stream> {
    let stream = TcpStream::from_std(kernel::dial(from, to)?)?;
    stream.writable().await?;
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    Stream::new(stream)
}

/// A TCP connection on tokio.
pub struct Stream {
    io: Compat<TcpStream>,
    portions: Portions,
}

impl Stream {
    fn new(stream: TcpStream) -> io::Result<Self> {
        kernel::prompt(&stream)?;
        Ok(Stream { io: stream.compat(), portions: Portions::default() })
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
        let io = io.get_ref();
        loop {
            ready!(io.poll_write_ready(cx))?;
            let write = || {
                let portion = portions.next(io, bytes.len())?;
                SockRef::from(io).send(&bytes[..portion])
            };
            match io.try_io(Interest::WRITABLE, write) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
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

/// A UDP socket on tokio.
pub struct Socket {
    io: Rc<AsyncFd<UdpSocket>>,
    segments: Segments,
    /// Ends when the reactor has seen errors; `None` if the socket does not hear of them.
    errors: Option<RefCell<Errors>>,
}

type Errors = Pin<Box<dyn Future<Output = ()>>>;

impl Socket {
    /// tokio's own socket would wake this thread for every datagram that has left.
    #[expect(deprecated, reason = "std's sockets keep the promise that the successor asks for")]
    fn new(socket: UdpSocket, segments: Segments) -> io::Result<Self> {
        let io = Rc::new(AsyncFd::with_interest(socket, Interest::READABLE)?);
        let errors = segments.hears_errors().then(|| RefCell::new(errors(&io)));
        Ok(Socket { io, segments, errors })
    }
}

/// Waits until there are errors; to tokio they are not readable.
fn errors(io: &Rc<AsyncFd<UdpSocket>>) -> Errors {
    let io = Rc::clone(io);
    Box::pin(async move {
        if let Ok(mut seen) = io.ready(Interest::ERROR).await {
            seen.clear_ready();
        }
    })
}

impl Udp for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.segments.bound())
    }

    fn poll_recv(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        loop {
            let mut readable = ready!(self.io.poll_read_ready(cx))?;
            match self.segments.receive(self.io.get_ref(), batch) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => readable.clear_ready(),
                result => {
                    // One that brings less than it could has emptied the socket: the reactor, which
                    // tells every arrival, will say when to read again.
                    if result.is_ok() && !batch.is_full() {
                        readable.clear_ready();
                    }
                    return Poll::Ready(result);
                }
            }
        }
    }

    fn poll_unreachable(&self, cx: &mut Context<'_>) -> Poll<(SocketAddr, Icmp)> {
        let Some(waiting) = &self.errors else { return Poll::Pending };
        loop {
            if let Some(error) = self.segments.unreachable(self.io.get_ref()) {
                return Poll::Ready(error);
            }
            ready!(waiting.borrow_mut().as_mut().poll(cx));
            *waiting.borrow_mut() = errors(&self.io);
            self.segments.suspect();
        }
    }

    fn send(&self, run: &Transmit<'_>) -> io::Result<()> {
        // Past tokio: it holds a socket for unwritable until its reactor has looked at it once.
        self.segments.send(self.io.get_ref(), run)
    }
}
