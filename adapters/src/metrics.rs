//! Counters and gauges made of reports and traffic, as text for Prometheus. It knows nothing of
//! HTTP.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use farcast_core::report::Report;

use crate::observer::{Observer, Traffic};

/// Everything that is counted on one core. Its driver alone writes; `/metrics` reads those of all
/// cores.
#[derive(Debug, Default)]
pub struct Metrics {
    counters: [AtomicU64; COUNTERS.len()],
    /// How often each other kind of report came, by its name.
    reports: Mutex<BTreeMap<&'static str, u64>>,
    /// The last value of each gauge, by its name.
    gauges: Mutex<BTreeMap<&'static str, u64>>,
}

/// What is counted for every burst.
const COUNTERS: [&str; 13] = [
    "forwarded_packets",
    "forwarded_bytes",
    "received_packets",
    "received_bytes",
    "stray_datagrams",
    "udp_datagrams_in",
    "udp_bytes_in",
    "udp_failed_reads",
    "udp_datagrams_out",
    "udp_bytes_out",
    "udp_dropped_runs",
    "udp_failed_runs",
    "dropped_words",
];

impl Metrics {
    /// Counts a report.
    pub fn count(&self, report: &Report) {
        match *report {
            Report::Forwarded { packets, bytes } => self.add(0, [packets, bytes]),
            Report::Received { packets, bytes } => self.add(2, [packets, bytes]),
            Report::Stray { datagrams } => self.add(4, [datagrams]),
            Report::Population { publishers, viewers, relays, connections, streams } => {
                open(&self.gauges).extend([
                    ("publishers", publishers),
                    ("viewers", viewers),
                    ("relays", relays),
                    ("connections", connections),
                    ("streams", streams),
                ]);
            }
            _ => *open(&self.reports).entry(report.name()).or_default() += 1,
        }
    }

    /// Adds traffic.
    pub fn carried(&self, traffic: &Traffic) {
        let Traffic {
            datagrams_in,
            bytes_in,
            failed_reads,
            datagrams_out,
            bytes_out,
            dropped_runs,
            failed_runs,
            dropped_words,
        } = *traffic;
        self.add(5, [datagrams_in, bytes_in, failed_reads]);
        self.add(8, [datagrams_out, bytes_out, dropped_runs, failed_runs, dropped_words]);
    }

    /// Adds to the counters from number `first` on. One thread writes, so nothing gets lost.
    fn add<const N: usize>(&self, first: usize, amounts: [u64; N]) {
        for (counter, amount) in self.counters[first..].iter().zip(amounts) {
            if amount > 0 {
                counter.store(counter.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
            }
        }
    }

    /// Everything of all cores in Prometheus' text format, version 0.0.4.
    pub fn render(all: &[Arc<Metrics>]) -> String {
        let mut text = String::new();
        for (number, name) in COUNTERS.iter().enumerate() {
            let of_one = |one: &Arc<Metrics>| one.counters[number].load(Ordering::Relaxed);
            line(
                &mut text,
                "counter",
                &format!("farcast_{name}_total"),
                all.iter().map(of_one).sum(),
            );
        }
        for (name, value) in sums(all.iter().map(|one| open(&one.reports))) {
            line(&mut text, "counter", &format!("farcast_{name}_total"), value);
        }
        for (name, value) in sums(all.iter().map(|one| open(&one.gauges))) {
            line(&mut text, "gauge", &format!("farcast_{name}"), value);
        }
        text
    }
}

type Amounts = BTreeMap<&'static str, u64>;

fn sums<'m>(all: impl Iterator<Item = MutexGuard<'m, Amounts>>) -> Amounts {
    let mut sums = Amounts::new();
    for one in all {
        one.iter().for_each(|(name, value)| *sums.entry(name).or_default() += value);
    }
    sums
}

fn open(amounts: &Mutex<Amounts>) -> MutexGuard<'_, Amounts> {
    amounts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observer for Arc<Metrics> {
    fn report(&mut self, _: Instant, report: &Report) {
        self.count(report);
    }

    fn traffic(&mut self, traffic: &Traffic) {
        self.carried(traffic);
    }
}

fn line(text: &mut String, kind: &str, name: &str, value: u64) {
    writeln!(text, "# TYPE {name} {kind}\n{name} {value}").expect("a string takes every line");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_and_traffic_become_counters_and_gauges() {
        let metrics = [Arc::new(Metrics::default()), Arc::default()];
        for metrics in &metrics {
            metrics.count(&Report::Forwarded { packets: 3, bytes: 300 });
            metrics.count(&Report::Unpublished { stream: "a".into(), epoch: 1 });
            metrics.carried(&Traffic { datagrams_out: 4, dropped_runs: 1, ..Traffic::default() });
        }
        for viewers in [9, 5] {
            let (publishers, relays, connections, streams) = (1, 0, 2, 1);
            metrics[0].count(&Report::Population {
                publishers,
                viewers,
                relays,
                connections,
                streams,
            });
        }
        let text = Metrics::render(&metrics);
        for expected in [
            "# TYPE farcast_forwarded_packets_total counter\nfarcast_forwarded_packets_total 6\n",
            "farcast_forwarded_bytes_total 600\n",
            "farcast_unpublished_total 2\n",
            "farcast_udp_datagrams_out_total 8\n",
            "farcast_udp_dropped_runs_total 2\n",
            "# TYPE farcast_viewers gauge\nfarcast_viewers 5\n",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert!(!text.contains("farcast_population_total"));
    }
}
