//! Sockets as the kernel gives them, with our options, and how runs and batches pass through them
//! in one system call. The same for every runtime; it never waits.

use std::cell::Cell;
use std::io;
use std::net::{self, IpAddr, SocketAddr};
use std::os::fd::AsFd;

use farcast_core::machine::Icmp;
use farcast_core::outbox::Transmit;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use quinn_udp::{UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::batch::Batch;
use crate::icmp;

/// Bytes that the kernel may hold for one UDP socket in each direction, if it lets us: 80 ms of a
/// 400 Mbit/s line.
pub const UDP_BUFFER: usize = 4 * 1024 * 1024;
/// The same for a socket that relays for one client: 80 ms of 50 Mbit/s.
const RELAYED_BUFFER: usize = 512 * 1024;
/// Bytes that the kernel takes from us before it has sent them. More would wait in its queue, where
/// nobody can drop what is too late: 16 KB are 0.13 s of a 1 Mbit/s line.
#[cfg(target_os = "linux")]
const NOT_SENT: u32 = 16 * 1024;
/// Bytes that are written before the kernel is asked how much of them waits: as much again.
const PORTION: usize = 16 * 1024;
/// Connections that may wait to be accepted.
pub const BACKLOG: i32 = 1024;

/// Opens and binds a UDP socket.
pub(crate) fn udp(at: SocketAddr) -> io::Result<net::UdpSocket> {
    bound(at, UDP_BUFFER)
}

/// Opens and binds a UDP socket that relays for one client.
pub(crate) fn relayed_udp(at: SocketAddr) -> io::Result<net::UdpSocket> {
    bound(at, RELAYED_BUFFER)
}

/// Opens and binds a UDP socket at an address that several cores share: each sender's datagrams go
/// to one of them. The first one finds out whether the address is free; then the others join it.
pub(crate) fn shared_udp(at: SocketAddr, joins: bool) -> io::Result<net::UdpSocket> {
    let socket = open(at, Type::DGRAM, Protocol::UDP)?;
    socket.set_reuse_port(joins)?;
    let socket = bind_to(socket, at, UDP_BUFFER)?;
    SockRef::from(&socket).set_reuse_port(true)?;
    Ok(socket)
}

fn bound(at: SocketAddr, buffer: usize) -> io::Result<net::UdpSocket> {
    bind_to(open(at, Type::DGRAM, Protocol::UDP)?, at, buffer)
}

fn bind_to(socket: Socket, at: SocketAddr, buffer: usize) -> io::Result<net::UdpSocket> {
    // Best effort: the kernel caps both at net.core.{r,w}mem_max without an error.
    socket.set_recv_buffer_size(buffer).ok();
    socket.set_send_buffer_size(buffer).ok();
    socket.bind(&at.into())?;
    Ok(socket.into())
}

/// Opens a listening TCP socket.
pub(crate) fn listener(at: SocketAddr) -> io::Result<net::TcpListener> {
    let socket = open(at, Type::STREAM, Protocol::TCP)?;
    // A restarted node listens again although old connections linger in TIME_WAIT.
    socket.set_reuse_address(true)?;
    listening(socket, at)
}

/// Opens a listening TCP socket whose address [`dial`] may connect from.
pub(crate) fn relayed_listener(at: SocketAddr) -> io::Result<net::TcpListener> {
    listening(shared(at)?, at)
}

fn listening(socket: Socket, at: SocketAddr) -> io::Result<net::TcpListener> {
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Begins to connect from an address that a listener may have as well. The socket becomes
/// writable when that has ended, well or not.
pub(crate) fn dial(from: SocketAddr, to: SocketAddr) -> io::Result<net::TcpStream> {
    let socket = shared(from)?;
    socket.bind(&from.into())?;
    match socket.connect(&to.into()) {
        Err(error) if !is_under_way(&error) => return Err(error),
        _ => {}
    }
    Ok(socket.into())
}

/// Sets what every connection has: nothing waits for more to send, and little waits unsent.
pub(crate) fn prompt<'s>(stream: impl Into<SockRef<'s>>) -> io::Result<()> {
    let stream = stream.into();
    stream.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    stream.set_tcp_notsent_lowat(NOT_SENT)?;
    Ok(())
}

/// How much a connection may give to the kernel at once. `TCP_NOTSENT_LOWAT` alone does not hold:
/// Linux looks at it when it begins a buffer, and a buffer takes up to 64 KB.
#[derive(Debug, Default)]
pub(crate) struct Portions {
    /// Bytes since we asked the kernel whether it has sent enough.
    unasked: usize,
}

impl Portions {
    /// How many of `len` bytes may be written now; `WouldBlock` until the kernel has sent more.
    /// Then the reactor, whose readiness must be cleared, will hear of it.
    pub(crate) fn next(&mut self, socket: &impl AsFd, len: usize) -> io::Result<usize> {
        if self.unasked + len > PORTION {
            self.unasked = PORTION;
            if !has_room(socket)? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.unasked = 0;
        }
        let portion = len.min(PORTION);
        self.unasked += portion;
        Ok(portion)
    }
}

/// Whether less waits unsent than [`NOT_SENT`].
fn has_room(socket: &impl AsFd) -> io::Result<bool> {
    let mut asked = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    Ok(poll(&mut asked, PollTimeout::ZERO)? > 0)
}

/// A TCP socket for an address that several sockets of this process use: Linux lets a connection
/// have the address of a listener only if both share the port.
fn shared(at: SocketAddr) -> io::Result<Socket> {
    let socket = open(at, Type::STREAM, Protocol::TCP)?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    Ok(socket)
}

fn is_under_way(error: &io::Error) -> bool {
    const EINPROGRESS: i32 = if cfg!(target_os = "linux") { 115 } else { 36 };
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(EINPROGRESS)
}

fn open(at: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), kind, Some(protocol))?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Sends runs and receives batches on one UDP socket, segmented by the kernel where it can.
pub(crate) struct Segments {
    state: UdpSocketState,
    bound: SocketAddr,
    /// Whether segmented sends work. quinn-udp gives up on the first `EINVAL`, which one bad
    /// address may cause as well; we first look whether single datagrams fare better.
    offload: Cell<bool>,
    /// `None` if the kernel queues no ICMP errors for us, else whether there may be one. It then
    /// also fails the next call with each of them, whoever that call was for.
    errors: Option<Cell<bool>>,
    /// Whether the last read brought as much as it could.
    busy: Cell<bool>,
}

