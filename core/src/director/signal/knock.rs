//! The words of `POST /v1/knock`: which doors somebody wants tried, and what was found there. It
//! knocks nowhere.

use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::Problem;
use crate::limits;

/// The doors of the asker that shall be tried.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Doors {
    /// UDP ports where STUN is answered.
    pub(crate) udp: Vec<u16>,
    /// TCP ports.
    pub(crate) tcp: Vec<u16>,
    /// `https://HOST` or `https://HOST:PORT`, as clients are told.
    pub(crate) https: Option<String>,
}

/// What was found at one door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing yet.
    Waiting,
    /// It opened after so long.
    Open(Duration),
    /// It stays shut.
    Shut(String),
    /// It could not be tried.
    Untried(String),
}

/// The longest URL of a node: a name, a scheme and a port.
const URL: usize = limits::NODE_NAME + "https://:65535".len();

impl Doors {
    /// Reads the body of a request.
    pub(crate) fn parse(body: &[u8]) -> Result<Doors, Problem> {
        let malformed = |detail: String| Problem::new(422, "malformed knock", detail);
        let doors: Doors = serde_json::from_slice(body).map_err(|error| {
            let like = r#"{"udp": [443], "tcp": [443], "https": "https://edge1.example.com"}"#;
            malformed(format!("this cannot be read: {error}; send {like}"))
        })?;
        if doors.udp.len().max(doors.tcp.len()) > limits::KNOCK_PORTS {
            let most = limits::KNOCK_PORTS;
            return Err(malformed(format!("knock at {most} ports of each kind at most")));
        }
        if doors.udp.iter().chain(&doors.tcp).any(|port| *port == 0) {
            return Err(malformed("nobody listens at port 0; name real ports".into()));
        }
        if doors.https.as_deref().is_some_and(|url| !is_https(url)) {
            return Err(malformed("https takes https://HOST or https://HOST:PORT alone".into()));
        }
        Ok(doors)
    }
}

/// Whether this is `https://` and an authority (RFC 3986 section 3.2) without user information.
fn is_https(url: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    let authority = url.strip_prefix("https://").unwrap_or_default();
    !authority.is_empty() && url.len() <= URL && authority.chars().all(fits)
}

/// The answer: what was found, whom the asker seems to be from here, and this node's calendar time.
pub(crate) fn answer(
    asker: IpAddr,
    [udp, tcp]: [Vec<(u16, &Found)>; 2],
    https: Option<&Found>,
    calendar: Duration,
) -> Value {
    let ports = |doors: Vec<(u16, &Found)>| {
        doors.into_iter().map(|(port, found)| at_port(port, found)).collect::<Vec<Value>>()
    };
    json!({
        "from": asker,
        "udp": ports(udp),
        "tcp": ports(tcp),
        "https": https.map(|found| match why(found) {
            None => json!({ "ok": true }),
            Some(why) => json!({ "ok": false, "why": why }),
        }),
        "calendar": calendar.as_millis() as u64,
    })
}

fn at_port(port: u16, found: &Found) -> Value {
    match found {
        Found::Open(after) => {
            json!({ "port": port, "open": true, "ms": after.as_millis() as u64 })
        }
        Found::Untried(why) => json!({ "port": port, "open": null, "why": why }),
        Found::Shut(_) | Found::Waiting => {
            json!({ "port": port, "open": false, "why": why(found) })
        }
    }
}

fn why(found: &Found) -> Option<&str> {
    match found {
        Found::Open(_) => None,
        Found::Waiting => Some("no answer"),
        Found::Shut(why) | Found::Untried(why) => Some(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knock_names_few_real_ports_and_a_bare_url() {
        let status = |body: &str| Doors::parse(body.as_bytes()).map_or_else(|p| p.status, |_| 0);
        assert_eq!(status(r#"{"udp": [443], "tcp": [443], "https": "https://a.example:1"}"#), 0);
        assert_eq!(status(r#"{"udp": [1,2,3,4,5,6,7,8], "later": 1}"#), 0);
        assert_eq!(status("{}"), 0);
        for bad in [
            "",
            "[]1",
            r#"{"udp": [1,2,3,4,5,6,7,8,9]}"#,
            r#"{"tcp": [0]}"#,
            r#"{"tcp": [65536]}"#,
            r#"{"https": "http://a.example"}"#,
            r#"{"https": "https://"}"#,
            r#"{"https": "https://a.example/admin"}"#,
            r#"{"https": "https://me:secret@a.example"}"#,
            r#"{"https": "https://a.example?x"}"#,
        ] {
            assert_eq!(status(bad), 422, "{bad}");
        }
    }

    #[test]
    fn the_answer_tells_open_shut_and_untried_apart() {
        let (open, shut) = (Found::Open(Duration::from_millis(3)), Found::Shut("refused".into()));
        let untried = Found::Untried("no socket".into());
        let asker = IpAddr::from([192, 0, 2, 1]);
        let ports = [vec![(1, &open), (2, &Found::Waiting), (3, &untried)], vec![(4, &shut)]];
        let answer = answer(asker, ports, Some(&shut), Duration::from_millis(5));
        let expected = json!({
            "from": "192.0.2.1",
            "udp": [
                { "port": 1, "open": true, "ms": 3 },
                { "port": 2, "open": false, "why": "no answer" },
                { "port": 3, "open": null, "why": "no socket" },
            ],
            "tcp": [{ "port": 4, "open": false, "why": "refused" }],
            "https": { "ok": false, "why": "refused" },
            "calendar": 5,
        });
        assert_eq!(answer, expected);
    }
}
