//! What a node that is asked to knock does, and what nobody can have it do.

#![allow(missing_docs, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "tests make up their instants from the clock's")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use farcast_core::config::{Access, Addresses, Birth, Config, Key};
use farcast_core::director::signal::token::{Act, Claims, mint};
use farcast_core::http::{Call, CallError, Method, Reply, Request};
use farcast_core::hub::session::crypto::Crypto;
use farcast_core::limits;
use farcast_core::machine::{
    BindId, CallId, ConnectId, Datagram, Input, Machine, Output, RequestId, StreamId,
};
use farcast_core::node::Node;
use farcast_core::outbox::Outbox;
use serde_json::{Value, json};

const CALENDAR: Duration = Duration::from_secs(1_800_000_000);
const ASKER: &str = "203.0.113.9:50000";
const SOCKET: &str = "0.0.0.0:41000";
const DOORS: &str = r#"{"udp": [443], "tcp": [443], "https": "https://edge1.example.com"}"#;

/// A node, and what it wants done.
struct Room {
    node: Node,
    now: Instant,
    asked: u64,
    sent: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    binds: Vec<(BindId, SocketAddr)>,
    unbound: Vec<SocketAddr>,
    connects: Vec<(ConnectId, SocketAddr)>,
    ended: Vec<StreamId>,
    calls: Vec<(CallId, Call)>,
    replies: Vec<(RequestId, Reply)>,
}

fn key() -> Key {
    Key { secret: vec![1; Key::SHORTEST] }
}

