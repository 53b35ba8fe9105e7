//! Does the kernel give a node what it asks for: socket buffers, open files, ports? Linux tells in
//! /proc; elsewhere nobody is asked.

use farcast_adapters::kernel::{BACKLOG, UDP_BUFFER};
use farcast_core::config::Config;
use farcast_core::limits;

use super::finding::Finding;

/// Files that a node has open beside connections: sockets, logs, certificates.
const OTHERS: u64 = 1_000;

/// Where Linux tells what this process may.
const LIMITS: &str = "/proc/self/limits";

/// Looks at the settings that `read` finds by their paths; `None` where there is no such file.
pub(super) fn check(config: &Config, read: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let Some(limits) = read(LIMITS) else {
        let what = "socket buffers and open files were not looked at: that is for Linux alone";
        return vec![Finding::unsure(what)];
    };
    let mut findings = vec![
        at_least("net.core.rmem_max", UDP_BUFFER as u64, &read),
        at_least("net.core.wmem_max", UDP_BUFFER as u64, &read),
        at_least("net.core.somaxconn", BACKLOG.unsigned_abs().into(), &read),
        open_files(&limits, files(config)),
    ];
    if let Some(ports) = config.turn.as_ref().and_then(|turn| turn.ports) {
        findings.push(own_ports(ports, &read));
    }
    findings
}

/// What Linux told of one of its settings.
pub(super) fn proc(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn at_least(name: &str, wanted: u64, read: &impl Fn(&str) -> Option<String>) -> Finding {
    match setting(name, read).and_then(|text| text.trim().parse::<u64>().ok()) {
        // Containers and network namespaces do not see all of them.
        None => Finding::unsure(format!("{name} cannot be read here; {wanted} is wanted")),
        Some(has) if has >= wanted => Finding::good(format!("{name} is {has}")),
        Some(has) => Finding::bad(
            format!("{name} is {has}, and a busy node wants {wanted}"),
            format!("sudo sysctl -w {name}={wanted}"),
        ),
    }
}

fn setting(name: &str, read: &impl Fn(&str) -> Option<String>) -> Option<String> {
    read(&format!("/proc/sys/{}", name.replace('.', "/")))
}

/// Files that a node may have open at once: WebSockets, and relayed addresses, each with a socket
/// and perhaps a client's connection.
fn files(config: &Config) -> u64 {
    let connections = match config.turn.as_ref().and_then(|turn| turn.ports) {
        Some((first, last)) => 2 * (u64::from(last - first) + 1),
        None => limits::CONNECTIONS as u64,
    };
    connections + OTHERS
}

fn open_files(limits: &str, wanted: u64) -> Finding {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_ascii_whitespace().next());
    let has = match soft {
        Some("unlimited") => u64::MAX,
        soft => soft.and_then(|soft| soft.parse().ok()).unwrap_or(0),
    };
    if has >= wanted {
        return Finding::good("this shell may open as many files as a full node needs");
    }
    let round = wanted.next_power_of_two().max(65_536);
    Finding::bad(
        format!("this shell may open {has} files, and a full node needs {wanted}"),
        format!(
            "ulimit -n {round}   (before you start the node by hand)\n\
             LimitNOFILE={round}   (in [Service] of its systemd unit)"
        ),
    )
}

/// Whether the kernel keeps off the ports of relayed addresses.
fn own_ports((first, last): (u16, u16), read: &impl Fn(&str) -> Option<String>) -> Finding {
    let range = setting("net.ipv4.ip_local_port_range", read);
    let reserved = setting("net.ipv4.ip_local_reserved_ports", read).unwrap_or_default();
    let Some((from, until)) = range.as_deref().and_then(|text| pair(text.trim(), None)) else {
        return Finding::unsure("net.ipv4.ip_local_port_range cannot be read here");
    };
    let overlap = (first.max(from), last.min(until));
    let is_reserved = reserved
        .trim()
        .split(',')
        .filter_map(|range| pair(range, Some('-')))
        .any(|(from, until)| from <= overlap.0 && overlap.1 <= until);
    if overlap.0 > overlap.1 || is_reserved {
        return Finding::good(format!("the ports {first}-{last} are TURN's alone"));
    }
    Finding::unsure(format!(
        "others may take ports of TURN's {first}-{last}: the kernel gives out {from}-{until}"
    ))
    .but(format!("sudo sysctl -w net.ipv4.ip_local_reserved_ports={first}-{last}"))
}

