//! Decides when a burst of more packets than media has may find out whether the line takes more,
//! and measures it, as libwebrtc does (`ProbeController` and `ProbeBitrateEstimator`; the draft has
//! no probes). It does not know what these packets hold.

use super::sent::Packet;

/// An estimate so many times what is wanted is enough.
const ENOUGH: f64 = 1.15;
/// A probe aims at so many times what is wanted at most.
const BEYOND: f64 = 1.3;
/// A probe aims at so many times the estimate: the first one and those after a success (libwebrtc
/// `first_exponential_probe_scale`), those after quiet times, and those after a failure.
const FACTOR_SUCCESS: f64 = 3.0;
const FACTOR_QUIET: f64 = 2.0;
const FACTOR_FAILURE: f64 = 1.5;
/// How long a probe is, in seconds. A line that takes half of it queues half of that.
const LENGTH: f64 = 0.040;
/// How many packets it has at least (libwebrtc `min_probe_packets_sent` is 5), and their sizes in
/// bytes of UDP payload.
const PACKETS: f64 = 6.0;
const SIZES: (f64, f64) = (200.0, 1200.0);
/// Bytes of IPv4 and UDP headers.
const HEADERS: f64 = 28.0;
/// This share of its packets has to arrive (libwebrtc `kMinReceivedProbesRatio`).
const ARRIVED: f64 = 0.80;
/// It arrives at most so many times faster than it was sent (libwebrtc `kMaxValidRatio`).
const FASTER: f64 = 2.0;
/// A line that is slower by this factor is full (`kMinRatioForUnsaturatedLink`), and so much of
/// what it took is of use (`kTargetUtilizationFraction`).
const UNSATURATED: f64 = 0.9;
const UTILIZATION: f64 = 0.95;
/// A probe has to be sent, and told of after a round trip, within so many microseconds each.
const SENDING_MOST: i64 = 250_000;
const TELLING_MOST: i64 = 500_000;
/// No probe so soon after the estimate fell, in microseconds.
const AFTER_CUT: i64 = 1_000_000;
/// How long to wait after a probe that failed, at first and at most, in microseconds. The most is
/// so little that a line that became good again is found out about within 5 s.
const WAIT_RANGE: (i64, i64) = (750_000, 3_000_000);

/// What to send, beside the media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// How fast, in bits per second of UDP payload and headers.
    pub bitrate: u64,
    /// How many packets.
    pub packets: u16,
    /// How long each is, in bytes of UDP payload.
    pub bytes: u16,
}

/// Packets of the running probe, or media between them.
#[derive(Debug, Clone, Copy, Default)]
struct Cluster {
    /// How many probe packets are still to be sent.
    open: u16,
    sent: Series,
    arrived: Series,
    told: u16,
}

/// Packets at one place.
#[derive(Debug, Clone, Copy, Default)]
struct Series {
    count: u16,
    bytes: u32,
    /// When the first and the last passed, in microseconds, and their bytes.
    first: (i64, u16),
    last: (i64, u16),
}

impl Series {
    fn add(&mut self, at: i64, bytes: u16) {
        if self.count == 0 || at < self.first.0 {
            self.first = (at, bytes);
        }
        if self.count == 0 || at >= self.last.0 {
            self.last = (at, bytes);
        }
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes.into());
    }

    /// Bits per second, without the bytes of one end.
    fn rate(&self, end: u16) -> f64 {
        let bytes = self.bytes.saturating_sub(end.into());
        f64::from(bytes) * 8e6 / (self.last.0 - self.first.0).max(1) as f64
    }
}

/// The probes of one line.
#[derive(Debug)]
pub(super) struct Probes {
    /// The number of the running probe, or of the last one; never 0.
    number: u8,
    cluster: Option<Cluster>,
    /// When the running probe was asked for, in microseconds.
    asked: i64,
    /// No probe before this time, in microseconds.
    next: i64,
    /// How long to wait after the next failure, in microseconds.
    wait: i64,
    /// At so many times the estimate the next one aims.
    factor: f64,
}

impl Probes {
    pub(super) fn new() -> Self {
        let wait = WAIT_RANGE.0;
        Probes { number: 1, cluster: None, asked: 0, next: 0, wait, factor: FACTOR_SUCCESS }
    }