impl Segments {
    pub(crate) fn new(socket: &net::UdpSocket) -> io::Result<Self> {
        let (state, bound) = (UdpSocketState::new(socket.into())?, socket.local_addr()?);
        // It asks the kernel to tell more of each datagram than we want to know.
        spare(socket, bound);
        let (offload, busy) = (Cell::new(state.max_gso_segments() > 1), Cell::new(false));
        Ok(Segments { state, bound, offload, errors: None, busy })
    }

    /// For a socket that hears of ICMP errors.
    pub(crate) fn with_errors(socket: &net::UdpSocket) -> io::Result<Self> {
        let segments = Segments::new(socket)?;
        segments.state.enable_transport_errors(socket.into())?;
        let errors = cfg!(target_os = "linux").then(Cell::default);
        Ok(Segments { errors, ..segments })
    }

    pub(crate) fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Whether [`Segments::unreachable`] may ever bring anything.
    pub(crate) fn hears_errors(&self) -> bool {
        self.errors.is_some()
    }

    /// There may be an ICMP error now.
    pub(crate) fn suspect(&self) {
        if let Some(suspected) = &self.errors {
            suspected.set(true);
        }
    }

    pub(crate) fn receive(&self, socket: &impl AsFd, batch: &mut Batch) -> io::Result<()> {
        let mut receive = || {
            let (socket, much) = (UdpSockRef::from(socket), self.busy.get());
            batch.fill(self.bound, much, |buffers, metas| self.state.recv(socket, buffers, metas))
        };
        let result = receive().or_else(|error| self.again(error, receive));
        self.busy.set(result.is_ok() && batch.is_full());
        result
    }

    /// The next ICMP error that the kernel holds for us, if we suspect one.
    pub(crate) fn unreachable(&self, socket: &impl AsFd) -> Option<(SocketAddr, Icmp)> {
        let suspected = self.errors.as_ref().filter(|suspected| suspected.get())?;
        let error = icmp::next(socket.as_fd());
        suspected.set(error.is_some());
        error
    }

    pub(crate) fn send(&self, socket: &impl AsFd, run: &Transmit<'_>) -> io::Result<()> {
        if run.peer.port() == 0 || run.peer.is_ipv4() != self.bound.is_ipv4() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let many = run.payload.len() > run.segment;
        if !many || self.offload.get() {
            match self.put(socket, run, run.payload) {
                Err(error) if many && blames_offload(&error) => {}
                result => return result,
            }
        }
        for (index, datagram) in run.datagrams().enumerate() {
            self.put(socket, run, datagram)?;
            if index == 0 {
                self.offload.set(false);
            }
        }
        Ok(())
    }

    fn put(&self, socket: &impl AsFd, run: &Transmit<'_>, contents: &[u8]) -> io::Result<()> {
        let message = self.message(run, contents);
        let send = || match message {
            // What needs no more words is cheaper said with fewer.
            quinn_udp::Transmit { segment_size: None, src_ip: None, .. } => {
                SockRef::from(socket).send_to(contents, &run.peer.into()).map(drop)
            }
            _ => self.state.try_send(socket.into(), &message),
        };
        send().or_else(|error| self.again(error, send))
    }