/// Two numbers with `between` between them, or white space; one stands for itself twice.
fn pair(text: &str, between: Option<char>) -> Option<(u16, u16)> {
    let is_between = |c: char| between.map_or(c.is_ascii_whitespace(), |between| c == between);
    let mut numbers = text.split(is_between).filter(|part| !part.is_empty());
    let first = numbers.next()?.parse().ok()?;
    let last = numbers.next().map_or(Some(first), |last| last.parse().ok())?;
    Some((first, last))
}

#[cfg(test)]
mod tests {
    use farcast_core::config::Turn;

    use super::super::finding::Verdict;
    use super::*;

    fn config(ports: Option<(u16, u16)>) -> Config {
        Config { turn: Some(Turn { ports, ..Turn::default() }), ..Config::default() }
    }

    /// A machine with these settings.
    fn machine(buffers: u64, files: &str, reserved: &str) -> impl Fn(&str) -> Option<String> {
        let (files, reserved) = (files.to_owned(), reserved.to_owned());
        move |path| {
            Some(match path {
                LIMITS => format!("Limit  Soft  Hard\nMax open files   {files}   4096   files\n"),
                "/proc/sys/net/core/somaxconn" => "4096\n".into(),
                "/proc/sys/net/ipv4/ip_local_port_range" => "32768\t60999\n".into(),
                "/proc/sys/net/ipv4/ip_local_reserved_ports" => format!("{reserved}\n"),
                _ => format!("{buffers}\n"),
            })
        }
    }

    fn verdicts(findings: &[Finding]) -> Vec<Verdict> {
        findings.iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn a_machine_made_for_it_is_all_green() {
        let ports = Some((49_152, 65_535));
        let findings = check(&config(ports), machine(4 << 20, "65536", "80,49152-65535"));
        assert_eq!(verdicts(&findings), [Verdict::Good; 5], "{findings:?}");
    }

    #[test]
    fn small_buffers_are_cured_by_a_line_to_paste() {
        let findings = check(&config(None), machine(212_992, "65536", ""));
        assert_eq!(findings[0].verdict, Verdict::Bad);
        assert_eq!(findings[0].cure.as_deref(), Some("sudo sysctl -w net.core.rmem_max=4194304"));
        assert_eq!(findings[1].cure.as_deref(), Some("sudo sysctl -w net.core.wmem_max=4194304"));
    }

    #[test]
    fn a_shell_that_may_open_1024_files_is_told_how_to_open_more() {
        let findings = check(&config(None), machine(4 << 20, "1024", ""));
        assert_eq!(findings[3].what, "this shell may open 1024 files, and a full node needs 21000");
        let cure = findings[3].cure.as_deref().unwrap();
        assert!(cure.contains("ulimit -n 65536") && cure.contains("LimitNOFILE=65536"), "{cure}");
        assert_eq!(open_files("Max open files  unlimited", 1).verdict, Verdict::Good);
    }

    #[test]
    fn ports_that_others_may_take_are_reserved_by_a_line_to_paste() {
        let findings = check(&config(Some((49_152, 65_535))), machine(4 << 20, "65536", "50000"));
        assert_eq!(findings[4].verdict, Verdict::Unsure);
        let cure = "sudo sysctl -w net.ipv4.ip_local_reserved_ports=49152-65535";
        assert_eq!(findings[4].cure.as_deref(), Some(cure));
        let apart = check(&config(Some((61_000, 65_535))), machine(4 << 20, "65536", ""));
        assert_eq!(apart[4].verdict, Verdict::Good);
    }

    #[test]
    fn what_cannot_be_read_is_no_fault() {
        assert_eq!(verdicts(&check(&config(None), |_| None)), [Verdict::Unsure]);
        let only_limits = |path: &str| (path == LIMITS).then(|| "Max open files 65536".to_owned());
        let findings = check(&config(None), only_limits);
        assert!(findings.iter().all(|finding| finding.verdict != Verdict::Bad), "{findings:?}");
    }
}
