//! Estimates how many bits per second one viewer's line takes, from what is sent to it and what it
//! acknowledges: Google congestion control at the sender (draft-ietf-rmcat-gcc-02). It does not
//! know what packets hold, whom they come from, nor what is sent next.

mod acked;
mod clock;
mod delay;
mod doubt;
mod loss;
mod probe;
mod rate;
mod sent;
#[cfg(test)]
mod tests;
mod trend;

use std::time::{Duration, Instant};

pub(crate) use probe::Probe;

use crate::hub::egress::rtcp::transport::Arrival;
use crate::limits::{ARRIVAL_RUN_MICROS, ESTIMATE_LEAST, ESTIMATE_MOST};
use acked::Acked;
use clock::Clock;
use delay::Delay;
use doubt::Doubt;
use loss::Loss;
use probe::Probes;
use rate::Rate;
use sent::Sent;
use trend::{Trend, Usage};

/// Bytes of IPv4 and UDP headers (RFC 791 section 3.1, RFC 768).
const HEADERS: usize = 28;
/// The round trip before anything is known of it, in microseconds (section 5.5 of the draft needs
/// one; libwebrtc `kDefaultRtt`).
const TRIP: i64 = 200_000;
/// The longest round trip that is believed, in microseconds.
const TRIP_MOST: i64 = 2_000_000;
/// How much of a new round trip is taken into the mean (RFC 6298 section 2: `alpha`).
const TRIP_SHARE: i64 = 8;
/// The window of the acknowledged rate, in microseconds (section 5.5 suggests 0.5 to 1 s).
const ACKED: i64 = 500_000;
/// The window of a busy line's rate, in microseconds: to foretell its queue, and to cut the
/// estimate by; and the fewest bytes in it: three packets, as two show jitter rather than a rate.
const BUSY: (i64, i64) = (20_000, 200_000);
const BUSY_BYTES: u64 = 3_000;
/// A delay that grows while a queue has lasted for less than this is but a burst's, in
/// microseconds: a bit more than a frame lasts at 30 per second.
const LASTING: i64 = 60_000;
/// The newest packet has to have waited for so many microseconds before a queue counts as one, and
/// for twice the usual time: up to so much where it trends, or before what will wait behind it is
/// foretold.
const SURE: i64 = 25_000;
const SURE_MOST: i64 = 40_000;
/// A queue that is foretold to grow to this much, and by so much more than it was for the newest
/// packet, is overuse, in microseconds. Frames that meet no full line make less of it.
const QUEUE: i64 = 80_000;
const QUEUE_GROWTH: i64 = 40_000;
/// Before a cut, the sending rate of so many microseconds counts: about as long as it takes to
/// notice overuse, and some frames.
const LEFT: i64 = 300_000;
/// Silence of so many microseconds beside a round trip means that the line takes less: twice the
/// longest interval between reports that Chromium has (250 ms).
const SILENCE: i64 = 500_000;

/// The estimator of one line.
#[derive(Debug)]
pub struct Estimator {
    began: Instant,
    sent: Sent,
    trend: Trend,
    delay: Delay,
    acked: Acked,
    rate: Rate,
    loss: Loss,
    probes: Probes,
    clock: Clock,
    /// The round trip, in microseconds.
    trip: i64,
    /// Whether RTCP tells the round trip; reports tell how long it is at most.
    trip_is_told: bool,
    /// When the first packet left since the last report, or since silence was last punished.
    unheard: Option<i64>,
    congested: bool,
    /// Whether the line has shown what it takes at most.
    limited: bool,
    /// Whether the latest overuse was one is in doubt; and what is true if it was not.
    doubt: Option<(Doubt, Rate, bool)>,
}

/// The newest packet of a report.
#[derive(Debug, Clone, Copy)]
struct Newest {
    sequence: u16,
    sent: i64,
}

impl Estimator {
    /// An estimator that knows nothing of the line yet.
    pub fn new(now: Instant) -> Self {
        Estimator {
            began: now,
            sent: Sent::new(),
            trend: Trend::new(),
            delay: Delay::new(),
            acked: Acked::new(),
            rate: Rate::new(),
            loss: Loss::new(),
            probes: Probes::new(),
            clock: Clock::default(),
            trip: TRIP,
            trip_is_told: false,
            unheard: None,
            congested: false,
            limited: false,
            doubt: None,
        }
    }