fn bearer(act: Act) -> String {
    let sub = "*".parse().unwrap();
    format!("Bearer {}", mint(&key(), &Claims { sub, act, exp: CALENDAR.as_secs() + 60 }))
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Room {
    fn new(access: Access) -> Room {
        let udp = vec![at("198.51.100.1:443")];
        let addresses = Addresses { udp, ..Addresses::default() };
        let config = Config { name: "edge1".into(), access, addresses, ..Config::default() };
        let now = Instant::now();
        let birth = Birth { seed: [3; 32], calendar: CALENDAR, start: now };
        Room {
            node: Node::new(config, birth, Crypto::generate().unwrap()),
            now,
            asked: 0,
            sent: vec![],
            binds: vec![],
            unbound: vec![],
            connects: vec![],
            ended: vec![],
            calls: vec![],
            replies: vec![],
        }
    }

    fn keyed() -> Room {
        Room::new(Access::Keys(vec![key()]))
    }

    fn feed(&mut self, input: Input<'_>) {
        let mut out = Outbox::default();
        self.node.handle(self.now, input, &mut out);
        for run in out.transmits() {
            self.sent.extend(run.datagrams().map(|one| (run.local, run.peer, one.to_vec())));
        }
        for errand in out.errands() {
            match errand {
                Output::Bind { bind, near } => self.binds.push((bind, near)),
                Output::Unbind { local } => self.unbound.push(local),
                Output::Connect { connect, to, .. } => self.connects.push((connect, to)),
                Output::End { stream } => self.ended.push(stream),
                Output::Call { call, request } => self.calls.push((call, request)),
                Output::Reply { id, reply } => self.replies.push((id, reply)),
                Output::Report(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn ask(&mut self, from: &str, headers: &[(&str, &str)], body: &str) {
        self.asked += 1;
        let json = [("content-type", "application/json")];
        let headers = json.iter().chain(headers);
        let request = Request {
            method: Method::Post,
            path: "/v1/knock".into(),
            query: String::new(),
            headers: headers.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            body: body.into(),
            peer: at(from),
            secure: false,
        };
        self.feed(Input::Asked { id: RequestId(self.asked), request });
    }

    /// A relay node asks, and the socket for UDP is bound.
    fn knock(&mut self, from: &str, body: &str) {
        self.ask(from, &[("authorization", &bearer(Act::Relay))], body);
        if let Some((bind, _)) = self.binds.pop() {
            self.feed(Input::Bound { bind, result: Ok(at(SOCKET)) });
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.node.deadline().filter(|due| *due <= end) {
            self.now = due;
            self.feed(Input::Timeout);
        }
        self.now = end;
    }

    /// Answers the last datagram that was sent, as if from `peer`.
    fn answer_stun(&mut self, peer: &str) {
        let (_, _, request) = self.sent.last().unwrap().clone();
        let answer = [&[1, 1, 0, 0], &request[4..]].concat();
        let local = at("198.51.100.1:41000");
        self.feed(Input::Datagrams(&[Datagram::udp(at(peer), local, &answer)]));
    }

    fn connected(&mut self, stream: u64) {
        let (connect, _) = self.connects.pop().unwrap();
        let result = Ok((StreamId(stream), at("198.51.100.1:42000")));
        self.feed(Input::Connected { connect, result });
    }

    fn called(&mut self, result: Result<Reply, CallError>) {
        let (call, _) = self.calls.pop().unwrap();
        self.feed(Input::Answered { call, result });
    }

    fn status(&mut self) -> Option<u16> {
        self.replies.pop().map(|(_, reply)| reply.status)
    }

    fn told(&mut self) -> Value {
        let (_, reply) = self.replies.pop().expect("a reply");
        assert_eq!(reply.status, 200);
        serde_json::from_slice(&reply.body).unwrap()
    }

    fn is_idle(&self) -> bool {
        self.sent.is_empty()
            && self.binds.is_empty()
            && self.connects.is_empty()
            && self.calls.is_empty()
            && self.node.deadline().is_none()
    }
}

#[test]
fn only_bearers_of_a_relay_or_admin_token_have_it_knock() {
    let mut room = Room::keyed();
    let play = bearer(Act::Play);
    for (headers, status) in [(vec![], 401), (vec![("authorization", play.as_str())], 403)] {
        room.ask(ASKER, &headers, DOORS);
        assert_eq!(room.status(), Some(status));
        assert!(room.is_idle(), "{status}");
    }
    for act in [Act::Relay, Act::Admin] {
        room.ask(ASKER, &[("authorization", &bearer(act))], "{}");
        assert_eq!(room.status(), Some(200), "{act}");
    }
}

#[test]
fn it_knocks_at_nobody_but_the_asker() {
    let mut room = Room::keyed();
    room.knock(ASKER, DOORS);
    let (local, peer, request) = room.sent[0].clone();
    assert_eq!((local, peer), (at(SOCKET), at("203.0.113.9:443")));
    assert_eq!((request.len(), &request[..8]), (20, &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..]));
    assert_eq!(room.connects[0].1, at("203.0.113.9:443"));
    let call = &room.calls[0].1;
    assert_eq!((call.method, &*call.url), (Method::Get, "https://edge1.example.com/healthz"));
    assert!(call.headers.is_empty(), "no token goes there");
    assert!(call.timeout <= Duration::from_secs(3));

    let mut proxied = Room::keyed();
    for field in ["via", "forwarded", "x-forwarded-for"] {
        let headers = [("authorization", &*bearer(Act::Admin)), (field, "198.51.100.77")];
        proxied.ask("127.0.0.1:5", &headers, DOORS);
        assert_eq!(proxied.status(), Some(400), "{field}");
        assert!(proxied.is_idle(), "the proxy's ports are not the asker's");
    }
}

#[test]
fn an_open_node_calls_nobody_by_name() {
    let mut room = Room::new(Access::Open);
    room.ask(ASKER, &[], DOORS);
    assert_eq!(room.status(), Some(403));
    assert!(room.is_idle());
    room.ask(ASKER, &[], r#"{"https": "https://203.0.113.9:8443"}"#);
    assert_eq!(room.calls[0].1.url, "https://203.0.113.9:8443/healthz");
}

#[test]
fn what_opens_is_told_with_how_long_it_took() {
    let mut room = Room::keyed();
    room.knock(ASKER, DOORS);
    room.pass(Duration::from_millis(12));
    room.answer_stun("203.0.113.9:444");
    room.answer_stun("203.0.113.8:443");
    room.pass(Duration::from_millis(10));
    room.answer_stun("203.0.113.9:443");
    room.connected(9);
    assert_eq!(room.ended, [StreamId(9)], "it only wanted to know");
    assert_eq!(room.status(), None, "the HTTPS call is under way");
    room.called(Ok(Reply::empty(200)));
    let expected = json!({
        "from": "203.0.113.9",
        "udp": [{ "port": 443, "open": true, "ms": 22 }],
        "tcp": [{ "port": 443, "open": true, "ms": 22 }],
        "https": { "ok": true },
        "calendar": CALENDAR.as_millis() as u64 + 22,
    });
    assert_eq!(room.told(), expected);
    assert_eq!(room.unbound, [at(SOCKET)]);
    assert_eq!(room.node.deadline(), None);
}

#[test]
fn a_silent_port_is_tried_three_times_and_told_as_shut_within_four_seconds() {
    let mut room = Room::keyed();
    room.knock(ASKER, DOORS);
    room.called(Err(CallError("the certificate of edge1.example.com has expired".into())));
    let begun = room.now;
    while room.replies.is_empty() {
        room.pass(Duration::from_millis(100));
        assert!(room.now - begun < Duration::from_secs(4));
    }
    assert_eq!(room.sent.len(), 3);
    let told = room.told();
    assert_eq!(told["udp"], json!([{ "port": 443, "open": false, "why": "no answer" }]));
    assert_eq!(told["tcp"], json!([{ "port": 443, "open": false, "why": "no answer" }]));
    let why = "the certificate of edge1.example.com has expired";
    assert_eq!(told["https"], json!({ "ok": false, "why": why }));
    room.connected(4);
    assert_eq!(room.ended, [StreamId(4)], "a connection that comes too late is ended");
    assert_eq!((room.status(), room.node.deadline()), (None, None));
}

#[test]
fn without_a_socket_a_port_is_untried_not_shut() {
    let mut room = Room::keyed();
    room.ask(ASKER, &[("authorization", &bearer(Act::Relay))], r#"{"udp": [443]}"#);
    let (bind, near) = room.binds.pop().unwrap();
    assert_eq!(near, at("0.0.0.0:0"));
    room.feed(Input::Bound { bind, result: Err("no descriptors".into()) });
    assert_eq!(room.told()["udp"][0]["open"], Value::Null);
}

#[test]
fn one_asker_has_one_knock_at_a_time_and_all_together_have_few() {
    let mut room = Room::keyed();
    let asker = |n: usize| format!("203.0.113.{n}:1");
    room.knock(&asker(1), DOORS);
    room.knock(&asker(1), DOORS);
    assert_eq!(room.status(), Some(429));
    for n in 2..=limits::KNOCKS {
        room.knock(&asker(n), DOORS);
        assert_eq!(room.status(), None, "{n}");
    }
    room.knock(&asker(100), DOORS);
    assert_eq!(room.status(), Some(429));
    room.pass(limits::KNOCK);
    assert_eq!(room.replies.len(), limits::KNOCKS, "everybody is answered");
    room.replies.clear();
    room.knock(&asker(100), "{}");
    assert_eq!(room.status(), Some(200), "there is room again");
}

#[test]
fn who_waits_is_told_that_the_node_stops() {
    let mut room = Room::keyed();
    room.knock(ASKER, DOORS);
    room.feed(Input::Stopping);
    assert_eq!(room.status(), Some(503));
    assert_eq!(room.unbound, [at(SOCKET)]);
}
