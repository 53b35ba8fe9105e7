//! Finds out whether a viewer's line takes more: some packets go out once more, closer together
//! than the picture needs. It does not know when that is worth it.

use std::time::{Duration, Instant};

use crate::hub::demux::SessionKey;
use crate::hub::estimate::Probe;
use crate::hub::fanout::SinkId;
use crate::hub::history::History;
use crate::hub::{Hub, Timer};
use crate::limits;
use crate::outbox::Outbox;

/// A probe that is under way.
#[derive(Debug)]
pub(super) struct Probing {
    probe: Probe,
    lane: usize,
    began: Instant,
    packets: u16,
    bytes: usize,
}

impl Probing {
    /// How many bytes should have left by now.
    fn due(&self, now: Instant) -> usize {
        let micros = now.saturating_duration_since(self.began).as_micros();
        (micros * u128::from(self.probe.bitrate) / 8_000_000) as usize
    }
}

impl Hub {
    /// Probes a viewer's line with packets of one of its lanes.
    pub(super) fn begin_probe(&mut self, now: Instant, sink: SinkId, probe: Probe) {
        let (lane, packets, bytes) = (sink.lane, 0, 0);
        let member = &mut self.sessions[sink.session];
        member.probing = Some(Probing { probe, lane, began: now, packets, bytes });
        self.timers.set(Timer::Probe(sink.session), now);
    }

    /// Sends what of a probe is due: the latest packets, which help where packets are lost.
    pub(super) fn probe(&mut self, now: Instant, key: SessionKey, out: &mut Outbox) {
        let member = &mut self.sessions[key];
        let Some(mut probing) = member.probing.take() else { return };
        let Some(watch) = member.watches.get(probing.lane) else { return };
        let (track, stock) = match (watch.stock(), watch.current()) {
            (Some((track, stock)), _) => (track, Some(stock)),
            (None, Some(track)) => (track, None),
            (None, None) => return,
        };
        let history = self.road.history(track).filter(|_| stock.is_none());
        let latest = history.into_iter().flat_map(History::latest);
        let lane = (probing.lane, true);
        let most = usize::from(probing.probe.packets) * 2;
        let mut again = stock.into_iter().flatten().chain(latest).cycle().take(most);
        while probing.packets < probing.probe.packets && probing.bytes <= probing.due(now) {
            let Some(packet) = again.next() else { return };
            if member.session.repeat(now, lane, track, packet, out) {
                probing.packets += 1;
                probing.bytes += packet.payload.len() + limits::PACKET_OVERHEAD;
            }
        }
        if probing.packets < probing.probe.packets {
            let ahead = probing.bytes.saturating_sub(probing.due(now)) as u64;
            let wait = Duration::from_micros(ahead * 8_000_000 / probing.probe.bitrate.max(1));
            self.timers.set(Timer::Probe(key), now + wait.max(limits::PROBE_STEP));
            member.probing = Some(probing);
        }
    }
}
