//! Threads whose CPU time others read, each on a CPU of its choice. It knows not what they do.

use std::fs;
use std::time::Duration;

use rustix::thread::CpuSet;

/// A thread whose CPU time others can read.
#[derive(Debug, Clone, Copy)]
pub struct Thread(i32);

impl Thread {
    /// The calling one, which stays on this CPU from now on, if there is such a one: to wake a
    /// thread of another CPU costs what the machine's owner has put between them.
    pub fn on(cpu: usize) -> Self {
        let mut cpus = CpuSet::new();
        cpus.set(cpu);
        rustix::thread::sched_setaffinity(None, &cpus).ok();
        Thread(rustix::thread::gettid().as_raw_nonzero().get())
    }

    /// The time that it has been on a CPU, as the scheduler counts.
    pub fn cpu(self) -> Duration {
        let path = format!("/proc/self/task/{}/schedstat", self.0);
        let text = fs::read_to_string(path).expect("Linux tells of living threads");
        let nanoseconds = text.split(' ').next().and_then(|word| word.parse().ok());
        Duration::from_nanos(nanoseconds.expect("the first word is a number"))
    }
}
