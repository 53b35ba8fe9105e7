//! Where a stream is published or watched: its URL for each number, and whether that is on this
//! machine. It makes no call.

use std::net::SocketAddr;
use std::str::FromStr;

use farcast_adapters::http::host_and_port;

/// What stands for a stream's number in a URL.
const NUMBER: &str = "{}";

/// The URL of a WHIP or WHEP endpoint, for one stream or for several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target(String);

impl Target {
    /// The endpoint of the stream with this number, from 1 on, of so many.
    pub(super) fn url(&self, number: usize, streams: usize) -> String {
        let Target(url) = self;
        match url.split_once('?') {
            _ if url.contains(NUMBER) => url.replace(NUMBER, &number.to_string()),
            _ if streams == 1 => url.clone(),
            Some((path, query)) => format!("{path}-{number}?{query}"),
            None => format!("{url}-{number}"),
        }
    }

    /// The host and the port.
    pub(super) fn host(&self) -> Result<(String, u16), String> {
        host_and_port(&self.url(1, 1))
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let target = Target(text.to_owned());
        target.host()?;
        Ok(target)
    }
}

/// Refuses whatever leads to another machine.
pub(super) fn is_here(host: &str, addresses: &[SocketAddr]) -> Result<(), String> {
    match addresses.iter().find(|at| !at.ip().to_canonical().is_loopback()) {
        None => Ok(()),
        Some(at) => Err(format!(
            "{host} leads to {}, which is not this machine's loopback: so many sessions could take \
             a server down; if it is yours, say so with --i-own-this-server",
            at.ip()
        )),
    }
}

/// The WebSocket of the server that has this WHEP endpoint, and the stream's name.
pub(super) fn socket(whep: &str) -> Option<(String, String)> {
    let (server, name) = whep.strip_prefix("http://")?.split_once("/whep/")?;
    let name = name.split_once('?').map_or(name, |(name, _)| name);
    Some((format!("ws://{server}/ws"), name.to_owned()))
}

/// The session that a `Location` names, if it is on the server that was asked.
pub(super) fn session(asked: &str, location: &str) -> Option<String> {
    let place = host_and_port(asked).ok()?;
    if location.starts_with('/') {
        let (scheme, rest) = asked.split_once("://")?;
        let authority = rest.split(['/', '?']).next()?;
        return Some(format!("{scheme}://{authority}{location}"));
    }
    host_and_port(location).is_ok_and(|other| other == place).then(|| location.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_numbered_as_the_url_says() {
        let url = |text: &str, streams| {
            text.parse::<Target>().map(|target| target.url(2, streams)).unwrap_or_default()
        };
        let host = "http://localhost:8080";
        assert_eq!(url(&format!("{host}/whip/a"), 1), format!("{host}/whip/a"));
        assert_eq!(url(&format!("{host}/whip/a"), 3), format!("{host}/whip/a-2"));
        assert_eq!(url(&format!("{host}/whip/a?x=1"), 3), format!("{host}/whip/a-2?x=1"));
        assert_eq!(url(&format!("{host}/whip/{{}}th"), 3), format!("{host}/whip/2th"));
        for bad in ["", "localhost:8080/whip/a", "ftp://a/b", "/whip/a"] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_loopback_is_here() {
        let here = |ips: &[&str]| {
            let at = |ip: &&str| SocketAddr::new(ip.parse().expect("an IP"), 80);
            is_here("name", &ips.iter().map(at).collect::<Vec<_>>())
        };
        for good in [&["127.0.0.1"][..], &["::1", "127.9.9.9"], &["::ffff:127.0.0.1"]] {
            assert_eq!(here(good), Ok(()), "{good:?}");
        }
        for bad in [&["192.168.1.5"][..], &["::1", "203.0.113.7"], &["0.0.0.0"], &["fe80::1"]] {
            let why = here(bad).expect_err("it is elsewhere");
            assert!(why.starts_with("name leads to ") && why.contains("--i-own-this-server"));
        }
    }

    #[test]
    fn a_websocket_is_beside_its_whep_endpoint() {
        let found = Some(("ws://[::1]:80/ws".to_owned(), "a-2".to_owned()));
        assert_eq!(socket("http://[::1]:80/whep/a-2?x=1"), found);
        assert_eq!(socket("http://[::1]:80/elsewhere/a"), None);
        assert_eq!(socket("https://[::1]:80/whep/a"), None);
    }

    #[test]
    fn goodbyes_go_to_the_server_that_was_asked_alone() {
        let asked = "http://localhost:8080/whep/a?x=1";
        let here = Some("http://localhost:8080/whep/session/7".to_owned());
        assert_eq!(session(asked, "/whep/session/7"), here);
        assert_eq!(session(asked, "http://localhost:8080/whep/session/7"), here);
        assert_eq!(session(asked, "http://elsewhere:8080/whep/session/7"), None);
        assert_eq!(session("https://[::1]?x", "/s/7"), Some("https://[::1]/s/7".to_owned()));
    }
}
