//! Relay links: every published stream goes to every edge by WHIP, over WebRTC, as if a browser
//! published it there. A link that breaks is tried again until its publisher leaves.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::director::knock::KnockId;
use crate::director::load;
use crate::director::registry::{Record, Role};
use crate::director::{Desk, Director, Timer};
use crate::http::{Call, CallError, Method, Reply};
use crate::hub::words::{Command, SessionId};
use crate::limits;
use crate::machine::{BindId, CallId, Output};
use crate::media::track::StreamName;
use crate::report::Report;

/// The director's name for a link; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

/// All links of the node.
#[derive(Debug, Default)]
pub(super) struct Relays {
    links: BTreeMap<LinkId, Link>,
    by_session: BTreeMap<SessionId, LinkId>,
    calls: BTreeMap<CallId, CallPurpose>,
    next: u64,
}

/// One stream's way to one edge.
#[derive(Debug)]
struct Link {
    stream: StreamName,
    edge: usize,
    /// Failures in a row.
    failures: u32,
    /// Whether an attempt is under way; else its timer is set.
    busy: bool,
    /// Whether its session is connected.
    up: bool,
    /// Whether its media goes over TCP.
    over_tcp: bool,
    session: Option<SessionId>,
    /// The socket that the session has for itself.
    bound: Option<SocketAddr>,
    /// The session's resource at the edge, absolute.
    location: Option<String>,
}

/// Why a call was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CallPurpose {
    /// To hear how an edge is.
    Poll(usize),
    /// To publish at an edge, for this link's session.
    Publish { link: LinkId, session: SessionId, edge: usize },
    /// To end a session at an edge; whatever it answers.
    Delete,
    /// To knock at somebody's HTTPS.
    Knock(KnockId),
}

impl Relays {
    /// Remembers why a call is made.
    pub(super) fn expect(&mut self, call: CallId, purpose: CallPurpose) {
        self.calls.insert(call, purpose);
    }

    /// The link that a session belongs to.
    pub(super) fn owner_of(&self, session: SessionId) -> Option<LinkId> {
        self.by_session.get(&session).copied()
    }

    /// Whether this is the session of a link that is connected.
    pub(super) fn is_up(&self, session: SessionId) -> bool {
        let link = self.owner_of(session).and_then(|id| self.links.get(&id));
        link.is_some_and(|link| link.up)
    }

    /// How many connected links run over TCP.
    pub(super) fn over_tcp(&self) -> usize {
        self.links.values().filter(|link| link.up && link.over_tcp).count()
    }

    fn of(&self, wanted: impl Fn(&Link) -> bool) -> Vec<LinkId> {
        self.links.iter().filter(|(_, link)| wanted(link)).map(|(id, _)| *id).collect()
    }
}

impl Director {
    /// A stream is live: it goes to every edge.
    pub(super) fn relay(&mut self, stream: &StreamName, desk: &mut Desk<'_>) {
        let holder = self.streams.get(stream).map(|stream| stream.holder.clone());
        for edge in 0..self.config.edges.len() {
            // A stream never goes back to the node that it came from, by whatever name.
            let own_name = self.fleet.members().get(edge).map(|member| member.load.name.as_str());
            let known_as = [Some(self.config.edges[edge].name.as_str()), own_name];
            if holder.is_some() && known_as.contains(&holder.as_deref()) {
                continue;
            }
            self.relays.next += 1;
            let id = LinkId(self.relays.next);
            let link = Link {
                stream: stream.clone(),
                edge,
                failures: 0,
                busy: false,
                up: false,
                over_tcp: false,
                session: None,
                bound: None,
                location: None,
            };
            self.relays.links.insert(id, link);
            self.start_relay(id, desk);
        }
    }

    /// Begins with a socket: a session of its own needs a 5-tuple of its own.
    pub(super) fn start_relay(&mut self, id: LinkId, desk: &mut Desk<'_>) {
        let Some(link) = self.relays.links.get_mut(&id) else { return };
        link.busy = true;
        let host = load::host(&self.config.edges[link.edge].url);
        let near = near(&self.config.addresses.udp, &host, link.failures as usize);
        desk.out.push(Output::Bind { bind: BindId(id.0), near });
    }

    pub(super) fn relay_bound(
        &mut self,
        id: LinkId,
        result: Result<SocketAddr, String>,
        desk: &mut Desk<'_>,
    ) {
        let bound = match result {
            Ok(bound) => bound,
            Err(why) => return self.fail(id, why, desk),
        };
        if !self.relays.links.contains_key(&id) {
            return desk.out.push(Output::Unbind { local: bound });
        }
        let session = self.new_session();
        let resource = self.seed.word(22);
        let Some(link) = self.relays.links.get_mut(&id) else { return };
        link.bound = Some(bound);
        link.session = Some(session);
        let stream = link.stream.clone();
        self.relays.by_session.insert(session, id);
        let record = Record {
            role: Role::Relay,
            stream: stream.clone(),
            resource,
            generation: 1,
            connection: None,
            quiet: false,
            claim: None,
        };
        self.registry.insert(session, record);
        desk.commands.push(Command::Push { session, stream, bound });
    }

