//! People without credentials at the door of a TURN server, each at another address.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use farcast_core::machine::{Datagram, Input, Machine};
use farcast_core::outbox::Outbox;
use farcast_core::turn::Standalone;
use farcast_sim::turn_client::{Line, TurnClient};

use super::server::{birth, config};

/// Between two of them.
const APART: Duration = Duration::from_micros(10);

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
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 3478));
        let mut answered = 0;
        for _ in 0..count {
            self.came += 1;
            self.now += APART;
            // All over the address space, so that no two share a network.
            let ip = Ipv4Addr::from(self.came.wrapping_mul(0x9e37_79b1));
            let datagram = Datagram::udp((ip, 4000).into(), local, &self.knock);
            self.server.handle(self.now, Input::Datagrams(&[datagram]), &mut self.outbox);
            answered += self.outbox.transmits().count();
            self.outbox.errands().for_each(drop);
            self.outbox.clear();
        }
        answered
    }
}

impl Default for Strangers {
    fn default() -> Self {
        Strangers::new()
    }
}
