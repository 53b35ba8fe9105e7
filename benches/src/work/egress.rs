//! What one viewer's egress does: packets sealed for it, and repairs that it asks for. It knows
//! neither nodes nor sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use farcast_core::hub::egress::rtcp::write;
use farcast_core::hub::egress::srtp::{self, Profile, Sealer};
use farcast_core::hub::egress::{Exported, ExtensionIds, Sink, Terms, Wish};
use farcast_core::machine::Carrier;
use farcast_core::media::codec::Codec;
use farcast_core::media::packet::Packet;
use farcast_core::outbox::{Outbox, Way};

use super::Work;
use super::history::packet;
use crate::meter::{Cost, Meter};

/// Packets of one round.
const WRITES: u64 = 100;
/// Packets that one NACK asks for.
const LOST: usize = 8;
/// Longer than a repair waits for its repetition.
const PAUSE: Duration = Duration::from_millis(100);

const SSRC: u32 = 0xcafe_0001;
const REPAIRS: u32 = 0xcafe_0002;
/// The track and its only lane.
const TRACK: u64 = 0;
const LANE: usize = 0;

/// One viewer of one track.
struct Viewer {
    now: Instant,
    sink: Sink,
    way: Way,
    out: Outbox,
    /// The next packet's number, at the source and at the viewer.
    next: u64,
}

impl Viewer {
    fn new() -> Self {
        let (mid, playout_delay, transport) = (4, 5, 3);
        let extensions = ExtensionIds { mid, playout_delay, transport, ..ExtensionIds::default() };
        let terms = Terms {
            codec: Codec::Vp8,
            mid: "0".into(),
            rid: None,
            payload_type: 96,
            ssrc: SSRC,
            repairs: Some((97, REPAIRS)),
            extensions,
        };
        let now = Instant::now();
        let sink = Sink::open(now, &exported(false), vec![(terms, 0)], "bench".into(), None);
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let way = Way { carrier: Carrier::Udp, local: at(1), peer: at(2) };
        let sink = sink.expect("keys, and one track");
        Viewer { now, sink, way, out: Outbox::default(), next: 0 }
    }

    /// The next packets of the track.
    fn film(&mut self, count: u64) -> Vec<Packet> {
        let packets = (self.next..self.next + count).map(|number| packet(self.now, number));
        self.next += count;
        packets.collect()
    }

    fn write(&mut self, packets: &[Packet]) {
        for packet in packets {
            let Viewer { now, sink, way, out, .. } = self;
            assert!(sink.write(*now, LANE, TRACK, packet, way, out), "it is sealed");
        }
    }

    /// Time passes, and what was sent is gone.
    fn pass(&mut self) {
        self.now += PAUSE;
        self.out.clear();
    }
}

/// What both sides have from a handshake.
fn exported(is_client: bool) -> Exported {
    let profile = Profile::Aes256Gcm;
    Exported { profile, material: vec![7; profile.exported_length()], is_client }
}

/// A hundred packets of 1,200 bytes sealed for one viewer.
pub struct Writes(Viewer);

impl Writes {
    /// A viewer that has got nothing yet.
    #[allow(clippy::new_without_default, reason = "all works are made alike")]
    pub fn new() -> Self {
        Writes(Viewer::new())
    }
}

impl Work for Writes {
    fn round(&mut self, meter: &Meter) -> Cost {
        let packets = self.0.film(WRITES);
        let cost = meter.measure(|| self.0.write(&packets));
        self.0.pass();
        cost
    }
}

/// One NACK opened, and the eight packets that it asks for sealed once more.
pub struct Repairs {
    viewer: Viewer,
    peer: Sealer,
    wishes: Vec<Wish>,
}

impl Repairs {
    /// A viewer that has missed nothing yet.
    #[allow(clippy::new_without_default, reason = "all works are made alike")]
    pub fn new() -> Self {
        let Exported { profile, material, is_client } = exported(true);
        let (peer, _) = srtp::from_exported(profile, &material, is_client).expect("keys");
        Repairs { viewer: Viewer::new(), peer, wishes: Vec::new() }
    }

    fn ask(&mut self, lost: &[Packet]) -> Vec<u8> {
        let mut nack = Vec::new();
        write::nack(&mut nack, 1, SSRC, lost.iter().map(|packet| packet.sequence as u16));
        nack.resize(nack.len() + self.peer.control_overhead(), 0);
        assert!(self.peer.seal_control(&mut nack), "it is sealed");
        nack
    }

    /// The hub finds the packets in the track's history; that is measured elsewhere.
    fn answer(&mut self, nack: &[u8], lost: &[Packet]) {
        let Viewer { now, sink, way, out, .. } = &mut self.viewer;
        assert!(sink.feedback(*now, nack, &mut self.wishes), "it is opened");
        for (wish, packet) in self.wishes.drain(..).zip(lost) {
            assert!(matches!(wish, Wish::Repeat(_, _, number, _) if number == packet.sequence));
            assert!(sink.repair(*now, LANE, TRACK, packet, way, out), "it is sealed");
        }
    }
}

impl Work for Repairs {
    fn round(&mut self, meter: &Meter) -> Cost {
        let packets = self.viewer.film(WRITES);
        self.viewer.write(&packets);
        self.viewer.pass();
        let lost = &packets[packets.len() - LOST..];
        let nack = self.ask(lost);
        let cost = meter.measure(|| self.answer(&nack, lost));
        let repairs: usize = self.viewer.out.transmits().map(|run| run.datagrams().len()).sum();
        assert_eq!(repairs, lost.len(), "all are repeated");
        self.viewer.pass();
        cost
    }
}
