//! Tells from the times of sending and of arrival whether a queue on the line grows
//! (draft-ietf-rmcat-gcc-02 sections 5.1 to 5.4). It does not know rates, nor how long the queue
//! is. The filter of section 5.3 is the fitted line of libwebrtc (`TrendlineEstimator`), which took
//! the place of the Kalman filter there.

use crate::limits::TREND_GROUPS;

/// Packets sent within so many microseconds are one group (section 5.2: `burst_time`).
const BURST: i64 = 5_000;
/// Nor does a group that a line let go at once last longer, in microseconds
/// (libwebrtc `kMaxBurstDuration`).
const BURST_MOST: i64 = 100_000;
/// How much of the smoothed delay remains with each group (`kDefaultTrendlineSmoothingCoeff`).
const SMOOTHING: f64 = 0.9;
/// What the slope is multiplied by (`kDefaultTrendlineThresholdGain`).
const GAIN: f64 = 4.0;
/// The count of groups by which it is multiplied too, at most (`kMinNumDeltas`).
const COUNT_MOST: u32 = 60;
/// The threshold at first, in milliseconds (section 5.6: `del_var_th(0)`).
const THRESHOLD: f64 = 12.5;
/// Within what it stays, in milliseconds (section 5.4).
const THRESHOLD_RANGE: (f64, f64) = (6.0, 600.0);
/// How fast it rises and falls, per millisecond (section 5.4: `K_u` and `K_d`; the values are those
/// of libwebrtc, where the fitted line needs faster ones).
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
/// A value so far above the threshold does not move it, in milliseconds (section 5.4).
const OUTLIER: f64 = 15.0;
/// The longest time for which it moves at once, in milliseconds (libwebrtc `kMaxTimeDeltaMs`).
const STEP_MOST: f64 = 100.0;
/// How long the value has to be above it, in milliseconds (section 5.6: `overuse_time_th`).
const OVERUSE_TIME: f64 = 10.0;

/// What the line's queue does (section 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    Under,
    Normal,
    Over,
}

/// Packets that left, or arrived, at once; times in microseconds.
#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_at: i64,
    last_at: i64,
}

impl Group {
    /// Whether a packet is of this group (section 5.2).
    fn takes(&self, sent: i64, at: i64) -> bool {
        let arrival = at - self.last_at;
        let catches_up = arrival < sent - self.last_sent;
        let burst = catches_up && arrival <= BURST && at - self.first_at < BURST_MOST;
        sent - self.first_sent <= BURST || burst
    }
}

/// The filter and the detector.
#[derive(Debug)]
pub(super) struct Trend {
    group: Option<Group>,
    before: Option<Group>,
    /// Times of arrival and smoothed delays, in milliseconds; a ring.
    points: [(f64, f64); TREND_GROUPS],
    /// How many groups were seen, up to [`COUNT_MOST`].
    count: u32,
    /// How many points there are, and where the next one goes.
    held: usize,
    next: usize,
    /// The sum of all changes of the delay, in milliseconds.
    delay: f64,
    smoothed: f64,
    slope: f64,
    threshold: f64,
    /// When the threshold moved last, in milliseconds.
    moved: Option<f64>,
    /// For how long the value has been above the threshold, in milliseconds, and how often.
    over: Option<(f64, u32)>,
    usage: Usage,
}

