//! What a run came to, in numbers: those of all sessions together, and what a packet cost the
//! server. It measures nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::conduct::{Mark, Outcome};
use super::crew::Report;
use super::spread::Spread;
use super::tally::Tally;

/// Beyond that share of our cores, or with timers so late, figures may be our own.
const BUSY: f64 = 0.8;
const LATE: Duration = Duration::from_millis(10);

/// The numbers of a run. Times are in milliseconds, shares in percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Figures {
    pub(super) publishers: People,
    pub(super) viewers: People,
    /// Viewers who saw a picture.
    pub(super) saw_picture: usize,
    /// How long the server and we were measured: while all of them watched.
    pub(super) seconds: f64,
    pub(super) interrupted: bool,
    pub(super) first_packet_ms: Times,
    pub(super) first_frame_ms: Times,
    /// Since ICE and DTLS were done.
    pub(super) first_frame_after_dtls_ms: Times,
    pub(super) latency_ms: Times,
    /// Packets that should have come to viewers.
    pub(super) packets: u64,
    /// Those of them that never came, after repair.
    pub(super) lost: u64,
    pub(super) loss_percent: f64,
    pub(super) freezes: u64,
    pub(super) freezes_per_viewer_minute: f64,
    /// Of all viewers, and of the one with the fewest.
    pub(super) frames_per_second: Option<Rate>,
    /// What publishers were asked for, all of them together.
    pub(super) keyframes_asked: u64,
    pub(super) server: Option<Cost>,
    pub(super) tester: Tester,
}

/// How far people came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct People {
    pub(super) wanted: usize,
    pub(super) asked: usize,
    pub(super) connected: usize,
    pub(super) failed: usize,
    /// Why, the commonest first.
    pub(super) reasons: Vec<Reason>,
}

/// Why sessions failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Reason {
    pub(super) count: usize,
    pub(super) reason: String,
}

/// How long something took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Times {
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) max: Option<f64>,
}

/// Frames a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Rate {
    pub(super) mean: f64,
    pub(super) lowest: f64,
}

/// What it cost the server.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Cost {
    /// User and system time for a packet that came to a viewer, while all watched.
    pub(super) cpu_us_per_packet: Option<f64>,
    /// Of one core.
    pub(super) cpu_percent: f64,
    pub(super) memory_before: u64,
    pub(super) memory_at_end: u64,
    pub(super) memory_per_viewer: Option<i64>,
}

/// How the load tester itself did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Tester {
    pub(super) cores: usize,
    /// Of all of them.
    pub(super) cpu_percent: f64,
    /// How late the timers of its busiest thread were.
    pub(super) timers_late_p99_ms: f64,
    /// Whether latency may be its own, rather than the server's.
    pub(super) is_bottleneck: bool,
}

impl Figures {
    /// Of a run with so many publishers and viewers.
    pub(super) fn new(outcome: &Outcome, publishers: usize, viewers: usize) -> Figures {
        let tallies: Vec<&Tally> = tallies(&outcome.viewers).collect();
        let mut latency = Spread::default();
        outcome.viewers.iter().for_each(|report| latency.merge(&report.latency));
        let since = |from: Moment, to: Moment| {
            let times = tallies.iter().filter_map(|t| Some(to(t)?.saturating_sub(from(t)?)));
            Times::new(&times.collect())
        };
        let (packets, lost) = tallies
            .iter()
            .map(|tally| tally.packets())
            .fold((0, 0), |(packets, lost), (more, gone)| (packets + more, lost + gone));
        let freezes = tallies.iter().map(|tally| tally.freezes).sum::<u64>();
        let watched = tallies.iter().map(|tally| tally.watched().as_secs_f64()).sum::<f64>();
        let (from, to) = outcome.steady;
        let viewers = People::new(viewers, tallies.iter().copied());
        Figures {
            publishers: People::new(publishers, self::tallies(&outcome.publishers)),
            saw_picture: tallies.iter().filter(|tally| tally.first_frame.is_some()).count(),
            seconds: round((to.at - from.at).as_secs_f64(), 1),
            interrupted: outcome.interrupted,
            first_packet_ms: since(|tally| Some(tally.asked), |tally| tally.first_packet),
            first_frame_ms: since(|tally| Some(tally.asked), |tally| tally.first_frame),
            first_frame_after_dtls_ms: since(|tally| tally.connected, |tally| tally.first_frame),
            latency_ms: Times::new(&latency),
            packets,
            lost,
            loss_percent: round(ratio(lost as f64 * 100.0, packets as f64).unwrap_or(0.0), 4),
            freezes,
            freezes_per_viewer_minute: round(
                ratio(freezes as f64 * 60.0, watched).unwrap_or(0.0),
                3,
            ),
            frames_per_second: Rate::new(&tallies),
            keyframes_asked: self::tallies(&outcome.publishers).map(|t| t.keyframes_asked).sum(),
            server: Cost::new(outcome.before, from, to, viewers.connected),
            tester: Tester::new(outcome),
            viewers,
        }
    }

