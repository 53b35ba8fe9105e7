//! People without credentials at the door of a TURN server, each at another address.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use farcast_core::limits;
use farcast_core::machine::{Datagram, Input, Machine};
use farcast_core::outbox::Outbox;
use farcast_core::turn::Standalone;
use farcast_core::turn::seal::{self, MESSAGE_INTEGRITY};
use farcast_sim::turn_client::{Line, TurnClient};

use super::server::{birth, config};

/// Between two of them.
const APART: Duration = Duration::from_micros(10);

/// What strangers may send that takes decoders long, as large as a datagram can be.
pub const HOSTILE: [(&str, Make); 5] = [
    ("Allocate, nothing but MESSAGE-INTEGRITY", || {
        repeated(ALLOCATE, 2_728, MESSAGE_INTEGRITY, 20)
    }),
    ("Send, nothing but empty attributes", || repeated(SEND, 16_376, UNKNOWN, 0)),
    ("Send, one large attribute and FINGERPRINT", || {
        let mut message = repeated(SEND, 1, DATA, 65_400);
        seal::add_fingerprint(&mut message);
        message
    }),
    ("Allocate, as many attributes as may be", || {
        repeated(ALLOCATE, limits::STUN_ATTRIBUTES, UNKNOWN, 20)
    }),
    ("Allocate, sealed by nobody who is known", || {
        let mut message = repeated(ALLOCATE, 1, UNKNOWN, 1_800);
        for kind in [USERNAME, REALM, NONCE] {
            append(&mut message, kind, b"mallory.");
        }
        seal::seal(&mut message, b"guessed");
        seal::add_fingerprint(&mut message);
        message
    }),
];
/// Makes a datagram.
type Make = fn() -> Vec<u8>;

/// Message types (RFC 8656 section 17): a request, an indication.
const ALLOCATE: u16 = 0x0003;
const SEND: u16 = 0x0016;
/// Attributes (RFC 8489 section 18.3, RFC 8656 section 18), and one that is none.
const USERNAME: u16 = 0x0006;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const DATA: u16 = 0x0013;
const UNKNOWN: u16 = 0x7fff;
/// What follows a message's type: no length yet, the magic cookie, a transaction (RFC 8489 section
/// 5).
const HEADER: [u8; 18] = [0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

fn repeated(message_type: u16, times: usize, kind: u16, len: usize) -> Vec<u8> {
    let mut message = [&message_type.to_be_bytes()[..], &HEADER].concat();
    (0..times).for_each(|_| append(&mut message, kind, &vec![0; len]));
    message
}

fn append(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(kind.to_be_bytes());
    message.extend((value.len() as u16).to_be_bytes());
    message.extend(value);
    let len = (message.len() - 2 - HEADER.len()) as u16;
    message[2..4].copy_from_slice(&len.to_be_bytes());
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