    pub(super) fn relay_offered(
        &mut self,
        session: SessionId,
        result: Result<String, &'static str>,
        desk: &mut Desk<'_>,
    ) {
        let Some(id) = self.relays.owner_of(session) else { return };
        let offer = match result {
            Ok(offer) => offer,
            Err(why) => {
                self.forget(session);
                return self.fail(id, why.to_owned(), desk);
            }
        };
        let Some(link) = self.relays.links.get(&id) else { return };
        let Some(stream) = self.streams.get(&link.stream) else { return };
        let (epoch, holder) = (stream.epoch.to_string(), stream.holder.clone());
        let edge = link.edge;
        let url = format!("{}/whip/{}", self.config.edges[edge].url, link.stream);
        let mut headers = self.credentials(&self.config.edges[edge], desk.now);
        headers.extend([
            ("content-type".to_owned(), "application/sdp".to_owned()),
            ("farcast-node".to_owned(), holder),
            ("farcast-epoch".to_owned(), epoch),
            ("farcast-sender".to_owned(), self.config.name.clone()),
        ]);
        let call = self.new_call();
        self.relays.expect(call, CallPurpose::Publish { link: id, session, edge });
        let (method, body, timeout) = (Method::Post, offer.into_bytes(), limits::RELAY_CALL);
        let request = Call { method, url, headers, body, timeout };
        desk.out.push(Output::Call { call, request });
    }

    /// A call ended, whatever it was for.
    pub(crate) fn answered(
        &mut self,
        call: CallId,
        result: Result<Reply, CallError>,
        desk: &mut Desk<'_>,
    ) {
        match self.relays.calls.remove(&call) {
            Some(CallPurpose::Poll(edge)) => self.polled(edge, result, desk),
            Some(CallPurpose::Publish { link, session, edge }) => {
                self.relay_answered(link, session, edge, result, desk);
            }
            Some(CallPurpose::Knock(knock)) => self.knock_answered(knock, result, desk),
            Some(CallPurpose::Delete) | None => {}
        }
    }

    fn relay_answered(
        &mut self,
        id: LinkId,
        session: SessionId,
        edge: usize,
        result: Result<Reply, CallError>,
        desk: &mut Desk<'_>,
    ) {
        let accepted = match result {
            Ok(reply) if reply.status == 201 => Ok(reply),
            Ok(reply) => Err(refusal(&reply)),
            Err(error) => Err(error.to_string()),
        };
        let location = accepted.as_ref().ok().and_then(|reply| reply.header("location"));
        let location = location.map(|path| absolute(&self.config.edges[edge].url, path));
        let link = self.relays.links.get_mut(&id).filter(|link| link.session == Some(session));
        match (link, accepted) {
            (Some(link), Ok(reply)) => {
                link.location = location;
                let answer = String::from_utf8_lossy(&reply.body).into_owned();
                desk.commands.push(Command::Accept { session, answer });
            }
            (Some(_), Err(why)) => self.fail(id, why, desk),
            // The edge took what nobody wants any more.
            (None, Ok(_)) => {
                if let Some(url) = location {
                    self.delete(edge, url, desk);
                }
            }
            (None, Err(_)) => {}
        }
    }

    pub(super) fn relay_connected(&mut self, session: SessionId, desk: &mut Desk<'_>) {
        let Some(id) = self.relays.owner_of(session) else { return };
        let Some(link) = self.relays.links.get_mut(&id) else { return };
        link.failures = 0;
        link.up = true;
        let (stream, edge) = (link.stream.to_string(), self.config.edges[link.edge].name.clone());
        let over_tcp = link.over_tcp;
        desk.out.report(Report::RelayUp { stream: stream.clone(), edge: edge.clone() });
        if over_tcp {
            desk.out.report(Report::RelayOverTcp { stream, edge });
        }
    }

    /// A link's media goes another kind of way.
    pub(super) fn relay_carried(
        &mut self,
        session: SessionId,
        over_tcp: bool,
        desk: &mut Desk<'_>,
    ) {
        let Some(id) = self.relays.owner_of(session) else { return };
        let Some(link) = self.relays.links.get_mut(&id) else { return };
        link.over_tcp = over_tcp;
        if over_tcp && link.up {
            let edge = self.config.edges[link.edge].name.clone();
            desk.out.report(Report::RelayOverTcp { stream: link.stream.to_string(), edge });
        }
    }

    pub(super) fn relay_ended(
        &mut self,
        session: SessionId,
        why: &'static str,
        desk: &mut Desk<'_>,
    ) {
        if let Some(id) = self.relays.owner_of(session) {
            self.fail(id, why.to_owned(), desk);
        }
    }

