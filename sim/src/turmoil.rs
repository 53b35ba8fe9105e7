//! Farcast on turmoil's simulated hosts. Mirrors `tokio.rs` and `smol.rs` of the adapters, except
//! that nothing is segmented: turmoil carries datagram by datagram.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ::turmoil::lookup;
use ::turmoil::net::{TcpListener, TcpStream, UdpSocket};
use farcast_adapters::batch::Batch;
use farcast_adapters::runtime::{Runtime, Udp};
use farcast_core::outbox::Transmit;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// The simulated host that runs the current task.
#[derive(Debug, Clone, Copy)]
pub struct Turmoil {
    ip: IpAddr,
    /// The same instant on the clock of the world, which all hosts share, and on tokio's, which
    /// every life of a host has for itself.
    world: Instant,
    tokio: tokio::time::Instant,
}

impl Turmoil {
    /// The runtime of the host of this name, in a world that began at `start`; to be made on that
    /// host.
    pub fn on(host: &str, start: Instant) -> Self {
        let world = start + ::turmoil::sim_elapsed().unwrap_or_default();
        Turmoil { ip: lookup(host), world, tokio: tokio::time::Instant::now() }
    }

    fn on_tokio(&self, at: Instant) -> tokio::time::Instant {
        let past = self.world.saturating_duration_since(at);
        self.tokio + at.saturating_duration_since(self.world) - past
    }

    /// turmoil binds wildcard and loopback addresses alone; a host has one address, so its wildcard
    /// is as good. It panics on the other family.
    fn bindable(&self, at: SocketAddr) -> io::Result<SocketAddr> {
        if at.is_ipv4() != self.ip.is_ipv4() {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        Ok(if at.ip() == self.ip { wildcard(at) } else { at })
    }
}

impl Runtime for Turmoil {
    type Udp = Socket;
    type Listener = TcpListener;
    type Tcp = Compat<TcpStream>;

    fn now(&self) -> Instant {
        self.world + self.tokio.elapsed()
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep_until(self.on_tokio(at))
    }

    async fn bind(&self, at: SocketAddr) -> io::Result<Socket> {
        let io = UdpSocket::bind(self.bindable(at)?).await?;
        let local = SocketAddr::new(at.ip(), io.local_addr()?.port());
        let ip = if at.ip().is_unspecified() { self.ip } else { at.ip() };
        Ok(Socket { io, local, arrival: SocketAddr::new(ip, local.port()) })
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::bind(self.bindable(at)?).await
    }

    fn listening(&self, listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(Self::Tcp, SocketAddr)> {
        let (stream, peer) = listener.accept().await?;
        Ok((stream.compat(), peer))
    }

    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Tcp>> + 'static {
        connect(to)
    }

    /// turmoil chooses the port; a host has one address.
    fn connect_from(
        &self,
        from: SocketAddr,
        to: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Tcp>> + 'static {
        connect_from(from.port(), to)
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
        async move { Ok(vec![SocketAddr::new(lookup(host), port)]) }
    }

    fn interfaces(&self) -> io::Result<Vec<IpAddr>> {
        Ok(vec![self.ip])
    }

    /// A simulated process uses no CPU, so that every run is the same.
    fn cpu_time(&self) -> Option<Duration> {
        None
    }
}

async fn connect_from(port: u16, to: SocketAddr) -> io::Result<Compat<TcpStream>> {
    match port {
        0 => connect(to).await,
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

async fn connect(to: SocketAddr) -> io::Result<Compat<TcpStream>> {
    Ok(TcpStream::connect(to).await?.compat())
}

/// A UDP socket on turmoil.
pub struct Socket {
    io: UdpSocket,
    /// As it was asked for.
    local: SocketAddr,
    /// Where its datagrams arrive.
    arrival: SocketAddr,
}

impl Udp for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn poll_recv(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        // A new future each time will do: the queue behind it remembers who polled it last.
        ready!(pin!(self.io.readable()).poll(cx))?;
        batch.clear();
        while !batch.is_full() {
            match batch.take(self.arrival, |buffer| self.io.try_recv_from(buffer)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                result => result?,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn send(&self, run: &Transmit<'_>) -> io::Result<()> {
        for datagram in run.datagrams() {
            self.io.try_send_to(datagram, run.peer)?;
        }
        Ok(())
    }
}

fn wildcard(at: SocketAddr) -> SocketAddr {
    match at {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, at.port()).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, at.port()).into(),
    }
}
