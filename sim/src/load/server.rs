//! The server's process as this machine tells it: its CPU time and its memory. It knows not what it
//! serves.

use std::time::Duration;

use farcast_adapters::host;

/// What a process has used so far, and uses now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    /// User and system time.
    pub(super) cpu: Duration,
    /// Bytes of memory.
    pub(super) memory: u64,
}

/// The process under test, if there is one to look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server(Option<u32>);

impl Server {
    /// The process with this number; it must be there.
    pub(super) fn new(pid: Option<u32>) -> Result<Server, String> {
        let server = Server(pid);
        match pid {
            Some(_) if !cfg!(target_os = "linux") => {
                Err("--pid needs Linux, where /proc tells what processes use".to_owned())
            }
            Some(pid) if server.usage().is_none() => Err(format!(
                "there is no process {pid} on this machine; --pid takes the server's number"
            )),
            _ => Ok(server),
        }
    }

    /// What it uses; `None` if nobody asked, or if it is gone.
    pub(super) fn usage(self) -> Option<Usage> {
        let Server(pid) = self;
        let (cpu, memory) = (host::cpu_time_of(pid?)?, host::memory_of(pid?)?);
        Some(Usage { cpu, memory })
    }
}

#[cfg(all(test, target_os = "linux"))]
#[test]
fn a_process_that_is_there_is_measured_and_another_one_is_refused() {
    let usage = Server::new(Some(std::process::id())).map(Server::usage);
    assert!(usage.is_ok_and(|usage| usage.is_some_and(|usage| usage.memory > 1 << 20)));
    let why = Server::new(Some(u32::MAX)).map(|_| ()).expect_err("there are fewer processes");
    assert!(why.contains("--pid"), "{why}");
    assert_eq!(Server::new(None).map(Server::usage), Ok(None));
}
