//! What neighbours tell each other: polls of `/v1/load`, and the words that a relay travels with.

use std::time::Instant;

use serde_json::{Value, json};

use crate::config::{Access, Edge};
use crate::director::balance::fleet::{Change, LoadReport};
use crate::director::registry::Claim;
use crate::director::relays::CallPurpose;
use crate::director::signal::token::{self, Act, Claims};
use crate::director::{Desk, Director, Timer};
use crate::http::{Call, CallError, Method, Problem, Reply, Request};
use crate::limits;
use crate::machine::Output;
use crate::media::track::Epoch;
use crate::report::Report;

/// The version of what nodes say to each other. They work one minor version apart.
pub(super) const VERSION: &str = "1";

impl Director {
    /// Asks an edge how it is, now and every second.
    pub(super) fn poll(&mut self, edge: usize, desk: &mut Desk<'_>) {
        self.timers.set(Timer::Poll(edge), desk.now + limits::POLL);
        let Some(config) = self.config.edges.get(edge).cloned() else { return };
        let call = self.new_call();
        self.relays.expect(call, CallPurpose::Poll(edge));
        let request = Call {
            method: Method::Get,
            url: format!("{}/v1/load", config.url),
            headers: self.credentials(&config, desk.now),
            body: Vec::new(),
            timeout: limits::POLL_TIMEOUT,
        };
        desk.out.push(Output::Call { call, request });
    }

    /// An edge answered a poll, or did not.
    pub(super) fn polled(
        &mut self,
        edge: usize,
        result: Result<Reply, CallError>,
        desk: &mut Desk<'_>,
    ) {
        let read = result.map_err(|error| error.to_string()).and_then(|reply| match reply.status {
            200 => serde_json::from_slice::<LoadReport>(&reply.body)
                .map_err(|error| format!("its answer cannot be read: {error}")),
            401 | 403 => {
                Err("it does not take our token; set the edge's token or share a key".into())
            }
            status => Err(format!("it answers {status}")),
        });
        let (change, why) = match read {
            Ok(load) => (self.fleet.answered(edge, load), String::new()),
            Err(why) => (self.fleet.missed(edge), why),
        };
        let Some(member) = self.fleet.members().get(edge) else { return };
        let name = member.name.clone();
        match change {
            Change::None => {}
            Change::Down => desk.out.report(Report::EdgeDown { edge: name, why }),
            Change::Up => {
                desk.out.report(Report::EdgeUp { edge: name });
                self.hasten_relays(edge, desk);
            }
            Change::Restarted => {
                desk.out.report(Report::EdgeUp { edge: name });
                self.restart_relays(edge, desk);
            }
        }
    }

    /// The header fields that open an edge's door for us.
    pub(super) fn credentials(&self, edge: &Edge, now: Instant) -> Vec<(String, String)> {
        let mut headers = vec![("farcast-version".to_owned(), VERSION.to_owned())];
        if let Some(token) = edge.token.clone().or_else(|| self.own_token(now)) {
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        headers
    }

    /// A relay token from our own first key, for edges that share it.
    fn own_token(&self, now: Instant) -> Option<String> {
        let Access::Keys(keys) = &self.config.access else { return None };
        let exp = (self.calendar(now) + limits::OWN_TOKEN).as_secs();
        let claims = Claims { sub: "*".parse().ok()?, act: Act::Relay, exp };
        Some(token::mint(keys.first()?, &claims))
    }

    /// What a relaying node says of the stream that it brings; `None` for an ordinary publisher.
    pub(super) fn provenance(
        &self,
        request: &Request,
        now: Instant,
    ) -> Result<Option<Claim>, Problem> {
        let Some(holder) = request.header("farcast-node") else { return Ok(None) };
        // Names prove nothing on a node that asks for no tokens; there, addresses must do.
        let sender = match self.config.access {
            Access::Open => request.peer.ip().to_string(),
            Access::Keys(_) => request.header("farcast-sender").unwrap_or("").to_owned(),
        };
        let latest = (self.calendar(now) + limits::EPOCH_AHEAD).as_millis() as Epoch;
        let epoch = request.header("farcast-epoch").and_then(|epoch| epoch.parse().ok());
        let names_fit = holder.len().max(sender.len()) <= limits::NODE_NAME;
        match epoch.filter(|epoch| *epoch <= latest && names_fit) {
            Some(epoch) => {
                Ok(Some(Claim { epoch, holder: holder.to_owned(), sender: Some(sender) }))
            }
            None => {
                let detail = "a relay names its stream's life in Farcast-Epoch: milliseconds since \
                              1970; are the clocks of both nodes set?";
                Err(Problem::new(400, "malformed relay", detail))
            }
        }
    }

    /// The answer to `GET /v1/load`.
    pub(super) fn load_report(&self) -> Value {
        let (publishers, viewers, relays) = self.registry.population();
        let streams: Vec<Value> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.live)
            .map(|(name, stream)| {
                json!({ "name": name.as_str(), "epoch": stream.epoch, "holder": stream.holder })
            })
            .collect();
        json!({
            "version": VERSION,
            "name": self.config.name,
            "instance": self.instance,
            "ws": self.config.http_port,
            "wss": self.config.https_port,
            "publishers": publishers,
            "viewers": viewers,
            "relays": relays,
            "relays_over_tcp": self.relays.over_tcp(),
            "cpu_permille": self.load.cpu_permille,
            "streams": streams,
        })
    }
}

/// The host of an absolute URL, an IPv6 address without its brackets.
pub(super) fn host(url: &str) -> String {
    let authority = authority(url);
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((ipv6, _)) => ipv6,
        None => authority.split(':').next().unwrap_or(authority),
    };
    host.to_owned()
}

/// The ports that viewers use: those of the URL that they are told where it names one, else those
/// that the node itself listens on.
pub(super) fn ports(url: &str, ws: Option<u16>, wss: Option<u16>) -> (Option<u16>, Option<u16>) {
    let authority = authority(url);
    let after_host = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    let named = after_host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    match url.starts_with("https://") {
        true => (ws, Some(named.unwrap_or(443))),
        false => (Some(named.unwrap_or(80)), wss),
    }
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_give_their_host_and_port() {
        assert_eq!(host("http://10.77.2.1:8080"), "10.77.2.1");
        assert_eq!(host("https://edge1.example.com/"), "edge1.example.com");
        assert_eq!(host("http://[2001:db8::1]:8080"), "2001:db8::1");
        assert_eq!(ports("http://10.77.2.1:8080", None, None), (Some(8080), None));
        assert_eq!(ports("https://e.example.com", Some(8080), None), (Some(8080), Some(443)));
        assert_eq!(ports("http://[2001:db8::1]", None, Some(8443)), (Some(80), Some(8443)));
    }
}