impl Trend {
    pub(super) fn new() -> Self {
        Trend {
            group: None,
            before: None,
            points: [(0.0, 0.0); TREND_GROUPS],
            count: 0,
            held: 0,
            next: 0,
            delay: 0.0,
            smoothed: 0.0,
            slope: 0.0,
            threshold: THRESHOLD,
            moved: None,
            over: None,
            usage: Usage::Normal,
        }
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// The estimate was cut, so only groups from here on tell whether that was enough. Otherwise
    /// one step of the delay would cut it again and again until the line is fitted without it.
    pub(super) fn restart(&mut self) {
        (self.held, self.slope) = (0, 0.0);
        (self.over, self.usage) = (None, Usage::Normal);
    }

    /// A packet arrived; times in microseconds of both clocks.
    pub(super) fn arrival(&mut self, sent: i64, at: i64) {
        let new = Group { first_sent: sent, last_sent: sent, first_at: at, last_at: at };
        let Some(group) = &mut self.group else {
            self.group = Some(new);
            return;
        };
        if sent < group.first_sent {
            return;
        }
        if group.takes(sent, at) {
            group.last_sent = group.last_sent.max(sent);
            group.last_at = group.last_at.max(at);
            return;
        }
        let group = std::mem::replace(group, new);
        if let Some(before) = self.before.replace(group) {
            let sent = (group.last_sent - before.last_sent) as f64 / 1000.0;
            let arrived = (group.last_at - before.last_at) as f64 / 1000.0;
            self.fit(sent, arrived, group.last_at as f64 / 1000.0);
        }
    }

    /// Two groups are so many milliseconds apart (section 5.1: `d(i)`).
    fn fit(&mut self, sent: f64, arrived: f64, at: f64) {
        self.delay += arrived - sent;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.delay;
        self.points[self.next] = (at, self.smoothed);
        self.next = (self.next + 1) % TREND_GROUPS;
        self.held = (self.held + 1).min(TREND_GROUPS);
        self.count = (self.count + 1).min(COUNT_MOST);
        let before = self.slope;
        if self.held == TREND_GROUPS {
            self.slope = slope(&self.points).unwrap_or(before);
        }
        let value = f64::from(self.count) * self.slope * GAIN;
        self.detect(value, sent, self.slope >= before);
        self.adapt(value, at);
    }

    /// Compares the value with the threshold (section 5.4).
    fn detect(&mut self, value: f64, sent: f64, grows: bool) {
        if value > self.threshold {
            let (time, count) = self.over.map_or((sent / 2.0, 1), |(t, n)| (t + sent, n + 1));
            self.over = Some((time, count));
            if time > OVERUSE_TIME && count > 1 && grows {
                self.over = None;
                self.usage = Usage::Over;
            }
        } else {
            self.over = None;
            self.usage = if value < -self.threshold { Usage::Under } else { Usage::Normal };
        }
    }

    /// Moves the threshold towards the value (section 5.4), so that other flows on the line do not
    /// starve this one.
    fn adapt(&mut self, value: f64, at: f64) {
        let step = (at - self.moved.replace(at).unwrap_or(at)).clamp(0.0, STEP_MOST);
        let above = value.abs() - self.threshold;
        if above > OUTLIER {
            return;
        }
        let speed = if above < 0.0 { THRESHOLD_DOWN } else { THRESHOLD_UP };
        let (least, most) = THRESHOLD_RANGE;
        self.threshold = (self.threshold + speed * above * step).clamp(least, most);
    }
}

/// The slope of the line of least squares through all points, unless they are at one time.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (x / count, y / count);
    let across: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let square: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (square > 0.0).then(|| across / square)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of two packets 20 ms apart whose delay changes by so many microseconds each time.
    fn usages(change: i64) -> Vec<Usage> {
        let mut trend = Trend::new();
        let usage = |step: i64| {
            let (sent, at) = (step * 20_000, 70_000_000 + step * (20_000 + change));
            trend.arrival(sent, at);
            trend.arrival(sent + 1000, at + 1000);
            trend.usage()
        };
        (0..60).map(usage).collect()
    }

    #[test]
    fn growing_and_falling_delays_are_told() {
        assert!(usages(0).iter().all(|usage| *usage == Usage::Normal));
        assert!(usages(2000).contains(&Usage::Over));
        assert!(!usages(2000).contains(&Usage::Under));
        assert!(usages(-2000).contains(&Usage::Under));
        assert!(!usages(-2000).contains(&Usage::Over));
    }

    #[test]
    fn one_time_has_no_slope() {
        assert_eq!(slope(&[(1.0, 2.0), (1.0, 3.0)]), None);
        assert_eq!(slope(&[(1.0, 2.0), (2.0, 4.0)]), Some(2.0));
    }
}