    /// A link broke: it is taken down and tried again, each time after a longer pause.
    fn fail(&mut self, id: LinkId, why: String, desk: &mut Desk<'_>) {
        self.take_down(id, "the relay is tried again", desk);
        let Some(link) = self.relays.links.get_mut(&id) else { return };
        link.failures += 1;
        link.busy = false;
        let (first, longest) = limits::RELAY_BACKOFF;
        let doubled = first * 2u32.saturating_pow(link.failures.min(16) - 1);
        let pause = doubled.min(longest);
        // Half of it at random: links that broke together do not come back together.
        let jitter = Duration::from_millis(u64::from(
            self.seed.below((pause.as_millis() / 2).max(1) as u32),
        ));
        let wait = pause / 2 + jitter;
        self.timers.set(Timer::Relay(id), desk.now + wait);
        let (stream, edge) = (link.stream.to_string(), self.config.edges[link.edge].name.clone());
        let retry_ms = wait.as_millis() as u64;
        desk.out.report(Report::RelayFailed { stream, edge, why, retry_ms });
    }

    /// A stream's publisher left: its links end.
    pub(super) fn stop_relays(&mut self, stream: &StreamName, desk: &mut Desk<'_>) {
        for id in self.relays.of(|link| link.stream == *stream) {
            self.take_down(id, "the publisher left", desk);
            self.timers.clear(Timer::Relay(id));
            let Some(link) = self.relays.links.remove(&id) else { continue };
            let edge = self.config.edges[link.edge].name.clone();
            desk.out.report(Report::RelayStopped { stream: stream.to_string(), edge });
        }
    }

    /// An edge answers again: links that wait for it need not wait longer.
    pub(super) fn hasten_relays(&mut self, edge: usize, desk: &mut Desk<'_>) {
        for id in self.relays.of(|link| link.edge == edge && !link.busy) {
            self.timers.hasten(Timer::Relay(id), desk.now);
        }
    }

    /// An edge is another process than before: it knows nothing of our links.
    pub(super) fn restart_relays(&mut self, edge: usize, desk: &mut Desk<'_>) {
        for id in self.relays.of(|link| link.edge == edge && link.session.is_some()) {
            self.fail(id, "the edge was restarted".to_owned(), desk);
            self.timers.hasten(Timer::Relay(id), desk.now);
        }
    }

    fn take_down(&mut self, id: LinkId, why: &'static str, desk: &mut Desk<'_>) {
        let Some(link) = self.relays.links.get_mut(&id) else { return };
        link.up = false;
        link.over_tcp = false;
        let (session, bound, location, edge) =
            (link.session.take(), link.bound.take(), link.location.take(), link.edge);
        if let Some(session) = session {
            self.relays.by_session.remove(&session);
            desk.commands.push(Command::Close { session, why });
        }
        if let Some(local) = bound {
            desk.out.push(Output::Unbind { local });
        }
        if let Some(url) = location {
            self.delete(edge, url, desk);
        }
    }

    /// Ends a session at an edge.
    fn delete(&mut self, edge: usize, url: String, desk: &mut Desk<'_>) {
        let headers = self.credentials(&self.config.edges[edge], desk.now);
        let call = self.new_call();
        self.relays.expect(call, CallPurpose::Delete);
        let (method, timeout) = (Method::Delete, limits::RELAY_CALL);
        let request = Call { method, url, headers, body: Vec::new(), timeout };
        desk.out.push(Output::Call { call, request });
    }
}

/// Where to bind for an edge: at the IP of a socket of ours that can reach it, any port. Where
/// several could, each failure tries the next one.
fn near(udp: &[SocketAddr], host: &str, failures: usize) -> SocketAddr {
    let edge: Option<IpAddr> = host.parse().ok();
    let local = host == "localhost" || edge.is_some_and(|ip| ip.is_loopback());
    let fits = |at: &&SocketAddr| {
        let family = edge.is_none_or(|ip| ip.is_ipv6() == at.is_ipv6());
        family && (local || !at.ip().is_loopback())
    };
    let fitting: Vec<&SocketAddr> = udp.iter().filter(fits).collect();
    let any = IpAddr::from([0, 0, 0, 0]);
    let ip = match fitting.as_slice() {
        [] => any,
        some => some[failures % some.len()].ip(),
    };
    SocketAddr::new(ip, 0)
}

/// An edge's refusal in its own words, if it has any (RFC 9457).
fn refusal(reply: &Reply) -> String {
    let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    match problem.get("detail").and_then(serde_json::Value::as_str) {
        Some(detail) => format!("the edge answers {}: {detail}", reply.status),
        None => format!("the edge answers {}", reply.status),
    }
}

fn absolute(base: &str, location: &str) -> String {
    match location.starts_with('/') {
        true => format!("{base}{location}"),
        false => location.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_starts_where_its_edge_can_be_reached() {
        let udp = ["127.0.0.1:1", "10.0.0.1:1", "[2001:db8::1]:1"].map(|at| at.parse().unwrap());
        let near = |host, failures| near(&udp, host, failures).ip().to_string();
        assert_eq!(near("10.0.0.2", 0), "10.0.0.1");
        assert_eq!(near("10.0.0.2", 1), "10.0.0.1");
        assert_eq!(near("127.0.0.1", 0), "127.0.0.1");
        assert_eq!(near("2001:db8::2", 0), "2001:db8::1");
        assert_eq!(near("edge.example.com", 0), "10.0.0.1");
        assert_eq!(near("edge.example.com", 1), "2001:db8::1");
    }
}
