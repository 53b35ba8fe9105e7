//! Raises and lowers the estimate by what the line's queue does (draft-ietf-rmcat-gcc-02 section
//! 5.5). It does not know how that was detected, nor of losses.

use super::trend::Usage;
use crate::limits::{ESTIMATE_LEAST, ESTIMATE_MOST, ESTIMATE_START};

/// What remains of the measured rate upon overuse (section 5.6: `beta`).
const BETA: f64 = 0.85;
/// By what the estimate grows in a second, far from where it was cut (section 5.5: `eta`).
const ETA: f64 = 1.08;
/// The estimate may be so many times the acknowledged rate (section 5.5), and a bit more, in bits
/// per second, so that it can grow from nothing (libwebrtc `AimdRateControl::ChangeBitrate`).
const ACKED_FACTOR: f64 = 1.5;
const ACKED_MORE: f64 = 10_000.0;
/// How much of a new rate at a cut is taken into their mean (section 5.5 suggests 0.95 to remain).
const MEAN_SHARE: f64 = 0.05;
/// Within what the deviation of these rates stays, in kbit/s of square deviation by kbit/s of mean
/// (libwebrtc `LinkCapacityEstimator`).
const DEVIATION_RANGE: (f64, f64) = (0.4, 2.5);
/// So many deviations around the mean are near it (section 5.5).
const NEAR: f64 = 3.0;
/// The packet of which half is added per response time, in bits (section 5.5).
const PACKET: f64 = 1_200.0 * 8.0;
/// What the detector adds to a round trip, in microseconds (section 5.5: `response_time_ms`).
const RESPONSE: i64 = 100_000;
/// Near the mean the estimate grows by this at least, in bit/s per second (libwebrtc
/// `GetNearMaxIncreaseRateBpsPerSecond`).
const GROWTH_LEAST: f64 = 4_000.0;
/// The longest time that growth makes up for, in microseconds (section 5.5: `min(dt, 1.0)`).
const STEP_MOST: i64 = 1_000_000;

/// What is done with the estimate (section 5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
}

/// The controller.
#[derive(Debug, Clone)]
pub(super) struct Rate {
    /// In bits per second.
    bitrate: f64,
    state: State,
    /// When it was updated last, in microseconds.
    updated: i64,
    /// The mean of the rates at which it was cut, and its deviation, in kbit/s.
    mean: Option<f64>,
    deviation: f64,
    /// Whether it was ever cut.
    is_cut: bool,
}

impl Rate {
    pub(super) fn new() -> Self {
        Rate {
            bitrate: ESTIMATE_START as f64,
            state: State::Increase,
            updated: 0,
            mean: None,
            deviation: DEVIATION_RANGE.0,
            is_cut: false,
        }
    }

    pub(super) fn bitrate(&self) -> f64 {
        self.bitrate
    }

    /// Follows one report; `acked` is how fast packets arrived lately, in bits per second.
    pub(super) fn update(&mut self, now: i64, usage: Usage, acked: Option<f64>, trip: i64) {
        let step = (now - self.updated).clamp(0, STEP_MOST) as f64 / 1e6;
        self.updated = now;
        self.state = match (usage, self.state) {
            (Usage::Normal, State::Hold | State::Increase) => State::Increase,
            (Usage::Under | Usage::Over, _) => State::Hold,
        };
        if let (State::Increase, Some(acked)) = (self.state, acked) {
            self.increase(step, acked, trip);
        }
    }

    /// Grows for so many seconds.
    fn increase(&mut self, step: f64, acked: f64, trip: i64) {
        if self.bounds().is_some_and(|(_, most)| acked > most) {
            self.mean = None;
        }
        let grown = if self.mean.is_some() {
            let response = (trip + RESPONSE) as f64 / 1e6;
            self.bitrate + (0.5 * PACKET / response).max(GROWTH_LEAST) * step
        } else {
            self.bitrate * ETA.powf(step)
        };
        let most = ACKED_FACTOR * acked + ACKED_MORE;
        // Until the line has shown a limit, what arrives is what it takes.
        let shown = if self.is_cut { 0.0 } else { acked };
        self.set(grown.min(most).max(self.bitrate).max(shown));
    }

