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
pub use strangers::Strangers;

use std::fs;
use std::time::Duration;

use rustix::thread::CpuSet;

/// A thread whose CPU time others can read.
#[derive(Debug, Clone, Copy)]
pub struct Thread(i32);

/// Who runs on which CPU: else what a wake-up costs is a matter of luck.
#[derive(Debug, Clone, Copy)]
pub enum Role {
    /// The load.
    Load,
    /// What carries it.
    Relay,
}

impl Thread {
    /// The calling one, which stays on its role's CPU from now on, if there are so many.
    pub fn current(role: Role) -> Self {
        let mut cpus = CpuSet::new();
        let _ = role;
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
