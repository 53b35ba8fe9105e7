//! Does the world find the node where it says it is: by its name, by the IPs that it announces, by
//! what others see of it? The looking up is done by others.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::finding::Finding;
use super::patient::{Patient, is_inner, look_up};
use super::stun;
use super::testimony::Testimony;

/// Looks at the node's addresses. `mute` are UDP ports where nobody answers STUN.
pub(super) fn check(patient: &Patient, mute: &[u16], told: &[Testimony]) -> Vec<Finding> {
    let announced = patient.announced();
    let mut findings = Vec::new();
    let named = patient.host.as_deref().map(look_up).unwrap_or_default();
    if let Some(host) = &patient.host {
        findings.push(name(host, &named, &announced));
    }
    findings.extend(told.iter().map(|one| seen(&one.name, one.knocked.from, &announced)));
    if told.iter().all(|one| is_inner(one.knocked.from)) && announced.iter().all(|ip| is_inner(*ip))
    {
        findings.push(only_inner(&announced));
    }
    let targets = if named.is_empty() { &announced } else { &named };
    for port in patient.udp_ports().into_iter().filter(|port| !mute.contains(port)) {
        for ip in targets {
            let to = SocketAddr::new(*ip, port);
            findings.extend(mapped(to, stun::ask(to).map(|mapped| mapped.ip()), &announced));
        }
    }
    findings
}

/// Whether the name leads to an IP that the node announces.
fn name(host: &str, named: &BTreeSet<IpAddr>, announced: &BTreeSet<IpAddr>) -> Finding {
    let record = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => format!("{host}. 300 IN A {ip}"),
        IpAddr::V6(ip) => format!("{host}. 300 IN AAAA {ip}"),
    };
    let records = announced.iter().map(record).collect::<Vec<_>>().join("\n");
    if named.is_empty() {
        return Finding::bad(format!("{host} is not in the DNS"), records);
    }
    let wrong: Vec<String> = named.difference(announced).map(ToString::to_string).collect();
    let wrong = wrong.join(", ");
    if named.is_disjoint(announced) {
        let ours = list(announced);
        return Finding::bad(
            format!("{host} leads to {wrong}, and this node announces {ours}"),
            format!("{records}\npublic = \"{wrong}\"   (if that is what the world sees it as)"),
        );
    }
    if !wrong.is_empty() {
        return Finding::unsure(format!(
            "{host} leads to this node, and to {wrong}, which it does not announce"
        ));
    }
    Finding::good(format!("{host} leads to {}", list(named)))
}

/// Whether a neighbour sees us as an IP that we announce.
fn seen(name: &str, from: IpAddr, announced: &BTreeSet<IpAddr>) -> Finding {
    if announced.contains(&from) {
        return Finding::good(format!("{name} sees this machine as {from}, as announced"));
    }
    if is_inner(from) {
        return Finding::unsure(format!(
            "{name} sees this machine as {from}, over an inner network: the public side is unproved"
        ))
        .but("farcast doctor CONFIG --ask https://ANOTHER.NODE   (by its public name)");
    }
    Finding::bad(
        format!("{name} sees this machine as {from}, and the node announces {}", list(announced)),
        format!("public = \"{from}\"   (unless that is only the way out of this machine)"),
    )
}

fn only_inner(announced: &BTreeSet<IpAddr>) -> Finding {
    let ours = list(announced);
    Finding::unsure(format!("this node announces {ours}, which the internet does not reach"))
        .but("public = \"IP\"   (as your cloud or router shows it, if viewers are elsewhere)")
}

/// What STUN through the public address says; silence proves nothing, for many networks let nobody
/// in that calls himself from within.
fn mapped(to: SocketAddr, mapped: Option<IpAddr>, announced: &BTreeSet<IpAddr>) -> Option<Finding> {
    let Some(mapped) = mapped else {
        return Some(Finding::unsure(format!(
            "UDP {to} does not answer this machine itself, as is usual behind NAT"
        )));
    };
    if announced.contains(&mapped) {
        return Some(Finding::good(format!("STUN at UDP {to} sees this machine as {mapped}")));
    }
    // From within, an inner address is seen.
    (!is_inner(mapped)).then(|| {
        let ours = list(announced);
        Finding::bad(
            format!("STUN at UDP {to} sees this machine as {mapped}, and it announces {ours}"),
            format!("public = \"{mapped}\""),
        )
    })
}

fn list(ips: &BTreeSet<IpAddr>) -> String {
    match ips.is_empty() {
        true => "nothing".to_owned(),
        false => ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn ips(text: &str) -> BTreeSet<IpAddr> {
        text.split_ascii_whitespace().map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn a_name_must_lead_to_what_is_announced() {
        let of = |named: &str| name("e.example", &ips(named), &ips("203.0.113.7"));
        assert_eq!(of("203.0.113.7").verdict, Verdict::Good);
        assert_eq!(of("203.0.113.7 203.0.113.8").verdict, Verdict::Unsure);
        let finding = of("198.51.100.1");
        assert_eq!(
            finding.what,
            "e.example leads to 198.51.100.1, and this node announces 203.0.113.7"
        );
        let cure = finding.cure.unwrap();
        assert!(cure.starts_with("e.example. 300 IN A 203.0.113.7\npublic = \"198.51.100.1\""));
        assert_eq!(of("").what, "e.example is not in the DNS");
    }

    #[test]
    fn a_wrong_public_ip_is_seen_by_a_neighbour() {
        let of =
            |from: &str, announced: &str| seen("edge1", from.parse().unwrap(), &ips(announced));
        assert_eq!(of("203.0.113.7", "203.0.113.7").verdict, Verdict::Good);
        assert_eq!(of("10.77.1.1", "203.0.113.7").verdict, Verdict::Unsure);
        for announced in ["203.0.113.8", "10.0.0.5"] {
            let finding = of("203.0.113.7", announced);
            assert_eq!(finding.verdict, Verdict::Bad, "{announced}");
            assert!(finding.cure.unwrap().starts_with("public = \"203.0.113.7\""));
        }
    }

    #[test]
    fn stun_through_the_public_address_proves_or_disproves_it() {
        let to = "203.0.113.7:443".parse().unwrap();
        let of = |ip: Option<&str>| {
            let ip = ip.map(|ip| ip.parse().unwrap());
            mapped(to, ip, &ips("203.0.113.7")).map(|finding| finding.verdict)
        };
        assert_eq!(of(Some("203.0.113.7")), Some(Verdict::Good));
        assert_eq!(of(Some("198.51.100.1")), Some(Verdict::Bad));
        assert_eq!(of(Some("10.0.0.1")), None, "a hairpin shows the inner address");
        assert_eq!(of(None), Some(Verdict::Unsure));
    }
}