    /// How many bits per second the line takes, with IP and UDP headers.
    pub fn bitrate(&self) -> u64 {
        let delay = self.rate.bitrate();
        let bitrate = self.loss.bound().map_or(delay, |loss| delay.min(loss)) as u64;
        bitrate.clamp(ESTIMATE_LEAST, ESTIMATE_MOST)
    }

    /// Whether the line is overused right now: its queue grows, it loses many packets, or it is
    /// silent.
    pub(crate) fn is_congested(&self) -> bool {
        self.congested
    }

    /// Whether the line has ever been overused: until then the estimate only tells what it takes at
    /// least.
    pub(crate) fn is_limited(&self) -> bool {
        self.limited
    }

    /// Reads what the next packet will need.
    pub(crate) fn warm(&self) -> usize {
        self.sent.warm() + usize::from(self.congested)
    }

    /// A packet with so many bytes of UDP payload leaves; returns its transport-wide sequence
    /// number.
    pub fn sent(&mut self, now: Instant, bytes: usize) -> u16 {
        self.leaves(now, bytes, false)
    }

    /// A packet of the running probe leaves.
    pub(crate) fn sent_probe(&mut self, now: Instant, bytes: usize) -> u16 {
        self.leaves(now, bytes, true)
    }

    fn leaves(&mut self, now: Instant, bytes: usize, is_probe: bool) -> u16 {
        let now = self.micros(now);
        let bytes = u16::try_from(bytes.saturating_add(HEADERS)).unwrap_or(u16::MAX);
        self.unheard.get_or_insert(now);
        let probe = self.probes.sent(now, bytes, is_probe);
        self.sent.push(now, bytes, probe)
    }

    /// RTCP tells the round trip.
    pub(crate) fn round_trip(&mut self, trip: Duration) {
        self.trip = i64::try_from(trip.as_micros()).unwrap_or(TRIP_MOST).min(TRIP_MOST);
        self.trip_is_told = true;
    }

    /// What to send so that the estimate can reach `wanted` bits per second, if it should be sent
    /// now. Each packet of it is to be told of by [`Self::sent_probe`].
    pub(crate) fn probe(&mut self, now: Instant, wanted: u64) -> Option<Probe> {
        let now = self.micros(now);
        let bitrate = self.bitrate() as f64;
        self.probes.finish(now, bitrate, self.trip);
        let heard = self.unheard.is_none_or(|since| now - since < SILENCE);
        let free = !self.congested && heard && self.delay.queued() < QUEUE;
        free.then(|| self.probes.ask(now, bitrate, wanted.min(ESTIMATE_MOST) as f64)).flatten()
    }

