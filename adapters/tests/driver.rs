//! The driver on real sockets: the same stories on both runtimes. It knows no stream.

#![allow(clippy::unwrap_used)]

mod echo;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use echo::{Echo, LATER};
use farcast_adapters::cores::Mailbox;
use farcast_adapters::driver::{self, Links};
use farcast_adapters::link::{Errand, Fact, ToPeer};
use farcast_adapters::observer::{Observer, Traffic};
use farcast_adapters::runtime::Runtime;
use farcast_adapters::smol::Smol;
use farcast_adapters::sockets::Sockets;
use farcast_adapters::tokio::Tokio;
use farcast_core::http::{Method, Request};
use farcast_core::machine::ConnectionId;
use farcast_core::report::Report;

/// Tells every story on every runtime.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod on_tokio { $( #[test] fn $story() { super::$story(super::Tokio); } )* }
        mod on_smol { $( #[test] fn $story() { super::$story(super::Smol); } )* }
    };
}

stories!(
    datagrams_are_echoed_in_segments_from_the_address_they_came_to,
    ipv6_is_as_good,
    a_wildcard_socket_answers_from_the_address_that_was_asked,
    sockets_come_and_go_at_run_time,
    the_deadline_rings,
    a_question_gets_its_reply,
    a_slow_connection_is_dropped_once,
    a_connection_that_leaves_is_not_written_to,
    goodbyes_leave_before_the_end,
);

fn datagrams_are_echoed_in_segments_from_the_address_they_came_to(world: impl World) {
    let seen = visit(world, "127.0.0.1:0", |guest| {
        for (round, len) in [1200, 1, 700].into_iter().enumerate() {
            let payload = vec![round as u8; len];
            guest.say(&payload);
            assert_eq!(guest.hear(), payload);
            assert_eq!(guest.hear(), payload);
            if len > 1 {
                assert_eq!(guest.hear(), payload[..len / 2]);
            }
        }
    });
    let traffic = seen.traffic;
    assert_eq!((traffic.datagrams_in, traffic.bytes_in), (3, 1901));
    // Eight echoes and the goodbye.
    assert_eq!((traffic.datagrams_out, traffic.bytes_out), (9, 2 * 1901 + 950 + 3));
    assert_eq!((traffic.dropped_runs, traffic.failed_runs, traffic.failed_reads), (0, 0, 0));
}

fn ipv6_is_as_good(world: impl World) {
    visit(world, "[::1]:0", |guest| {
        guest.say(b"abcd");
        assert_eq!([guest.hear(), guest.hear(), guest.hear()], [&b"abcd"[..], b"abcd", b"ab"]);
    });
}

fn a_wildcard_socket_answers_from_the_address_that_was_asked(world: impl World) {
    visit(world, "0.0.0.0:0", |guest| {
        // The kernel would answer 127.0.0.1, where the guest is, from that same address.
        guest.node.set_ip([127, 0, 0, 9].into());
        guest.say(b"x");
        assert_eq!(guest.hear(), b"x");
    });
}

fn sockets_come_and_go_at_run_time(world: impl World) {
    visit(world, "127.0.0.1:0", |guest| {
        let main = guest.node;
        guest.say(b"bind");
        let (word, bound) = guest.hear_from_anyone();
        assert_eq!(word, b"bound");
        assert_ne!(bound, main);

        guest.node = bound;
        guest.say(b"x");
        assert_eq!(guest.hear(), b"x");
        assert_eq!(guest.hear(), b"x");

        guest.node = main;
        guest.say(b"unbind");
        assert_eq!(guest.hear(), b"unbound");
        // An answer to something later: by then the errands of that burst are done.
        guest.say(b"x");
        assert_eq!(guest.hear(), b"x");
        UdpSocket::bind(bound).expect("the port is free again");
    });
}

fn the_deadline_rings(world: impl World) {
    visit(world, "127.0.0.1:0", |guest| {
        for _ in 0..2 {
            let before = Instant::now();
            guest.say(b"later");
            assert_eq!(guest.hear(), b"late");
            assert!(before.elapsed() >= LATER);
            assert!(before.elapsed() < LATER * 10);
        }
    });
}

fn a_question_gets_its_reply(world: impl World) {
    visit(world, "127.0.0.1:0", |guest| {
        for path in ["/a", "/b"] {
            let (answer, reply) = async_channel::bounded(1);
            guest.tell(Fact::Asked { request: get(path), answer });
            assert_eq!(reply.recv_blocking().unwrap().body, path.as_bytes());
        }
    });
}

fn a_slow_connection_is_dropped_once(world: impl World) {
    let seen = visit(world, "127.0.0.1:0", |guest| {
        let (connection, messages) = guest.open(2);
        // The machine wrote three times; there was room for two, then the end. Whoever reads at
        // once makes room for the third.
        let before = Instant::now();
        while !messages.is_closed() {
            assert!(before.elapsed() < LATER * 50, "the connection was not dropped");
            thread::sleep(Duration::from_millis(1));
        }
        let texts = [messages.recv_blocking(), messages.recv_blocking()].map(text);
        assert_eq!(texts, ["one", "two"]);
        assert!(messages.recv_blocking().is_err());
        guest.tell(Fact::Said { connection, text: "too late".to_owned() });
        guest.tell(Fact::Left { connection, clean: true });
    });
    assert_eq!(seen.reports, ["session 5: bad left: broken"]);
}

