//! Who watches a driver: metrics, logs, tests. It knows nothing of how the driver works.

use std::ops::AddAssign;
use std::time::Instant;

use farcast_core::report::Report;

/// Hears what the driver did and what the machine reports.
pub trait Observer {
    /// The machine reported something.
    fn report(&mut self, now: Instant, report: &Report);

    /// UDP traffic since the last call; comes after each burst.
    fn traffic(&mut self, traffic: &Traffic);
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    fn report(&mut self, now: Instant, report: &Report) {
        self.0.report(now, report);
        self.1.report(now, report);
    }

    fn traffic(&mut self, traffic: &Traffic) {
        self.0.traffic(traffic);
        self.1.traffic(traffic);
    }
}

/// Amounts of UDP traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Their payload.
    pub bytes_in: u64,
    /// Reads that failed.
    pub failed_reads: u64,
    /// Datagrams that the kernel took.
    pub datagrams_out: u64,
    /// Their payload.
    pub bytes_out: u64,
    /// Runs that were dropped because the kernel had no room.
    pub dropped_runs: u64,
    /// Runs that were dropped because the kernel refused them.
    pub failed_runs: u64,
    /// What another core of the node could not be told, because too much waited there.
    pub dropped_words: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, more: Traffic) {
        self.datagrams_in += more.datagrams_in;
        self.bytes_in += more.bytes_in;
        self.failed_reads += more.failed_reads;
        self.datagrams_out += more.datagrams_out;
        self.bytes_out += more.bytes_out;
        self.dropped_runs += more.dropped_runs;
        self.failed_runs += more.failed_runs;
        self.dropped_words += more.dropped_words;
    }
}
