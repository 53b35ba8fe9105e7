//! People without credentials at the door of a TURN server, each at another address.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use farcast_core::machine::{Datagram, Input, Machine};
use farcast_core::outbox::Outbox;
use farcast_core::turn::Standalone;
use farcast_core::turn::seal::{self, MESSAGE_INTEGRITY};
use farcast_sim::turn_client::{Line, TurnClient};

use super::server::{birth, config};

/// Between two of them.
const APART: Duration = Duration::from_micros(10);

/// What strangers may send that takes decoders long, as large as a datagram can be.
pub const HOSTILE: [(&str, Make); 6] = [
    ("one packet of MESSAGE-INTEGRITY", || repeated(61, MESSAGE_INTEGRITY, 20)),
    ("nothing but MESSAGE-INTEGRITY", || repeated(2_728, MESSAGE_INTEGRITY, 20)),
    ("nothing but unknown attributes", || repeated(16_376, UNKNOWN, 0)),
    ("nothing but FINGERPRINT", || repeated(8_188, seal::FINGERPRINT, 4)),
    ("one large attribute, sealed", || sealed(USERNAME, 65_400)),
    ("one large attribute of DATA, sealed", || sealed(DATA, 65_400)),
];
/// Makes a datagram.
type Make = fn() -> Vec<u8>;

/// Attributes (RFC 8489 section 18.3, RFC 8656 section 18), and one that is none.
const USERNAME: u16 = 0x0006;
const DATA: u16 = 0x0013;
const UNKNOWN: u16 = 0x7fff;
/// An Allocate request without attributes (RFC 8489 section 5).
const HEADER: [u8; 20] =
    [0, 3, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

fn repeated(times: usize, kind: u16, len: u16) -> Vec<u8> {
    let attribute = [&kind.to_be_bytes()[..], &len.to_be_bytes(), &vec![0; len.into()]].concat();
    let mut message = [&HEADER[..], &attribute.repeat(times)].concat();
    let len = (message.len() - HEADER.len()) as u16;
    message[2..4].copy_from_slice(&len.to_be_bytes());
    message
}

fn sealed(kind: u16, len: u16) -> Vec<u8> {
    let mut message = repeated(1, kind, len);
    seal::seal(&mut message, b"guessed");
    seal::add_fingerprint(&mut message);
    message
}

/// A server in memory, at whose door strangers knock.
pub struct Strangers {
    server: Standalone,
    outbox: Outbox,
    now: Instant,
    knock: Vec<u8>,
    came: u32,
}

impl Strangers {
    /// A server that nobody knows.
    pub fn new() -> Self {
        let birth = birth();
        let mut stranger = TurnClient::new(Line::Datagrams, "mallory", "guessed");
        let knock = stranger.next_outgoing().expect("a client asks for an allocation");
        let (server, outbox) = (Standalone::new(config(), birth), Outbox::default());
        Strangers { server, outbox, now: birth.start, knock, came: 0 }
    }

    /// So many more come. How many were answered.
    pub fn come(&mut self, count: u32) -> usize {
        let knock = self.knock.clone();
        (0..count).filter(|_| self.send(&knock)).count()
    }

    /// Another one sends this. Whether it was answered.
    pub fn send(&mut self, datagram: &[u8]) -> bool {
        self.came += 1;
        self.now += APART;
        // All over the address space, so that no two share a network.
        let ip = Ipv4Addr::from(self.came.wrapping_mul(0x9e37_79b1));
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 3478));
        let datagram = Datagram::udp((ip, 4000).into(), local, datagram);
        self.server.handle(self.now, Input::Datagrams(&[datagram]), &mut self.outbox);
        let answered = self.outbox.transmits().next().is_some();
        self.outbox.errands().for_each(drop);
        self.outbox.clear();
        answered
    }
}

impl Default for Strangers {
    fn default() -> Self {
        Strangers::new()
    }
}