    /// Tries once more what failed: the error may have been an earlier datagram's.
    fn again<T>(&self, error: io::Error, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.errors.is_none() || error.kind() == io::ErrorKind::WouldBlock {
            return Err(error);
        }
        self.suspect();
        call()
    }

    fn message<'a>(&self, run: &Transmit<'_>, contents: &'a [u8]) -> quinn_udp::Transmit<'a> {
        quinn_udp::Transmit {
            destination: run.peer,
            ecn: None,
            contents,
            segment_size: (contents.len() > run.segment).then_some(run.segment),
            src_ip: self.source(run.local.ip()),
        }
    }

    /// A wildcard socket must be told which of our addresses the peer knows.
    fn source(&self, local: IpAddr) -> Option<IpAddr> {
        (self.bound.ip().is_unspecified() && !local.is_unspecified()).then_some(local)
    }
}

/// Nobody reads when or with which traffic class a datagram arrives, and where it arrives only a
/// wildcard socket must be told. Best effort: it costs time, and no more.
fn spare(socket: &net::UdpSocket, bound: SocketAddr) {
    let told = SockRef::from(socket);
    match bound {
        SocketAddr::V4(_) => told.set_recv_tos_v4(false).ok(),
        SocketAddr::V6(_) => told.set_recv_tclass_v6(false).ok(),
    };
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::{setsockopt, sockopt};
        setsockopt(socket, sockopt::ReceiveTimestampns, &false).ok();
        match bound {
            _ if bound.ip().is_unspecified() => None,
            SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4PacketInfo, &false).ok(),
            SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &false).ok(),
        };
    }
}

/// Whether the kernel or a network driver may mean that it cannot segment (see `udp_send_skb` of
/// Linux), which nothing tells beforehand.
fn blames_offload(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.kind() == io::ErrorKind::InvalidInput || error.raw_os_error() == Some(EIO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<'a>(local: SocketAddr, peer: SocketAddr, payload: &'a [u8]) -> Transmit<'a> {
        Transmit { local, peer, payload, segment: 100 }
    }

    #[test]
    fn a_run_arrives_datagram_by_datagram_with_and_without_offload() {
        let (from, to) = (udp(localhost()).unwrap(), udp(localhost()).unwrap());
        to.set_nonblocking(false).unwrap();
        let segments = Segments::new(&from).unwrap();
        let peer = to.local_addr().unwrap();
        let payload: Vec<u8> = (0..250).map(|n| n as u8).collect();
        for offload in [segments.offload.get(), false] {
            segments.offload.set(offload);
            segments.send(&from, &run(segments.bound(), peer, &payload)).unwrap();
            for expected in payload.chunks(100) {
                let mut buffer = [0; 300];
                let (len, _) = to.recv_from(&mut buffer).unwrap();
                assert_eq!(&buffer[..len], expected);
            }
        }
    }

    #[test]
    fn a_bad_address_neither_passes_nor_ends_offload() {
        let socket = udp(([0, 0, 0, 0], 0).into()).unwrap();
        let segments = Segments::new(&socket).unwrap();
        let before = segments.offload.get();
        // Not ours, as after an interface lost its address; nowhere; of the other family.
        let bad = [
            (([192, 0, 2, 1], 1).into(), ([127, 0, 0, 1], 9).into()),
            (segments.bound(), ([127, 0, 0, 1], 0).into()),
            (segments.bound(), "[::1]:9".parse().unwrap()),
        ];
        for (local, peer) in bad {
            assert!(segments.send(&socket, &run(local, peer, &[0; 250])).is_err());
        }
        assert_eq!(segments.offload.get(), before);
    }

    #[test]
    fn both_families_share_a_port() {
        let four = udp(([0, 0, 0, 0], 0).into()).unwrap();
        let port = four.local_addr().unwrap().port();
        let six = SocketAddr::new("::".parse().unwrap(), port);
        udp(six).expect("an IPv6 socket takes IPv6 alone");
        assert_eq!(udp(four.local_addr().unwrap()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn the_kernel_holds_little_that_it_has_not_sent() {
        let listener = listener(localhost()).unwrap();
        let stream = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        // Nobody reads at the other end, and it takes little.
        SockRef::from(&listener).set_recv_buffer_size(4096).unwrap();
        prompt(&stream).unwrap();
        let (mut portions, mut written) = (Portions::default(), 0);
        while let Ok(portion) = portions.next(&stream, 100_000) {
            assert!(portion <= PORTION);
            match SockRef::from(&stream).send(&vec![0; portion]) {
                Ok(count) => written += count,
                Err(_) => break,
            }
        }
        let still = portions.next(&stream, 1).map_err(|error| error.kind());
        assert_eq!(still, Err(io::ErrorKind::WouldBlock), "after {written} bytes");
    }

    fn localhost() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }
}