    /// Cuts the estimate by the rate that the line was measured to have while there was a queue, in
    /// bits per second; returns whether it fell. A line that is full takes its rate whatever is
    /// sent, so this can be repeated at once; libwebrtc, which measures the rate of any time, has
    /// to wait for a round trip.
    pub(super) fn overuse(&mut self, line: f64) -> bool {
        let target = BETA * line;
        if target >= self.bitrate {
            return false;
        }
        if self.bounds().is_some_and(|(least, _)| line < least) {
            self.mean = None;
        }
        self.is_cut = true;
        self.learn(line / 1000.0);
        let before = self.bitrate;
        self.set(target);
        self.bitrate < before
    }

    /// Takes a rate into the mean of those at which the estimate was cut, in kbit/s.
    fn learn(&mut self, line: f64) {
        let mean = self.mean.map_or(line, |mean| mean + MEAN_SHARE * (line - mean));
        let square = (mean - line).powi(2) / mean.max(1.0);
        let (least, most) = DEVIATION_RANGE;
        let deviation = self.deviation + MEAN_SHARE * (square - self.deviation);
        self.deviation = deviation.clamp(least, most);
        self.mean = Some(mean);
    }

    /// Between which rates is near the mean, in bits per second.
    fn bounds(&self) -> Option<(f64, f64)> {
        let mean = self.mean?;
        let away = NEAR * (self.deviation * mean).sqrt();
        Some(((mean - away) * 1000.0, (mean + away) * 1000.0))
    }

    /// The line was shown to take this rate.
    pub(super) fn raise(&mut self, bitrate: f64) {
        if bitrate > self.bitrate {
            if self.bounds().is_some_and(|(_, most)| bitrate > most) {
                self.mean = None;
            }
            self.set(bitrate);
        }
    }

    /// Nothing is heard from the line.
    pub(super) fn halve(&mut self) {
        self.set(self.bitrate / 2.0);
        self.state = State::Hold;
    }

    fn set(&mut self, bitrate: f64) {
        self.bitrate = bitrate.clamp(ESTIMATE_LEAST as f64, ESTIMATE_MOST as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_bounded_by_what_is_acknowledged() {
        let mut rate = Rate::new();
        for second in 1..100 {
            rate.update(second * 1_000_000, Usage::Normal, Some(1_000_000.0), 100_000);
        }
        assert_eq!(rate.bitrate(), 1_510_000.0);
        rate.update(101_000_000, Usage::Normal, Some(100_000.0), 100_000);
        rate.update(102_000_000, Usage::Normal, None, 100_000);
        assert_eq!(rate.bitrate(), 1_510_000.0);
    }

    #[test]
    fn what_arrives_counts_until_there_was_a_limit() {
        let mut rate = Rate::new();
        rate.update(1_000_000, Usage::Normal, Some(2_000_000.0), 100_000);
        assert_eq!(rate.bitrate(), 2_000_000.0);
        assert!(rate.overuse(1_000_000.0));
        rate.update(2_000_000, Usage::Under, Some(2_000_000.0), 100_000);
        rate.update(3_000_000, Usage::Normal, Some(2_000_000.0), 100_000);
        assert!(rate.bitrate() < 1_000_000.0, "{}", rate.bitrate());
    }

    #[test]
    fn growth_is_slow_near_where_it_was_cut() {
        let mut rate = Rate::new();
        rate.raise(4_000_000.0);
        assert!(rate.overuse(3_000_000.0));
        assert_eq!(rate.bitrate(), 2_550_000.0);
        assert!(!rate.overuse(3_000_000.0));
        assert_eq!(rate.bitrate(), 2_550_000.0);
        rate.update(2_000_000, Usage::Over, Some(2_500_000.0), 100_000);
        rate.update(3_000_000, Usage::Normal, Some(2_500_000.0), 100_000);
        assert_eq!(rate.bitrate(), 2_574_000.0);
        rate.update(4_000_000, Usage::Normal, Some(4_000_000.0), 100_000);
        assert_eq!(rate.bitrate(), 2_574_000.0 * ETA);
    }

    #[test]
    fn silence_halves_down_to_the_least() {
        let mut rate = Rate::new();
        for _ in 0..20 {
            rate.halve();
        }
        assert_eq!(rate.bitrate(), ESTIMATE_LEAST as f64);
    }
}
