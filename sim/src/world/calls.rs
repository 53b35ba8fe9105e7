//! HTTP in the in-memory world: a question takes a round trip for its connection (TCP's handshake)
//! and one for itself. It is never lost; but where the network is cut or the machine is gone, only
//! the first packet is sent again and again, and where no node runs it is refused.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use farcast_core::http::{Call, CallError, Reply, Request};
use farcast_core::machine::{CallId, Input};

use super::{Actor, Arrival, World};
use crate::guest::Guest;
use crate::plan::PORT;

/// Until the first packet of a connection is sent again; twice as long every time (RFC 6298
/// section 2).
const AGAIN: Duration = Duration::from_secs(1);

/// A question on its way.
pub(super) struct Question {
    caller: Actor,
    /// Of the caller: its next life does not know what it asked.
    life: u64,
    from: SocketAddr,
    to: SocketAddr,
    call: CallId,
    request: Call,
    /// When the caller gives up.
    until: Instant,
    /// Until the first packet is sent again.
    again: Duration,
}

/// An answer on its way.
pub(super) struct Answer {
    caller: Actor,
    life: u64,
    call: CallId,
    result: Result<Reply, CallError>,
}

impl World {
    /// Asks what somebody wants asked.
    pub(super) fn call(&mut self, caller: Actor, call: CallId, request: Call) {
        let (from, life) = (SocketAddr::new(self.ip(caller), 1), self.life(caller));
        let until = self.now + request.timeout;
        let to = authority(&request.url).and_then(|authority| authority.parse().ok());
        let Some(to) = to else {
            let result = Err(CallError(format!("{} cannot be resolved", request.url)));
            let answer = Answer { caller, life, call, result };
            return self.schedule(self.now, Arrival::Answered(answer));
        };
        self.trace(from, to, request.body.len());
        let there = self.net.delay(from, to);
        let at = self.now + there * 2 + self.net.delay(to, from);
        let question = Question { caller, life, from, to, call, request, until, again: AGAIN };
        self.schedule(at, Arrival::Asked(question));
    }

    /// A question has arrived.
    pub(super) fn ask_for(&mut self, question: Question) {
        let Question { caller, life, from, to, call, request, until, again } = question;
        let back = self.now + self.net.delay(to, from);
        let answer = |result| Arrival::Answered(Answer { caller, life, call, result });
        let node = self.nodes.iter().position(|host| host.ip == to.ip());
        let gone = node.is_none_or(|node| self.nodes[node].gone) || self.net.is_cut(from, to);
        if gone && self.now + again < until {
            let again = again * 2;
            let question = Question { caller, life, from, to, call, request, until, again };
            return self.schedule(self.now + again / 2, Arrival::Asked(question));
        }
        if gone || back > until {
            let silence = CallError(format!("{to} does not answer"));
            return self.schedule(until.max(self.now), answer(Err(silence)));
        }
        let alive = node.filter(|node| to.port() == PORT && self.nodes[*node].node.is_some());
        let Some(node) = alive else {
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
        let Answer { caller, life, call, result } = answer;
        if life != self.life(caller) {
            return;
        }
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

    fn life(&self, actor: Actor) -> u64 {
        match actor {
            Actor::Node(index) => self.nodes[index].life,
            Actor::Guest(_) => 0,
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
