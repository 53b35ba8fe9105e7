//! What a piece of work costs its thread: CPU time, allocations, memory. It knows no node.

use std::alloc::System;
use std::ops::AddAssign;
use std::time::Duration;

use nix::time::ClockId;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts for every benchmark; a handful of nanoseconds per allocation.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Pairs of readings from which the clock's own cost is taken.
const READINGS: usize = 10_000;

/// What some work cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// CPU time of this thread.
    pub cpu: Duration,
    /// Blocks of memory that were asked for or made larger.
    pub allocations: usize,
    /// Bytes of heap that it kept; negative if it freed more.
    pub kept: isize,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.cpu += other.cpu;
        self.allocations += other.allocations;
        self.kept += other.kept;
    }
}

/// Measures work on one thread, without what the measuring costs.
#[derive(Debug)]
pub struct Meter {
    overhead: Duration,
}

impl Meter {
    /// A meter that has measured itself.
    pub fn new() -> Self {
        let pairs = (0..READINGS).map(|_| {
            let start = thread_time();
            thread_time() - start
        });
        Meter { overhead: pairs.min().unwrap_or_default() }
    }

    /// Does the work, which must not leave this thread, and tells its cost.
    pub fn measure(&self, work: impl FnOnce()) -> Cost {
        let before = INSTRUMENTED_SYSTEM.stats();
        let start = thread_time();
        measured(work);
        let cpu = (thread_time() - start).saturating_sub(self.overhead);
        let after = INSTRUMENTED_SYSTEM.stats() - before;
        Cost {
            cpu,
            allocations: after.allocations + after.reallocations,
            kept: after.bytes_allocated.cast_signed() - after.bytes_deallocated.cast_signed(),
        }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Meter::new()
    }
}

/// What is measured runs in here and nothing else does; callgrind finds it by this name.
#[inline(never)]
fn measured(work: impl FnOnce()) {
    work();
}

/// By libc: rustix would ask the kernel's clock page, which valgrind hides.
fn thread_time() -> Duration {
    ClockId::CLOCK_THREAD_CPUTIME_ID.now().expect("every thread has a clock").into()
}
