//! Counters and gauges made of reports and traffic, as text for Prometheus. It knows nothing of
//! HTTP.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Instant;

use farcast_core::report::Report;

use crate::observer::{Observer, Traffic};

/// Everything that is counted. The driver's side writes, `/metrics` reads, both on one thread.
#[derive(Debug, Default)]
pub struct Metrics {
    forwarded: Amount,
    received: Amount,
    stray_datagrams: Cell<u64>,
    /// How often each other kind of report came, by its name.
    reports: RefCell<BTreeMap<&'static str, u64>>,
    /// The last value of each gauge, by its name.
    gauges: RefCell<BTreeMap<&'static str, u64>>,
    traffic: Cell<Traffic>,
}

#[derive(Debug, Default)]
struct Amount {
    packets: Cell<u64>,
    bytes: Cell<u64>,
}

impl Metrics {
    /// Counts a report.
    pub fn count(&self, report: &Report) {
        match *report {
            Report::Forwarded { packets, bytes } => self.forwarded.add(packets, bytes),
            Report::Received { packets, bytes } => self.received.add(packets, bytes),
            Report::Stray { datagrams } => add(&self.stray_datagrams, datagrams),
            Report::Population { publishers, viewers, relays, connections, streams } => {
                self.gauges.borrow_mut().extend([
                    ("publishers", publishers),
                    ("viewers", viewers),
                    ("relays", relays),
                    ("connections", connections),
                    ("streams", streams),
                ]);
            }
            _ => *self.reports.borrow_mut().entry(report.name()).or_default() += 1,
        }
    }

    /// Adds traffic.
    pub fn add(&self, traffic: &Traffic) {
        let mut sum = self.traffic.get();
        sum += *traffic;
        self.traffic.set(sum);
    }

    /// Everything in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        let traffic = self.traffic.get();
        let counters = [
            ("forwarded_packets", self.forwarded.packets.get()),
            ("forwarded_bytes", self.forwarded.bytes.get()),
            ("received_packets", self.received.packets.get()),
            ("received_bytes", self.received.bytes.get()),
            ("stray_datagrams", self.stray_datagrams.get()),
            ("udp_datagrams_in", traffic.datagrams_in),
            ("udp_bytes_in", traffic.bytes_in),
            ("udp_failed_reads", traffic.failed_reads),
            ("udp_datagrams_out", traffic.datagrams_out),
            ("udp_bytes_out", traffic.bytes_out),
            ("udp_dropped_runs", traffic.dropped_runs),
            ("udp_failed_runs", traffic.failed_runs),
        ];
        let mut text = String::new();
        let reports = self.reports.borrow();
        for (name, value) in counters.into_iter().chain(reports.iter().map(|(n, v)| (*n, *v))) {
            line(&mut text, "counter", &format!("farcast_{name}_total"), value);
        }
        for (name, value) in self.gauges.borrow().iter() {
            line(&mut text, "gauge", &format!("farcast_{name}"), *value);
        }
        text
    }
}

impl Observer for Rc<Metrics> {
    fn report(&mut self, _: Instant, report: &Report) {
        self.count(report);
    }

    fn traffic(&mut self, traffic: &Traffic) {
        self.add(traffic);
    }
}

impl Amount {
    fn add(&self, packets: u64, bytes: u64) {
        add(&self.packets, packets);
        add(&self.bytes, bytes);
    }
}

fn add(cell: &Cell<u64>, amount: u64) {
    cell.set(cell.get() + amount);
}

fn line(text: &mut String, kind: &str, name: &str, value: u64) {
    writeln!(text, "# TYPE {name} {kind}\n{name} {value}").expect("a string takes every line");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_and_traffic_become_counters_and_gauges() {
        let metrics = Metrics::default();
        for _ in 0..2 {
            metrics.count(&Report::Forwarded { packets: 3, bytes: 300 });
            metrics.count(&Report::Unpublished { stream: "a".into(), epoch: 1 });
            metrics.add(&Traffic { datagrams_out: 4, dropped_runs: 1, ..Traffic::default() });
        }
        for viewers in [9, 5] {
            let (publishers, relays, connections, streams) = (1, 0, 2, 1);
            metrics.count(&Report::Population {
                publishers,
                viewers,
                relays,
                connections,
                streams,
            });
        }
        let text = metrics.render();
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
