//! How a browser finds its node and speaks with it: WHIP and WHEP over HTTP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use farcast_core::http::{Call, CallError, Method, Reply};
use farcast_core::machine::CallId;

use super::tunnel::{Errand, Tunnel};
use super::{Browser, State};
use crate::camera::Svc;
use crate::peer::{self, Peer};
use crate::script::{Attempt, Door};
use crate::wish::{Video, Wish};

/// From an answer to a connection; then another try.
const SETUP: Duration = Duration::from_secs(10);
/// How long the node may take to say so; if it does, the viewer waits on.
const PONG: Duration = Duration::from_secs(2);
/// How long a call may take.
const CALL: Duration = Duration::from_secs(5);

impl Browser {
    /// Takes the answer to a call.
    pub fn answered(&mut self, now: Instant, call: CallId, result: Result<Reply, CallError>) {
        if self.probe == Some(call) {
            self.probe = None;
            self.heard_at = self.time(now);
            if !result.is_ok_and(|reply| reply.status == 204) {
                self.give_up(now);
                self.fail(now, "the node is gone");
            }
            return;
        }
        match std::mem::replace(&mut self.state, State::Left) {
            State::Asking(asked) if asked == call => match result.map(|reply| node(&reply)) {
                Ok(Some((at, name))) => {
                    self.named.push((self.time(now), name));
                    self.offer(now, at);
                }
                _ => self.fail(now, "no node was named"),
            },
            State::Offering(asked, mut peer) if asked == call => {
                let answer = result.ok().filter(|reply| reply.status == 201);
                self.location = answer.as_ref().and_then(|reply| {
                    let node = self.attempts.last()?.node?;
                    let url = format!("http://{node}{}", reply.header("location")?);
                    Some((url, reply.header("etag").unwrap_or("*").to_owned()))
                });
                if self.script.firewalled {
                    self.tunnel = answer.as_ref().and_then(Tunnel::named);
                    self.dig();
                }
                match answer.and_then(|reply| String::from_utf8(reply.body).ok()) {
                    Some(sdp) => {
                        peer.accept(now, &sdp);
                        self.state = State::Connecting(peer, self.time(now) + SETUP);
                    }
                    None => {
                        self.camera = peer.take_camera();
                        self.fail(now, "the offer was refused");
                    }
                }
            }
            other => self.state = other,
        }
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.attempts.push(Attempt::new(self.time(now), self.frames().len()));
        match self.script.door {
            Door::Node(at) => self.offer(now, at),
            Door::Balancer(at) => {
                let call = self.call(Method::Get, at, "/?action=server_list", String::new());
                self.state = State::Asking(call);
            }
        }
    }

    fn offer(&mut self, now: Instant, node: SocketAddr) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.node = Some(node);
        }
        let port = self.new_port();
        self.address.set_port(port);
        self.socket = self.address;
        let publishes = self.script.film.is_some();
        let video = match self.script.film {
            None => Video::All,
            Some(film) => match film.svc {
                None => Video::Vp8,
                Some(Svc::Vp9) => Video::Vp9,
                Some(Svc::Av1) => Video::Av1,
            },
        };
        let birth = peer::Birth {
            now,
            start: self.start,
            address: self.address,
            seed: self.seed.fork(),
            dtls: self.dtls,
            camera: self.camera.take(),
        };
        let (peer, sdp) = Peer::born(birth, Wish { publishes, audio: true, video });
        let act = if publishes { "whip" } else { "whep" };
        let path = format!("/{act}/{}", self.script.stream);
        let call = self.call(Method::Post, node, &path, sdp);
        self.viewer.restart();
        self.state = State::Offering(call, Box::new(peer));
    }

    /// Browsers gather after the answer, which names the servers that they ask.
    fn dig(&mut self) {
        let Some(server) = self.tunnel.as_ref().map(Tunnel::server) else { return };
        let near = SocketAddr::new(self.address.ip(), self.new_port());
        self.errands.push_back(Errand::Connect { near, server });
    }

    fn call(&mut self, method: Method, node: SocketAddr, path: &str, body: String) -> CallId {
        let headers = [("content-type", "application/sdp")];
        self.ask(method, format!("http://{node}{path}"), &headers, body, CALL)
    }

    fn ask(
        &mut self,
        method: Method,
        url: String,
        headers: &[(&str, &str)],
        body: String,
        timeout: Duration,
    ) -> CallId {
        self.last_call += 1;
        let call = CallId(self.last_call);
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let request = Call { method, url, headers, body: body.into(), timeout };
        self.calls.push_back((call, request));
        call
    }

    /// Ends the connection, here and at the node.
    pub(super) fn give_up(&mut self, now: Instant) {
        self.probe = None;
        let old = std::mem::replace(&mut self.state, State::Left);
        if let State::Connecting(mut peer, _) | State::Live(mut peer) = old {
            self.camera = peer.take_camera();
            peer.close(now);
            self.farewell.extend(std::iter::from_fn(|| peer.next_outgoing()));
            if let Some(mut tunnel) = self.tunnel.take() {
                while let Some((to, payload)) = peer.next_relayed() {
                    tunnel.send(to, &payload);
                }
                tunnel.write(&mut self.errands);
                self.errands.push_back(Errand::HangUp { server: tunnel.server() });
            }
        }
        if let Some((url, _)) = self.location.take() {
            self.ask(Method::Delete, url, &[], String::new(), CALL);
        }
    }

    /// Asks whether the node still has this session, by telling it nothing new (RFC 9725 section
    /// 4.3.2); the SDK has a WebSocket for that.
    pub(super) fn probe(&mut self, url: String, etag: String) -> CallId {
        let headers = [("content-type", "application/trickle-ice-sdpfrag"), ("if-match", &etag)];
        let body = "a=end-of-candidates\r\n".to_owned();
        self.ask(Method::Patch, url, &headers, body, PONG)
    }
}

/// The node that a balancer names, and what it calls it.
fn node(reply: &Reply) -> Option<(SocketAddr, String)> {
    let answer: serde_json::Value = serde_json::from_slice(&reply.body).ok()?;
    let (server, port) = (answer["server"].as_str()?, answer["ws"].as_str()?);
    let at = format!("{server}:{port}").parse().ok()?;
    Some((at, answer["name"].as_str().unwrap_or(server).to_owned()))
}
