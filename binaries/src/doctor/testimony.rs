//! What neighbours found when they knocked, and what follows from it for each door. It asks nobody.

use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;

use super::clock;
use super::finding::Finding;
use super::neighbours::Doors;

/// What one neighbour found.
#[derive(Debug, Clone)]
pub(super) struct Testimony {
    /// The neighbour's name.
    pub(super) name: String,
    /// Its words.
    pub(super) knocked: Knocked,
    /// When they came, by our calendar.
    pub(super) heard: Duration,
}

/// The answer to `POST /v1/knock` (docs/signalling.md).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Knocked {
    /// Our IP as seen from there.
    pub(super) from: IpAddr,
    udp: Vec<Found>,
    tcp: Vec<Found>,
    https: Option<Answered>,
    calendar: u64,
}

#[derive(Debug, Clone, Deserialize)]
struct Found {
    port: u16,
    open: Option<bool>,
    ms: Option<u64>,
    why: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Answered {
    ok: bool,
    why: Option<String>,
}

/// Judges every door by what all of them found; `mute` are UDP ports where nobody would answer a
/// knock, though they may be open.
pub(super) fn judge(doors: &Doors, mute: &[u16], told: &[Testimony]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = told.iter().map(calendar).collect();
    if told.is_empty() {
        findings.push(unproved(doors));
        return findings;
    }
    for port in &doors.udp {
        let found = |testimony: &Testimony| at(&testimony.knocked.udp, *port);
        findings.push(match mute.contains(port) {
            true => Finding::unsure(format!(
                "UDP {port} was not proved from outside: a node without TURN does not answer knocks"
            ))
            .but("stop the node and run the doctor again: then it answers itself"),
            false => door("UDP", "udp", *port, told, found),
        });
    }
    for port in &doors.tcp {
        let found = |testimony: &Testimony| at(&testimony.knocked.tcp, *port);
        findings.push(door("TCP", "tcp", *port, told, found));
    }
    if let Some(url) = &doors.https {
        findings.push(https(url, doors.any_answer, told));
    }
    findings
}

fn calendar(testimony: &Testimony) -> Finding {
    let theirs = Duration::from_millis(testimony.knocked.calendar);
    clock::against(&testimony.name, theirs, testimony.heard)
}

fn unproved(doors: &Doors) -> Finding {
    let ports = |kind: &str, ports: &[u16]| {
        ports.iter().map(|port| format!("{kind} {port}")).collect::<Vec<_>>()
    };
    let all = [ports("UDP", &doors.udp), ports("TCP", &doors.tcp)].concat().join(", ");
    Finding::unsure(format!("nobody knocked from outside at {all}"))
        .but("farcast doctor CONFIG --ask https://ANOTHER.NODE   (any node of yours elsewhere)")
}

fn at(found: &[Found], port: u16) -> Option<Found> {
    found.iter().find(|found| found.port == port).cloned()
}

/// One open door is open; a door is shut if nobody found it open.
fn door(
    kind: &str,
    rule: &str,
    port: u16,
    told: &[Testimony],
    found: impl Fn(&Testimony) -> Option<Found>,
) -> Finding {
    let all: Vec<(&Testimony, Found)> =
        told.iter().filter_map(|testimony| Some((testimony, found(testimony)?))).collect();
    if let Some((testimony, found)) = all.iter().find(|(_, found)| found.open == Some(true)) {
        let Testimony { name, knocked, .. } = testimony;
        let (from, ms) = (knocked.from, found.ms.unwrap_or(0));
        return Finding::good(format!("{kind} {port} is open: {name} reaches {from} in {ms} ms"));
    }
    let Some((testimony, found)) = all.iter().find(|(_, found)| found.open == Some(false)) else {
        return Finding::unsure(format!("{kind} {port} was not tried from outside"));
    };
    let (name, from) = (&testimony.name, testimony.knocked.from);
    let why = found.why.as_deref().unwrap_or("no answer");
    Finding::bad(
        format!("{kind} {port} is shut: {name} knocked at {from}, {why}"),
        format!(
            "sudo ufw allow {port}/{rule}   (let {kind} {port} through to {from} in this \
             machine's firewall and in your cloud's security group)"
        ),
    )
}

fn https(url: &str, any_answer: bool, told: &[Testimony]) -> Finding {
    let answers = told.iter().filter_map(|one| Some((&one.name, one.knocked.https.as_ref()?)));
    let mut failure = None;
    for (name, answered) in answers {
        let why = answered.why.as_deref().unwrap_or_default();
        if answered.ok || any_answer && why.starts_with("it answers") {
            return Finding::good(format!("{url} answers {name}, which trusts its certificate"));
        }
        failure = failure.or(Some((name, answered)));
    }
    match failure {
        None => Finding::unsure(format!("{url} was not tried from outside")),
        Some((name, answered)) => {
            let why = answered.why.as_deref().unwrap_or("it does not answer");
            let cure = match why.contains("is not trusted") {
                true => format!(
                    "cert = \"fullchain.pem\"   (the whole chain; or, for an authority of your \
                     own, ca = \"ca.pem\" in [tls] of {name})"
                ),
                false => format!("curl -i {url}/healthz   (from elsewhere; a node answers: alive)"),
            };
            Finding::bad(format!("{url} fails for {name}: {why}"), cure)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::finding::Verdict;
    use super::*;

    const CALENDAR: u64 = 1_800_000_000_000;

    fn testimony(name: &str, udp: Value, tcp: Value, https: Value) -> Testimony {
        let words = json!({
            "from": "203.0.113.7", "udp": udp, "tcp": tcp, "https": https, "calendar": CALENDAR,
        });
        Testimony {
            name: name.into(),
            knocked: serde_json::from_value(words).unwrap(),
            heard: Duration::from_millis(CALENDAR + 9),
        }
    }

    fn doors() -> Doors {
        let https = Some("https://e.example".to_owned());
        Doors { udp: vec![443], tcp: vec![443], https, any_answer: false }
    }

    fn open() -> Value {
        json!([{ "port": 443, "open": true, "ms": 3 }])
    }

    fn shut() -> Value {
        json!([{ "port": 443, "open": false, "why": "no answer" }])
    }

    #[test]
    fn open_doors_are_green() {
        let told = [testimony("edge1", open(), open(), json!({ "ok": true }))];
        let findings = judge(&doors(), &[], &told);
        let what: Vec<_> = findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(
            what,
            [
                "the clocks here and at edge1 agree within 9 ms",
                "UDP 443 is open: edge1 reaches 203.0.113.7 in 3 ms",
                "TCP 443 is open: edge1 reaches 203.0.113.7 in 3 ms",
                "https://e.example answers edge1, which trusts its certificate",
            ]
        );
        assert!(findings.iter().all(|finding| finding.verdict == Verdict::Good));
    }

    #[test]
    fn a_shut_door_names_the_rule_that_opens_it() {
        let told = [testimony("edge1", shut(), open(), Value::Null)];
        let findings = judge(&doors(), &[], &told);
        assert_eq!(findings[1].verdict, Verdict::Bad);
        assert_eq!(findings[1].what, "UDP 443 is shut: edge1 knocked at 203.0.113.7, no answer");
        let cure = findings[1].cure.as_deref().unwrap();
        assert!(cure.starts_with("sudo ufw allow 443/udp   (let UDP 443 through to 203.0.113.7"));
        assert_eq!(findings[3].verdict, Verdict::Unsure, "nobody tried HTTPS");
    }

    #[test]
    fn https_that_fails_for_a_neighbour_is_red() {
        let cure = |why: &str| {
            let https = json!({ "ok": false, "why": why });
            let findings = judge(&doors(), &[], &[testimony("edge1", open(), open(), https)]);
            assert_eq!(findings[3].verdict, Verdict::Bad);
            findings[3].cure.clone().unwrap()
        };
        assert!(cure("the certificate of e is not trusted; pass --ca").contains("[tls] of edge1"));
        assert!(cure("it answers 404").starts_with("curl -i https://e.example/healthz"));
        let https = json!({ "ok": false, "why": "it answers 404" });
        let turn = Doors { any_answer: true, ..doors() };
        let findings = judge(&turn, &[], &[testimony("edge1", open(), open(), https)]);
        assert_eq!(findings[3].verdict, Verdict::Good, "TURN over TLS is there");
    }

    #[test]
    fn one_neighbour_that_gets_in_is_enough() {
        let told = [
            testimony("edge1", shut(), shut(), json!({ "ok": false, "why": "expired" })),
            testimony("edge2", open(), open(), json!({ "ok": true })),
        ];
        let findings = judge(&doors(), &[], &told);
        assert!(findings.iter().all(|finding| finding.verdict == Verdict::Good), "{findings:?}");
    }

    #[test]
    fn what_nobody_could_prove_is_said() {
        let findings = judge(&doors(), &[], &[]);
        assert_eq!(findings[0].verdict, Verdict::Unsure);
        assert_eq!(findings[0].what, "nobody knocked from outside at UDP 443, TCP 443");
        assert!(findings[0].cure.as_deref().unwrap().contains("--ask"));
        let told = [testimony("edge1", shut(), open(), Value::Null)];
        assert_eq!(judge(&doors(), &[443], &told)[1].verdict, Verdict::Unsure, "a mute port");
        let untried = json!([{ "port": 443, "open": null, "why": "no socket" }]);
        let told = [testimony("edge1", untried, open(), Value::Null)];
        assert_eq!(judge(&doors(), &[], &told)[1].verdict, Verdict::Unsure);
    }
}