    /// Whether to send one now.
    pub(super) fn ask(&mut self, now: i64, estimate: f64, wanted: f64) -> Option<Probe> {
        if self.cluster.is_some() || now < self.next || estimate >= wanted * ENOUGH {
            return None;
        }
        let bitrate = (estimate * self.factor).min(wanted * BEYOND);
        let total = bitrate * LENGTH / 8.0;
        let (least, most) = SIZES;
        let bytes = (total / PACKETS - HEADERS).clamp(least, most).floor();
        let packets = (total / (bytes + HEADERS)).ceil().max(PACKETS) + 1.0;
        let probe = Probe { bitrate: bitrate as u64, packets: packets as u16, bytes: bytes as u16 };
        self.number = self.number.checked_add(1).unwrap_or(1);
        self.cluster = Some(Cluster { open: probe.packets, ..Cluster::default() });
        self.asked = now;
        Some(probe)
    }

    /// A packet leaves; returns the probe that it belongs to, or 0. Media between the packets of a
    /// probe belongs to it.
    pub(super) fn sent(&mut self, now: i64, bytes: u16, is_probe: bool) -> u8 {
        let Some(cluster) = &mut self.cluster else { return 0 };
        if cluster.open == 0 || (!is_probe && cluster.sent.count == 0) {
            return 0;
        }
        cluster.open -= u16::from(is_probe);
        cluster.sent.add(now, bytes);
        self.number
    }

    /// A packet arrived, at this time of its receiver in microseconds.
    pub(super) fn arrived(&mut self, packet: &Packet, at: i64) {
        if let Some(cluster) = &mut self.cluster
            && packet.probe == self.number
        {
            cluster.arrived.add(at, packet.bytes);
            cluster.told += u16::from(!packet.was_missing);
        }
    }

    /// A packet is missing.
    pub(super) fn missing(&mut self, probe: u8) {
        if let Some(cluster) = &mut self.cluster
            && probe == self.number
        {
            cluster.told += 1;
        }
    }

    /// Follows one report, or time; returns the rate in bits per second that the probe showed the
    /// line to take.
    pub(super) fn finish(&mut self, now: i64, estimate: f64, trip: i64) -> Option<f64> {
        let cluster = self.cluster.as_ref()?;
        let sent = cluster.open == 0;
        let late = match sent {
            true => now - cluster.sent.last.0 > trip + TELLING_MOST,
            false => now - self.asked > SENDING_MOST,
        };
        let told = sent && cluster.told >= cluster.sent.count;
        if !told && !late {
            return None;
        }
        let result = cluster.result().filter(|_| told);
        self.cluster = None;
        let (shown, is_full) = result.filter(|(shown, _)| *shown > estimate).unzip();
        if is_full == Some(false) {
            (self.next, self.wait, self.factor) = (now, WAIT_RANGE.0, FACTOR_SUCCESS);
        } else {
            self.fail(now);
        }
        shown
    }

    fn fail(&mut self, now: i64) {
        self.next = now + self.wait;
        self.wait = (2 * self.wait).min(WAIT_RANGE.1);
        self.factor = FACTOR_FAILURE;
    }

    /// The estimate fell, so what a running probe tells counts no more.
    pub(super) fn cut(&mut self, now: i64) {
        if self.cluster.take().is_some() {
            self.fail(now);
        }
        self.next = self.next.max(now + AFTER_CUT);
        self.factor = self.factor.min(FACTOR_QUIET);
    }
}

impl Cluster {
    /// Which rate it shows the line to take, in bits per second, if any; and whether it takes no
    /// more than that.
    fn result(&self) -> Option<(f64, bool)> {
        let (sent, arrived) = (&self.sent, &self.arrived);
        let enough = f64::from(arrived.count) >= ARRIVED * f64::from(sent.count);
        let (out, back) = (sent.rate(sent.last.1), arrived.rate(arrived.first.1));
        if !enough || arrived.count < 2 || back > FASTER * out {
            return None;
        }
        let is_full = back < UNSATURATED * out;
        Some((if is_full { UTILIZATION * back } else { back.min(out) }, is_full))
    }
}
