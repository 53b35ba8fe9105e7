//! HTTP in the in-memory world: a question takes a round trip for its connection (TCP's handshake)
//! and one for itself. Neither is ever lost, but nothing passes where the network is cut.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use farcast_core::http::{Call, CallError, Reply, Request};
use farcast_core::machine::{CallId, Input};

use super::{Actor, Arrival, World};
use crate::guest::Guest;

/// The port of every node, UDP and HTTP.
pub(super) const PORT: u16 = 8080;

/// A question on its way.
pub(super) struct Question {
    caller: Actor,
    from: SocketAddr,
    to: SocketAddr,
    call: CallId,
    request: Call,
    /// When the caller gives up.
    until: Instant,
}

/// An answer on its way.
pub(super) struct Answer {
    caller: Actor,
    call: CallId,
    result: Result<Reply, CallError>,
}

impl World {
    /// Asks what somebody wants asked.
    pub(super) fn call(&mut self, caller: Actor, call: CallId, request: Call) {
        let from = SocketAddr::new(self.ip(caller), 1);
        let until = self.now + request.timeout;
        let to = authority(&request.url).and_then(|authority| authority.parse().ok());
        let Some(to) = to else {
            let result = Err(CallError(format!("{} cannot be resolved", request.url)));
            return self.schedule(self.now, Arrival::Answered(Answer { caller, call, result }));
        };
        self.trace(from, to, request.body.len());
        let there = self.net.delay(from, to);
        let at = self.now + there * 2 + self.net.delay(to, from);
        let question = Question { caller, from, to, call, request, until };
        self.schedule(at, Arrival::Asked(question));
    }

    /// A question has arrived.
    pub(super) fn ask_for(&mut self, question: Question) {
        let Question { caller, from, to, call, request, until } = question;
        let back = self.now + self.net.delay(to, from);
        let answer = |result| Arrival::Answered(Answer { caller, call, result });
        if self.net.is_cut(from, to) || back > until {
            return self.schedule(until, answer(Err(CallError("no answer in time".to_owned()))));
        }
        let node = self.nodes.iter().position(|host| host.ip == to.ip() && host.node.is_some());
        let Some(node) = node.filter(|_| to.port() == PORT) else {
            let refused = CallError(format!("connection refused by {to}"));
            return self.schedule(back, answer(Err(refused)));
        };
        let target = request.url.splitn(4, '/').nth(3).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let asked = Request {
            method: request.method,
            path: format!("/{path}"),
            query: query.to_owned(),
            headers: request.headers,
            body: request.body,
            peer: from,
            secure: false,
        };
        let reply = self.ask_from(node, asked);
        self.trace(to, from, reply.body.len());
        self.schedule(back, answer(Ok(reply)));
    }

    /// An answer has arrived.
    pub(super) fn answer(&mut self, answer: Answer) {
        let Answer { caller, call, result } = answer;
        match caller {
            Actor::Node(index) => self.feed(index, Input::Answered { call, result }),
            Actor::Guest(index) => {
                if let Guest::Browser(browser) = &mut self.guests[index] {
                    browser.answered(self.now, call, result);
                }
                self.carry_for(index);
            }
        }
    }

    fn ip(&self, actor: Actor) -> IpAddr {
        match actor {
            Actor::Node(index) => self.nodes[index].ip,
            Actor::Guest(index) => self.guests[index].socket().ip(),
        }
    }

    fn trace(&mut self, from: SocketAddr, to: SocketAddr, size: usize) {
        if self.net.trace.wants() {
            let names = [self.net.name(from), self.net.name(to)];
            let now: Duration = self.time();
            self.net.trace.line(now, names, "http", size);
        }
    }
}

/// The host and port of a URL.
fn authority(url: &str) -> Option<&str> {
    url.strip_prefix("http://")?.split('/').next()
}
