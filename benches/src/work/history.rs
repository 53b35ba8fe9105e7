//! What a track's history does: it keeps packets, forgets the oldest, and finds those that somebody
//! misses. It does not know who that is.

use std::hint::black_box;
use std::time::{Duration, Instant};

use farcast_core::hub::history::History;
use farcast_core::limits;
use farcast_core::media::packet::{Extensions, Packet};

use super::Work;
use crate::meter::{Cost, Meter};

/// Packets of one round: they come as eight in every frame at 30 frames a second would.
const PACKETS: u64 = 1_000;
const PAUSE: Duration = Duration::from_nanos(1_000_000_000 / 240);
const KEYFRAMES: u64 = 500;
/// Packets that are looked for, the latest ones.
const FOUND: u64 = 100;
/// Rounds after which a history forgets as much as it takes.
const WARM: usize = 2;

/// Every packet here has 1,200 bytes on the wire, about.
const PAYLOAD: usize = 1_150;

/// A packet of VP8 with a picture id of 15 bits (RFC 7741 section 4.2).
pub(super) fn packet(arrived: Instant, sequence: u64) -> Packet {
    let [high, low] = (sequence as u16 & 0x7fff).to_be_bytes();
    let mut payload = vec![7; PAYLOAD];
    payload[..4].copy_from_slice(&[0x90, 0x80, 0x80 | high, low]);
    let timestamp = (sequence as u32).wrapping_mul(3_000);
    let (marker, extensions) = (true, Extensions::default());
    let payload = payload.into();
    Packet { sequence, timestamp, marker, arrived, extensions, dependency: None, payload }
}

/// A thousand packets kept and a hundred found.
pub struct Lookups {
    now: Instant,
    history: History,
    next: u64,
}

impl Lookups {
    /// A history that has as many packets as it ever will.
    #[allow(clippy::new_without_default, reason = "all works are made alike")]
    pub fn new() -> Self {
        let history = History::default();
        let mut lookups = Lookups { now: Instant::now(), history, next: 0 };
        for _ in 0..WARM {
            let packets = lookups.film();
            lookups.keep(&packets);
        }
        lookups
    }

    fn film(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        for _ in 0..PACKETS {
            self.now += PAUSE;
            packets.push(packet(self.now, self.next));
            self.next += 1;
        }
        packets
    }

    fn keep(&mut self, packets: &[Packet]) {
        for packet in packets {
            self.history.keep(packet, packet.sequence.is_multiple_of(KEYFRAMES));
        }
    }

    fn find(&self) -> usize {
        let latest = (1..=FOUND).map(|back| self.next - back);
        let found = latest.filter_map(|number| {
            black_box(self.history.find(self.now, number, limits::REPAIR_AGE))
        });
        found.count()
    }
}

impl Work for Lookups {
    fn round(&mut self, meter: &Meter) -> Cost {
        let (packets, mut found) = (self.film(), 0);
        let cost = meter.measure(|| {
            self.keep(&packets);
            found = self.find();
        });
        assert_eq!(found, FOUND as usize, "the latest ones are there");
        cost
    }
}
