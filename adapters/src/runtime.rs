//! What an async runtime must do for Farcast: tell the time, sleep, open sockets, and say what the
//! machine is like. Everything else (the driver, HTTP, TLS, WebSocket) is written once over this;
//! it spawns nothing.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use farcast_core::outbox::Transmit;
use futures_lite::{AsyncRead, AsyncWrite};

use crate::batch::Batch;
use crate::host;

/// An async runtime. tokio, smol and turmoil implement it in files that mirror one another.
pub trait Runtime: Clone + 'static {
    /// A UDP socket.
    type Udp: Udp;
    /// A listening TCP socket.
    type Listener: 'static;
    /// A connected TCP socket.
    type Tcp: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The monotonic time of this runtime.
    fn now(&self) -> Instant;

    /// Sleeps; an instant in the past returns at once.
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + 'static;

    /// Binds a UDP socket. IPv6 sockets take IPv6 alone.
    fn bind(&self, at: SocketAddr) -> impl Future<Output = io::Result<Self::Udp>>;

    /// Listens on TCP. IPv6 sockets take IPv6 alone.
    fn listen(&self, at: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>>;

    /// Where a listener really listens.
    fn listening(&self, listener: &Self::Listener) -> io::Result<SocketAddr>;

    /// Waits for a connection; Nagle's algorithm is off.
    fn accept(
        &self,
        listener: &Self::Listener,
    ) -> impl Future<Output = io::Result<(Self::Tcp, SocketAddr)>>;

    /// Connects; Nagle's algorithm is off.
    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Tcp>> + 'static;

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

/// A UDP socket as the driver needs it.
pub trait Udp: 'static {
    /// The bound address.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// Receives into `batch`, as much as one system call brings; pending if there is nothing.
    fn poll_recv(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>>;

    /// Sends one run of datagrams; never waits: `WouldBlock` if the kernel has no room.
    fn send(&self, run: &Transmit<'_>) -> io::Result<()>;
}
