//! What the threads of a run tell each other while it lasts: how many have come how far, and
//! whether it is time to leave.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The publishers of a run, or its viewers.
#[derive(Debug)]
pub(super) struct Crowd {
    start: Instant,
    connected: AtomicUsize,
    settled: AtomicUsize,
    packets: AtomicU64,
    leaves: AtomicBool,
}

impl Crowd {
    /// Nobody yet, in a run that began then.
    pub(super) fn new(start: Instant) -> Crowd {
        Crowd {
            start,
            connected: AtomicUsize::new(0),
            settled: AtomicUsize::new(0),
            packets: AtomicU64::new(0),
            leaves: AtomicBool::new(false),
        }
    }

    /// When the run began.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// The time since then.
    pub(super) fn time(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    /// Somebody has connected.
    pub(super) fn connect(&self) {
        self.connected.fetch_add(1, Relaxed);
    }

    /// Somebody has got what they came for, or given up.
    pub(super) fn settle(&self) {
        self.settled.fetch_add(1, Relaxed);
    }

    /// So many packets came.
    pub(super) fn receive(&self, packets: usize) {
        self.packets.fetch_add(packets as u64, Relaxed);
    }

    /// Everybody shall leave.
    pub(super) fn send_home(&self) {
        self.leaves.store(true, Relaxed);
    }

    /// Whether everybody shall leave.
    pub(super) fn leaves(&self) -> bool {
        self.leaves.load(Relaxed)
    }

    /// How many have connected so far.
    pub(super) fn connected(&self) -> usize {
        self.connected.load(Relaxed)
    }

    /// How many wait for nothing any more.
    pub(super) fn settled(&self) -> usize {
        self.settled.load(Relaxed)
    }

    /// How many packets came to all of them.
    pub(super) fn packets(&self) -> u64 {
        self.packets.load(Relaxed)
    }
}
