//! What a publisher's own connection tells of its uplink, by str0m's Google congestion control, and
//! what its camera makes of it. It does not know which layers that leaves.

use std::time::{Duration, Instant};

use str0m::RtcConfig;
use str0m::bwe::Bitrate;
use str0m::media::MediaKind;
use str0m::stats::PeerStats;

use super::{FIRST_SEQUENCE, Peer};
use crate::camera::Camera;

/// What libwebrtc begins with, in bit/s.
const FIRST: u64 = 300_000;
/// The share of repairs in what is sent, at most: they shall not fill a line that is full already.
pub(super) const REPAIRS: f32 = 0.15;
/// Of packets, above which repairs have their share set aside (libwebrtc's loss estimate ignores
/// less).
const LOSSY: f32 = 0.02;
/// How much longer than ever before a round trip may take while padding looks for more: what fills
/// the line's queue has to get out first.
const CALM: Duration = Duration::from_millis(50);
/// How often the estimate is looked at: as often as the nodes' feedback comes. The event that
/// str0m makes of it is a mean of three seconds, which browsers do not wait for.
const LOOK: Duration = Duration::from_millis(50);
/// Between two packets: str0m goes by the order of a hash map where two layers were sent at the
/// same time.
const APART: Duration = Duration::from_micros(1);

/// The same configuration for a peer whose camera follows its uplink, of which nothing is known
/// yet.
pub(super) fn watched(config: RtcConfig, camera: &mut Camera) -> RtcConfig {
    camera.afford(FIRST);
    config.enable_bwe(Some(Bitrate::from(FIRST))).set_stats_interval(Some(LOOK))
}

/// What was told of an uplink.
#[derive(Debug)]
pub(super) struct Uplink {
    /// When str0m was told of the time last.
    moment: Instant,
    /// The shortest round trip.
    round_trip: Duration,
}

impl Uplink {
    /// Nothing was told yet.
    pub(super) fn new(now: Instant) -> Self {
        Uplink { moment: now, round_trip: Duration::MAX }
    }
}

impl Peer {
    /// Whether its camera follows its uplink.
    pub(super) fn adapts(&self) -> bool {
        self.camera.as_ref().is_some_and(Camera::adapts)
    }

    /// What str0m is told that the time is.
    pub(super) fn moment(&mut self, now: Instant) -> Instant {
        if self.adapts() {
            self.uplink.moment = now.max(self.uplink.moment + APART);
            return self.uplink.moment;
        }
        now
    }

    /// The connection tells what it takes. Where a layer is off, padding fills the line up to what
    /// that needs, as libwebrtc does, since only what is sent can be measured; but not until the
    /// first picture, of whose packets padding is made.
    pub(super) fn afford(&mut self, stats: &PeerStats) {
        let filmed = self
            .tracks
            .iter()
            .any(|track| track.kind == MediaKind::Video && track.sequences[0] > FIRST_SEQUENCE);
        let Some(camera) = self.camera.as_mut().filter(|camera| camera.adapts() && filmed) else {
            return;
        };
        let Some(line) = stats.bwe_tx.map(|line| line.as_u64()) else { return };
        let is_lossy = stats.egress_loss_fraction.is_some_and(|lost| lost > LOSSY);
        let repairs = if is_lossy { (line as f32 * REPAIRS) as u64 } else { 0 };
        camera.afford(line - repairs);
        let shortest = self.uplink.round_trip.min(stats.rtt.unwrap_or(Duration::MAX));
        self.uplink.round_trip = shortest;
        let is_calm = stats.rtt.is_some_and(|took| took - shortest < CALM);
        let encoders = camera.encoders();
        let next = if is_calm { encoders.next() } else { 0 };
        self.rtc.bwe().set_bitrate(next.into(), encoders.all().into());
    }
}
