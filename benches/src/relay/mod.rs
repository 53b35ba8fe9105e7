//! A TURN server as a whole process would run it, and bare loops that do nothing but pass packets
//! on, under the same load: real sockets on loopback, each relay on a thread of its own.

mod bare;
mod client;
mod line;
mod server;
mod strangers;

pub use bare::Bare;
pub use client::Client;
pub use line::{Down, Line, Up};
pub use server::Server;
pub use strangers::{HOSTILE, Strangers};

use std::fs;
use std::time::Duration;

use rustix::thread::CpuSet;

/// A thread whose CPU time others can read.
#[derive(Debug, Clone, Copy)]
pub struct Thread(i32);

impl Thread {
    /// The calling one, which stays on the first CPU from now on, as all of them do: to wake a
    /// thread of another one costs what the machine's owner has put between them.
    pub fn current() -> Self {
        let mut cpus = CpuSet::new();
        cpus.set(0);
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
