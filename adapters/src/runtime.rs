//! What an async runtime must do for Farcast: tell the time, sleep, open sockets, and say what the
//! machine is like. Everything else (the driver, HTTP, TLS, WebSocket) is written once over this;
//! it spawns nothing.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use farcast_core::machine::Icmp;
use farcast_core::outbox::Transmit;
use futures_lite::{AsyncRead, AsyncWrite, future};

use crate::batch::Batch;
use crate::host;

/// An async runtime. tokio, smol and turmoil implement it in files that mirror one another.
pub trait Runtime: Clone + 'static {
    /// A UDP socket.
    type Udp: Udp;
    /// A listening TCP socket.
    type Listener: 'static;
    /// A connected TCP socket.
    type Tcp: ByteStream;

    /// The monotonic time of this runtime.
    fn now(&self) -> Instant;

    /// Sleeps; an instant in the past returns at once.
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + 'static;

    /// Binds a UDP socket. IPv6 sockets take IPv6 alone.
    fn bind(&self, at: SocketAddr) -> impl Future<Output = io::Result<Self::Udp>>;

    /// Binds a UDP socket at an address that the cores of one node share: one datagram reaches one
    /// of them. The first one finds out whether the address is free; the others join it. Not every
    /// runtime can.
    fn bind_shared(
        &self,
        _at: SocketAddr,
        _joins: bool,
    ) -> impl Future<Output = io::Result<Self::Udp>> {
        async { Err(io::ErrorKind::Unsupported.into()) }
    }

    /// Binds a UDP socket that relays for somebody: one of thousands, each with little traffic. It
    /// hears of ICMP errors where the kernel tells them.
    fn bind_relayed(&self, at: SocketAddr) -> impl Future<Output = io::Result<Self::Udp>> {
        self.bind(at)
    }

    /// Listens on TCP. IPv6 sockets take IPv6 alone.
    fn listen(&self, at: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>>;

    /// Listens at an address that [`Runtime::connect_from`] may connect from at the same time.
    fn listen_relayed(&self, at: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> {
        self.listen(at)
    }

    /// Where a listener really listens.
    fn listening(&self, listener: &Self::Listener) -> io::Result<SocketAddr>;

    /// Waits for a connection; Nagle's algorithm is off, and the kernel holds little that it has
    /// not sent.
    fn accept(
        &self,
        listener: &Self::Listener,
    ) -> impl Future<Output = io::Result<(Self::Tcp, SocketAddr)>>;

    /// Connects; such a connection is as an accepted one.
    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Tcp>> + 'static;

    /// Connects from an address that a listener may have as well. Not every runtime can.
    fn connect_from(
        &self,
        _from: SocketAddr,
        _to: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Tcp>> + 'static {
        async { Err(io::ErrorKind::Unsupported.into()) }
    }

    /// Our own address of a connection.
    fn near_end(&self, stream: &Self::Tcp) -> io::Result<SocketAddr>;

    /// Looks a host name up.
    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + 'static;

    /// The IPs of this machine's interfaces.
    fn interfaces(&self) -> io::Result<Vec<IpAddr>> {
        host::interfaces()
    }

    /// The CPU time that this process has used; `None` where nobody tells.
    fn cpu_time(&self) -> Option<Duration> {
        host::cpu_time()
    }
}

/// Bytes both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> ByteStream for S {}

/// A UDP socket as the driver needs it.
pub trait Udp: 'static {
    /// The bound address.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// Receives into `batch`, as much as one system call brings; pending if there is nothing.
    fn poll_recv(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>>;

    /// Takes the next ICMP error and the peer that it is about; pending if there is none. To be
    /// asked when [`Udp::poll_recv`] is pending.
    fn poll_unreachable(&self, _: &mut Context<'_>) -> Poll<(SocketAddr, Icmp)> {
        Poll::Pending
    }

    /// Sends one run of datagrams; never waits: `WouldBlock` if the kernel has no room.
    fn send(&self, run: &Transmit<'_>) -> io::Result<()>;
}

/// What `work` brings, or `None` if it takes longer than `limit`.
pub(crate) async fn within<R: Runtime, T>(
    runtime: &R,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let late = runtime.sleep_until(runtime.now() + limit);
    future::or(async { Some(work.await) }, async {
        late.await;
        None
    })
    .await
}