    /// When [`Self::tick`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let due = u64::try_from(self.unheard? + SILENCE + self.trip).ok()?;
        self.began.checked_add(Duration::from_micros(due))
    }

    /// Time passes. If packets leave and nothing is heard of them, the line is held to take less.
    pub(crate) fn tick(&mut self, now: Instant) {
        let now = self.micros(now);
        if self.unheard.is_some_and(|since| now - since >= SILENCE + self.trip) {
            self.doubt(now, (self.rate.clone(), self.limited));
            self.rate.halve();
            self.probes.cut(now);
            (self.congested, self.limited) = (true, true);
            self.unheard = None;
        }
    }

    /// The viewer reports what arrived.
    pub fn feedback(&mut self, now: Instant, arrivals: impl Iterator<Item = Arrival>) {
        let now = self.micros(now);
        let (mut newest, mut heard) = (None, false);
        for Arrival { sequence, at } in arrivals {
            if let Some(at) = at {
                newest = self.arrived(now, sequence, at).or(newest);
            } else if let Some(probe) = self.sent.missing(sequence) {
                self.loss.missing();
                self.probes.missing(probe);
                heard = true;
            }
        }
        if let Some(newest) = newest {
            self.measure_trip(now - newest.sent);
            self.adapt(now, newest);
        }
        if heard || newest.is_some() {
            self.unheard = None;
            self.conclude(now);
        }
    }

    /// One packet arrived. Only what is heard of it first counts.
    fn arrived(&mut self, now: i64, sequence: u16, at: i64) -> Option<Newest> {
        let packet = self.sent.arrived(now, sequence)?;
        self.loss.arrived(packet.was_missing);
        let at = self.clock.read(packet.at, at).unwrap_or_else(|| {
            (self.trend, self.delay, self.acked) = (Trend::new(), Delay::new(), Acked::new());
            0
        });
        self.probes.arrived(&packet, at);
        self.delay.arrival(packet.at, at);
        if let Some((doubt, ..)) = &mut self.doubt {
            doubt.arrival((packet.at, at), self.delay.queued(), packet.bytes);
        }
        self.acked.arrival(at, packet.bytes);
        self.trend.arrival(packet.at, at);
        Some(Newest { sequence, sent: packet.at })
    }

    /// Without RTCP, the round trip is held to be what the newest packets took to be reported.
    fn measure_trip(&mut self, trip: i64) {
        if !self.trip_is_told {
            self.trip += (trip.clamp(0, TRIP_MOST) - self.trip) / TRIP_SHARE;
        }
    }

    /// Follows the delays (section 5).
    fn adapt(&mut self, now: i64, newest: Newest) {
        let last = self.acked.last();
        let line = self.takes(BUSY.1);
        let lasts = last - self.delay.busy() >= LASTING;
        // A line that wavers trends as well, by a little.
        let is_long = self.delay.queued() >= SURE.max((2 * self.delay.usual()).min(SURE_MOST));
        let over = self.trend.usage() == Usage::Over && lasts && is_long;
        self.congested = over || self.fills(now, newest);
        self.settle(now);
        let usage = match (self.congested, self.trend.usage()) {
            (true, _) => Usage::Over,
            (false, Usage::Under) => Usage::Under,
            // A long queue has to drain first.
            (false, _) if self.delay.queued() > QUEUE => Usage::Under,
            (false, _) => Usage::Normal,
        };
        self.rate.update(now, usage, self.acked.rate(last - ACKED, 0), self.trip);
        let before = (self.rate.clone(), self.limited);
        if self.congested && line.is_some_and(|line| self.rate.overuse(line)) {
            self.doubt(now, before);
            self.probes.cut(now);
            self.trend.restart();
        }
    }

    /// The estimate was cut, perhaps without need.
    fn doubt(&mut self, now: i64, (rate, limited): (Rate, bool)) {
        if self.doubt.is_none() {
            let left = self.sent.rate(now, LEFT);
            let arrived = self.acked.rate(self.acked.last() - ACKED, 0).unwrap_or(0.0);
            let newest = (self.delay.queued(), self.acked.last());
            let doubt = Doubt::new(now, left.max(arrived), self.delay.usual(), newest);
            self.doubt = Some((doubt, rate, limited));
        }
    }

    /// Takes a cut back that was a mistake.
    fn settle(&mut self, now: i64) {
        let Some((doubt, rate, limited)) = &self.doubt else { return };
        let Some(was_mistake) = doubt.verdict(now) else { return };
        if was_mistake && !self.congested && !self.loss.is_many() {
            (self.rate, self.limited) = (rate.clone(), *limited);
        }
        self.doubt = None;
    }

    /// Whether what left while the newest packet waited makes the queue grow much, at the rate at
    /// which the line was seen to take packets. The trend would tell one or two reports later.
    fn fills(&self, now: i64, newest: Newest) -> bool {
        let queued = self.delay.queued();
        if queued < SURE.max(2 * self.delay.usual()) {
            return false;
        }
        let Some(line) = self.takes(BUSY.0) else { return false };
        let behind = self.sent.behind(now, newest.sequence, newest.sent + queued);
        let waits = (f64::from(behind) * 8e6 / line.max(1.0)) as i64;
        waits > QUEUE && waits > queued + QUEUE_GROWTH
    }

    /// How fast packets arrived in the newest microseconds, as far as the line was busy, in bits
    /// per second. A pause before that would hide what it takes.
    fn takes(&self, window: i64) -> Option<f64> {
        let busy = self.delay.busy() + ARRIVAL_RUN_MICROS;
        self.acked.rate(busy.max(self.acked.last() - window), BUSY_BYTES)
    }

    /// Follows losses (section 6) and probes.
    fn conclude(&mut self, now: i64) {
        if self.loss.update(now, self.rate.bitrate(), self.trip) {
            self.probes.cut(now);
        }
        self.congested |= self.loss.is_many();
        self.limited |= self.congested;
        let bitrate = self.bitrate() as f64;
        if let Some(shown) = self.probes.finish(now, bitrate, self.trip) {
            self.rate.raise(shown);
            self.loss.raise(shown);
        }
    }

    fn micros(&self, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.began);
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}