fn a_connection_that_leaves_is_not_written_to(world: impl World) {
    let seen = visit(world, "127.0.0.1:0", |guest| {
        let (connection, messages) = guest.open(8);
        guest.tell(Fact::Said { connection, text: "four".to_owned() });
        for expected in ["one", "two", "three", "FOUR"] {
            assert_eq!(text(messages.recv_blocking()), expected);
        }
        guest.tell(Fact::Left { connection, clean: true });
        assert!(messages.recv_blocking().is_err());
    });
    assert_eq!(seen.reports, ["session 5: bad left: clean"]);
}

fn goodbyes_leave_before_the_end(world: impl World) {
    visit(world, "127.0.0.1:0", |guest| {
        guest.say(b"x");
        assert_eq!([guest.hear(), guest.hear()], [b"x", b"x"]);
        guest.tell(Fact::Stopping);
        assert_eq!(guest.hear(), b"bye");
    });
}

fn get(path: &str) -> Request {
    Request {
        method: Method::Get,
        path: path.to_owned(),
        query: String::new(),
        headers: Vec::new(),
        body: Vec::new(),
        peer: ([127, 0, 0, 1], 9).into(),
        secure: false,
    }
}

fn text(message: Result<ToPeer, async_channel::RecvError>) -> String {
    match message.expect("there is a message") {
        ToPeer::Text(text) => text,
        ToPeer::Close(reason) => panic!("closed: {reason}"),
    }
}

trait World: Runtime {
    fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T>;
}

impl World for Tokio {
    fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
        farcast_adapters::tokio::block_on(future)
    }
}

impl World for Smol {
    fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
        farcast_adapters::smol::block_on(future)
    }
}

/// What the observer saw.
#[derive(Default)]
struct Seen {
    reports: Vec<String>,
    traffic: Traffic,
}

struct Watch(Rc<RefCell<Seen>>);

impl Observer for Watch {
    fn report(&mut self, _: Instant, report: &Report) {
        self.0.borrow_mut().reports.push(report.to_string());
    }

    fn traffic(&mut self, traffic: &Traffic) {
        self.0.borrow_mut().traffic += *traffic;
    }
}

/// Who talks with the driver, from a thread of their own.
struct Guest {
    node: SocketAddr,
    socket: UdpSocket,
    facts: Sender<Fact>,
}

impl Guest {
    fn say(&self, payload: &[u8]) {
        self.socket.send_to(payload, self.node).unwrap();
    }

    /// The next datagram; it must come from where the last one went.
    fn hear(&self) -> Vec<u8> {
        let (payload, from) = self.hear_from_anyone();
        assert_eq!(from, self.node);
        payload
    }

    fn hear_from_anyone(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 2048];
        let (len, from) = self.socket.recv_from(&mut buffer).expect("an answer comes in time");
        (buffer[..len].to_vec(), from)
    }

    fn tell(&self, fact: Fact) {
        self.facts.send_blocking(fact).unwrap();
    }

    fn open(&self, room: usize) -> (ConnectionId, Receiver<ToPeer>) {
        let (writer, messages) = async_channel::bounded(room);
        let (connection, peer) = (ConnectionId(5), self.node);
        self.tell(Fact::Opened { connection, peer, host: String::new(), writer });
        (connection, messages)
    }
}

/// Runs an echo at `at` while the guest is there; checks that it ends after it was told to stop.
fn visit<W: World>(world: W, at: &str, story: impl FnOnce(&mut Guest) + Send + 'static) -> Seen {
    let at: SocketAddr = at.parse().unwrap();
    let seen = Rc::new(RefCell::new(Seen::default()));
    let watch = Watch(Rc::clone(&seen));
    W::block_on(async move {
        let mut sockets = Sockets::default();
        let node = sockets.add(world.bind(at).await.unwrap()).unwrap();
        let (facts, told) = async_channel::bounded(16);
        let (calls, _errands) = async_channel::bounded::<Errand>(16);
        let guest = thread::spawn(move || {
            let loopback: SocketAddr =
                if at.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }.parse().unwrap();
            let socket = UdpSocket::bind(loopback).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut guest = Guest { node, socket, facts };
            story(&mut guest);
            // Unless the story ended with that.
            guest.facts.send_blocking(Fact::Stopping).ok();
        });
        let near = SocketAddr::new(at.ip(), 0);
        let links = Links {
            arrivals: async_channel::bounded(1).1,
            facts: told,
            calls,
            cores: Mailbox::alone(),
        };
        driver::run(&world, Echo::new(near), sockets, links, watch).await;
        guest.join().expect("the story ended well");
    })
    .unwrap();
    Rc::try_unwrap(seen).ok().expect("the driver is gone").into_inner()
}
