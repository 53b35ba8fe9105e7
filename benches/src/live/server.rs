//! A node as its program runs it, on a thread of this process.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_channel::Sender;
use farcast_adapters::cores::Mailbox;
use farcast_adapters::http::site::Site;
use farcast_adapters::http::trust::Trust;
use farcast_adapters::link::Fact;
use farcast_adapters::metrics::Metrics;
use farcast_adapters::serve::{self, Bound, Plan};
use farcast_adapters::tokio::{self, Tokio};
use farcast_core::config::{Access, Addresses, Birth, Config, Egress};
use farcast_core::hub::session::crypto::Crypto;
use farcast_core::node::Node;

use crate::thread::Thread;

/// A node; it says goodbye when it is dropped.
pub(super) struct Server {
    /// Where it takes calls and media.
    pub(super) at: SocketAddr,
    /// What it costs.
    pub(super) thread: Thread,
    facts: Sender<Fact>,
    life: Option<JoinHandle<()>>,
}

impl Server {
    /// A node that is open to everybody on loopback.
    pub(super) fn start(egress: Egress) -> Self {
        let (tell, told) = mpsc::channel();
        let life = thread::spawn(move || {
            let thread = Thread::on(0);
            let (at, plan) = plan();
            tokio::block_on(async move {
                let build = |_: &Bound| {
                    let birth = Birth { seed: [7; 32], calendar: CALENDAR, start: Instant::now() };
                    let crypto = Crypto::generate().expect("the system has randomness");
                    Node::new(config(at, egress), birth, crypto)
                };
                let ready = |_: &Bound, facts| tell.send((thread, at, facts)).expect("awaited");
                let serving = serve::serve(Tokio, plan, build, Arc::new(Metrics::default()), ready);
                Box::pin(serving).await.expect("free ports");
            })
            .expect("a runtime");
        });
        let (thread, at, facts) = told.recv().expect("the server starts");
        Server { at, thread, facts, life: Some(life) }
    }

    /// The answer to an offer.
    pub(super) fn post(&self, path: &str, offer: &str) -> String {
        let mut stream = TcpStream::connect(self.at).expect("the server listens");
        let (at, len) = (self.at, offer.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {at}\r\nContent-Type: application/sdp\r\n\
             Content-Length: {len}\r\nConnection: close\r\n\r\n"
        );
        let mut reply = String::new();
        stream.write_all((head + offer).as_bytes()).expect("the server reads");
        stream.read_to_string(&mut reply).expect("the server answers in text");
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 201 "), "{reply}");
        body.to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A thread that has broken down has said so.
        self.facts.send_blocking(Fact::Stopping).ok();
        self.life.take().map(JoinHandle::join);
    }
}

/// The day on which every node of a benchmark is born, since 1970.
const CALENDAR: Duration = Duration::from_secs(1_767_225_600);

fn config(at: SocketAddr, egress: Egress) -> Config {
    Config {
        name: "node".to_owned(),
        access: Access::Open,
        addresses: Addresses { udp: vec![at], ..Addresses::default() },
        http_port: Some(at.port()),
        egress,
        ..Config::default()
    }
}

fn plan() -> (SocketAddr, Plan) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let at = socket.local_addr().expect("its address");
    let plan = Plan {
        udp: vec![at],
        http: vec![at],
        https: None,
        trust: Trust::new(None).expect("the public authorities"),
        site: Rc::new(Site::new(|_| None, String::new)),
        streams: true,
        cores: Mailbox::alone(),
    };
    (at, plan)
}
