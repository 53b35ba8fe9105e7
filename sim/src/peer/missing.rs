//! What a viewer misses, and that it asks for it as soon as browsers do (libwebrtc's
//! `NackRequester`: at once, and again after a round trip); str0m would within 33 ms.

use std::net::SocketAddr;
use std::time::Instant;

use farcast_core::hub::egress::Asker;
use farcast_core::hub::recovery::Recovery;
use farcast_core::hub::session::keys;
use farcast_core::machine::Carrier;
use farcast_core::outbox::{Outbox, Transmit, Way};
use str0m::net::{self, Protocol};
use str0m::rtp::{RtpPacket, Ssrc};

use super::Peer;

/// Browsers ask once at a time.
const TIMES: usize = 1;

/// What is missing of the streams that are repaired.
#[derive(Default)]
pub(super) struct Missing {
    asker: Option<Asker>,
    streams: Vec<(Ssrc, Recovery)>,
    /// Where media goes: from its own address or its relayed one, and whom to.
    path: Option<(SocketAddr, SocketAddr)>,
    out: Outbox,
}

impl Missing {
    /// Something is sent: DTLS, SRTP and SRTCP go where media does (RFC 7983 section 7).
    pub(super) fn note_path(&mut self, transmit: &net::Transmit) {
        if transmit.contents.first().is_some_and(|first| *first >= 20) {
            let path = (transmit.source, transmit.destination);
            self.path = (transmit.proto == Protocol::Udp).then_some(path);
        }
    }

    /// When somebody is to be asked next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.streams.iter().filter_map(|(_, recovery)| recovery.deadline()).min()
    }
}

impl Peer {
    /// Its handshake may have made keys.
    pub(super) fn take_keys(&mut self) {
        if let Some(exported) = keys::take() {
            let ssrc = self.rtc.direct_api().new_ssrc();
            self.missing.asker = Asker::open(&exported, *ssrc);
        }
    }

    /// A packet arrived.
    pub(super) fn arrived(&mut self, now: Instant, packet: &RtpPacket) {
        let ssrc = packet.header.ssrc;
        let streams = &mut self.missing.streams;
        let place = streams.iter().position(|(known, _)| *known == ssrc).or_else(|| {
            let mut api = self.rtc.direct_api();
            let stream = api.stream_rx(&ssrc).filter(|stream| stream.rtx().is_some())?;
            stream.suppress_nack(true);
            streams.push((ssrc, Recovery::default()));
            Some(streams.len() - 1)
        });
        if let Some(place) = place {
            streams[place].1.arrived(now, *packet.seq_no);
        }
    }

    /// Asks for what is missing, if it is time to.
    pub(super) fn ask(&mut self, now: Instant) {
        let Missing { asker, streams, path, out } = &mut self.missing;
        let mut asks = path.zip(asker.as_mut());
        let mut numbers = Vec::new();
        for (ssrc, recovery) in streams {
            if recovery.deadline().is_some_and(|at| at <= now) {
                numbers.clear();
                recovery.due(now, &mut numbers);
                // A stream loses nothing.
                let Some(((local, peer), asker)) = &mut asks else { continue };
                let way = &Way { carrier: Carrier::Udp, local: *local, peer: *peer };
                asker.nack(**ssrc, &numbers, TIMES, way, out);
            }
        }
        let is_relayed = path.is_some_and(|(local, _)| self.relayed == Some(local));
        let outgoing = if is_relayed { &mut self.to_relay } else { &mut self.outgoing };
        for Transmit { peer, payload, segment, .. } in out.transmits() {
            outgoing.extend(payload.chunks(segment.max(1)).map(|one| (peer, one.to_vec())));
        }
        out.clear();
    }
}
