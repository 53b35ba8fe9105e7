//! A publisher or a viewer on a socket of its own, which learns from the kernel when datagrams
//! came. Nobody waits for it: it reads when it is told to.

use std::array;
use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use farcast_core::seed::Seed;
use farcast_sim::camera::Camera;
use farcast_sim::handshake::Dtls;
use farcast_sim::peer::{Birth, Peer, Received};
use farcast_sim::wish::{Video, Wish};
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{RecvMeta, UdpSocketState};

use super::server::Server;

/// Datagrams that one read brings at most.
const READ: usize = 32;
/// Room for one datagram.
const ROOM: usize = 2_048;
/// Bytes that wait in a socket: a keyframe and more.
const BUFFER: usize = 4 << 20;

/// Somebody with a session.
pub(super) struct Person {
    pub(super) peer: Peer,
    socket: UdpSocket,
    state: UdpSocketState,
    server: SocketAddr,
    /// The latest time that the peer heard of.
    told: Instant,
    /// The frame that comes in: when it was captured, and how many of its packets are there.
    pub(super) frame: (Duration, u16),
}

impl Person {
    /// Somebody who publishes, if there is a camera, or watches; times count from `start`.
    pub(super) fn join(
        server: &Server,
        start: Instant,
        seed: Seed,
        camera: Option<Camera>,
    ) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let state = UdpSocketState::new((&socket).into()).expect("a UDP socket");
        // Browsers have their datagrams one by one.
        setsockopt(&socket, sockopt::UdpGroSegment, &false).expect("Linux can join datagrams");
        state.set_recv_buffer_size((&socket).into(), BUFFER).ok();
        let address = socket.local_addr().expect("its address");
        let (act, publishes) = if camera.is_some() { ("whip", true) } else { ("whep", false) };
        let wish = Wish { publishes, audio: false, video: Video::Vp8 };
        let now = Instant::now();
        let birth = Birth { now, start, address, seed, dtls: Dtls::Real, camera };
        let (mut peer, offer) = Peer::born(birth, wish);
        let answer = server.post(&format!("/{act}/stream1"), &offer);
        let told = Instant::now();
        peer.accept(told, &answer);
        let frame = (Duration::MAX, 0);
        Person { peer, socket, state, server: server.at, told, frame }
    }

    /// Where it is.
    pub(super) fn address(&self) -> SocketAddr {
        self.peer.address()
    }

    /// Takes what has come from the server; the rest is not for it.
    pub(super) fn read(&mut self, inbox: &mut Inbox) -> Vec<Received> {
        let Person { peer, socket, state, server, told, .. } = self;
        inbox.read(socket, state, |at, from, payload| {
            if from == *server {
                *told = at.max(*told);
                peer.receive(*told, from, payload);
            }
        });
        peer.take_received()
    }

    /// Lets time pass, if something is due. Returns the time.
    pub(super) fn advance(&mut self) -> Instant {
        let now = Instant::now().max(self.told);
        if self.peer.deadline() <= now {
            self.told = now;
            self.peer.advance(now);
        }
        now
    }

    /// Sends all that it has to say. Returns how long the datagrams were.
    pub(super) fn send(&mut self) -> Vec<usize> {
        let mut sizes = Vec::new();
        while let Some((to, payload)) = self.peer.next_outgoing() {
            // A full socket loses a datagram, as a network does.
            self.socket.send_to(&payload, to).ok();
            sizes.push(payload.len());
        }
        sizes
    }
}

/// Where all of them read to.
pub(super) struct Inbox {
    bytes: Vec<u8>,
    /// One moment on the clock of this process and on the kernel's.
    moment: (Instant, Duration),
}

impl Inbox {
    /// An empty one.
    pub(super) fn new() -> Self {
        let mut inbox =
            Inbox { bytes: vec![0; READ * ROOM], moment: (Instant::now(), Duration::ZERO) };
        inbox.set_clock();
        inbox
    }

    /// Looks at both clocks: that of the kernel may be set meanwhile.
    pub(super) fn set_clock(&mut self) {
        let calendar = SystemTime::now().duration_since(UNIX_EPOCH);
        self.moment = (Instant::now(), calendar.expect("it is after 1970"));
    }

    fn instant(&self, calendar: Duration) -> Instant {
        let (instant, at) = self.moment;
        match calendar.checked_sub(at) {
            Some(later) => instant + later,
            None => instant - (at - calendar),
        }
    }

    fn read(
        &mut self,
        socket: &UdpSocket,
        state: &UdpSocketState,
        mut take: impl FnMut(Instant, SocketAddr, &[u8]),
    ) {
        loop {
            let mut metas = [RecvMeta::default(); READ];
            let mut rest = self.bytes.chunks_exact_mut(ROOM);
            let mut buffers: [IoSliceMut<'_>; READ] =
                array::from_fn(|_| IoSliceMut::new(rest.next().expect("as many as are read")));
            let Ok(count) = state.recv(socket.into(), &mut buffers, &mut metas) else { return };
            for (meta, bytes) in metas[..count].iter().zip(self.bytes.chunks_exact(ROOM)) {
                let at = meta.timestamp.expect("Linux tells when a datagram came");
                take(self.instant(at), meta.addr, &bytes[..meta.len]);
            }
            if count < READ {
                return;
            }
        }
    }
}
