//! Sockets as the kernel gives them, with our options, and how runs and batches pass through them
//! in one system call. The same for every runtime; it never waits.

use std::cell::Cell;
use std::io;
use std::net::{self, IpAddr, SocketAddr};

use farcast_core::outbox::Transmit;
use quinn_udp::{UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

use crate::batch::Batch;

/// Bytes that the kernel may hold for one UDP socket in each direction, if it lets us: 80 ms of a
/// 400 Mbit/s line.
pub const UDP_BUFFER: usize = 4 * 1024 * 1024;
/// Connections that may wait to be accepted.
pub const BACKLOG: i32 = 1024;

/// Opens and binds a UDP socket.
pub(crate) fn udp(at: SocketAddr) -> io::Result<net::UdpSocket> {
    let socket = open(at, Type::DGRAM, Protocol::UDP)?;
    // Best effort: the kernel caps both at net.core.{r,w}mem_max without an error.
    socket.set_recv_buffer_size(UDP_BUFFER).ok();
    socket.set_send_buffer_size(UDP_BUFFER).ok();
    socket.bind(&at.into())?;
    Ok(socket.into())
}

/// Opens a listening TCP socket.
pub(crate) fn listener(at: SocketAddr) -> io::Result<net::TcpListener> {
    let socket = open(at, Type::STREAM, Protocol::TCP)?;
    // A restarted node listens again although old connections linger in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
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
}

impl Segments {
    pub(crate) fn new(socket: &net::UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new(socket.into())?;
        let offload = Cell::new(state.max_gso_segments() > 1);
        Ok(Segments { bound: socket.local_addr()?, state, offload })
    }

    pub(crate) fn bound(&self) -> SocketAddr {
        self.bound
    }

    pub(crate) fn receive(&self, socket: UdpSockRef<'_>, batch: &mut Batch) -> io::Result<()> {
        batch.fill(self.bound, |buffers, metas| self.state.recv(socket, buffers, metas))
    }

    pub(crate) fn send<'s>(
        &self,
        socket: impl Fn() -> UdpSockRef<'s>,
        run: &Transmit<'_>,
    ) -> io::Result<()> {
        if run.peer.port() == 0 || run.peer.is_ipv4() != self.bound.is_ipv4() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let many = run.payload.len() > run.segment;
        if !many || self.offload.get() {
            match self.state.try_send(socket(), &self.message(run, run.payload)) {
                Err(error) if many && blames_offload(&error) => {}
                result => return result,
            }
        }
        for (index, datagram) in run.datagrams().enumerate() {
            self.state.try_send(socket(), &self.message(run, datagram))?;
            if index == 0 {
                self.offload.set(false);
            }
        }
        Ok(())
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
            segments.send(|| (&from).into(), &run(segments.bound(), peer, &payload)).unwrap();
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
            assert!(segments.send(|| (&socket).into(), &run(local, peer, &[0; 250])).is_err());
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

    fn localhost() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }
}