    /// Whether all viewers connected and got a picture.
    pub(super) fn is_good(&self) -> bool {
        self.viewers.connected == self.viewers.wanted && self.saw_picture == self.viewers.wanted
    }
}

type Moment = fn(&Tally) -> Option<Duration>;

fn tallies(reports: &[Report]) -> impl Iterator<Item = &Tally> {
    reports.iter().flat_map(|report| &report.tallies)
}

impl People {
    fn new<'a>(wanted: usize, tallies: impl Iterator<Item = &'a Tally>) -> People {
        let (mut asked, mut connected) = (0, 0);
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for tally in tallies {
            asked += 1;
            connected += usize::from(tally.connected.is_some());
            tally.failure.iter().for_each(|why| *reasons.entry(why).or_default() += 1);
        }
        let reason = |(reason, count): (&str, usize)| Reason { count, reason: reason.to_owned() };
        let mut reasons: Vec<Reason> = reasons.into_iter().map(reason).collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
        let failed = reasons.iter().map(|reason| reason.count).sum();
        People { wanted, asked, connected, failed, reasons }
    }
}

impl Times {
    fn new(spread: &Spread) -> Times {
        let ms = |time: Option<Duration>| time.map(ms);
        Times { p50: ms(spread.at(0.5)), p99: ms(spread.at(0.99)), max: ms(spread.longest()) }
    }
}

impl Rate {
    fn new(tallies: &[&Tally]) -> Option<Rate> {
        let rates: Vec<f64> = tallies.iter().filter_map(|tally| tally.frame_rate()).collect();
        let lowest = rates.iter().copied().reduce(f64::min)?;
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        Some(Rate { mean: round(mean, 2), lowest: round(lowest, 2) })
    }
}

impl Cost {
    fn new(before: Mark, from: Mark, to: Mark, viewers: usize) -> Option<Cost> {
        let (idle, begin, end) = (before.server?, from.server?, to.server?);
        let cpu = end.cpu.saturating_sub(begin.cpu).as_secs_f64();
        let packets = to.packets - from.packets;
        let seconds = (to.at - from.at).as_secs_f64();
        let more = end.memory.cast_signed() - idle.memory.cast_signed();
        Some(Cost {
            cpu_us_per_packet: ratio(cpu * 1e6, packets as f64).map(|cost| round(cost, 3)),
            cpu_percent: round(ratio(cpu * 100.0, seconds).unwrap_or(0.0), 1),
            memory_before: idle.memory,
            memory_at_end: end.memory,
            memory_per_viewer: more.checked_div(viewers.try_into().unwrap_or(0)),
        })
    }
}

impl Tester {
    fn new(outcome: &Outcome) -> Tester {
        let (from, to) = outcome.steady;
        let most = (to.at - from.at).as_secs_f64() * outcome.cores as f64;
        let used = ratio((to.own - from.own).as_secs_f64(), most).unwrap_or(0.0);
        let threads = outcome.viewers.iter().chain(&outcome.publishers);
        let late = threads.filter_map(|thread| thread.lateness.at(0.99)).max().unwrap_or_default();
        Tester {
            cores: outcome.cores,
            cpu_percent: round(used * 100.0, 1),
            timers_late_p99_ms: ms(late),
            is_bottleneck: used > BUSY || late > LATE,
        }
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn ms(time: Duration) -> f64 {
    round(time.as_secs_f64() * 1e3, 3)
}

fn round(figure: f64, digits: i32) -> f64 {
    let unit = 10_f64.powi(digits);
    (figure * unit).round() / unit
}

#[cfg(test)]
mod tests;
