//! What the real machine is like: its addresses, and how much of it a process uses. It knows no
//! runtime and no node.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// Ticks a second in `/proc`: `USER_HZ` of Linux, the same on every architecture that we run on.
const TICKS: u64 = 100;

/// The IPs of the interfaces that are up, sorted.
pub(crate) fn interfaces() -> io::Result<Vec<IpAddr>> {
    let all = if_addrs::get_if_addrs()?;
    let mut ips: Vec<IpAddr> = all
        .iter()
        .filter(|one| one.is_oper_up() || one.is_loopback())
        .map(|one| one.ip())
        .collect();
    ips.sort_unstable();
    ips.dedup();
    Ok(ips)
}

/// The CPU time that this process has used, where there is a Linux `/proc`.
pub(crate) fn cpu_time() -> Option<Duration> {
    parse_stat(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// The CPU time that another process has used, where there is a Linux `/proc`.
pub fn cpu_time_of(pid: u32) -> Option<Duration> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Bytes of memory that another process has in use, where there is a Linux `/proc`.
pub fn memory_of(pid: u32) -> Option<u64> {
    parse_status(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// The resident set of a `status` file (proc(5)), in bytes.
fn parse_status(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// User and system time of a `stat` line (proc(5)): the 14th and 15th word. The second word is the
/// program's name in brackets, which may itself hold spaces and brackets.
fn parse_stat(line: &str) -> Option<Duration> {
    let (_, after_name) = line.rsplit_once(')')?;
    let mut words = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = words.next()?.parse().ok()?;
    let system: u64 = words.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_user_and_system_time_whatever_the_program_is_called() {
        let line = "7 (a ) b) S 1 7 7 0 -1 4194304 1 2 3 4 150 25 8 9 20 0 1 0 5 6 7";
        assert_eq!(parse_stat(line), Some(Duration::from_millis(1750)));
        assert_eq!(parse_stat("7 (short) S 1"), None);
    }

    #[test]
    fn memory_is_the_resident_set() {
        let text = "Name:\torigin\nVmSize:\t  9000 kB\nVmRSS:\t    1200 kB\nRssAnon:\t 7 kB\n";
        assert_eq!(parse_status(text), Some(1200 * 1024));
        assert_eq!(parse_status("Name:\tkthread\n"), None);
    }

    #[test]
    fn every_machine_has_an_address() {
        assert!(interfaces().unwrap().iter().any(IpAddr::is_loopback));
    }
}
