//! Farcast's TURN server as its program runs it, on a thread of this process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use farcast_adapters::cores::Mailbox;
use farcast_adapters::http::site::Site;
use farcast_adapters::http::trust::Trust;
use farcast_adapters::metrics::Metrics;
use farcast_adapters::serve::{self, Bound, Plan};
use farcast_adapters::tokio::{self, Tokio};
use farcast_core::config::{Birth, Network, RelayIp, Turn, TurnUser};
use farcast_core::turn::Standalone;

use crate::thread::Thread;

/// Whom the server knows.
pub(super) const USER: &str = "alice";
pub(super) const PASSWORD: &str = "secret";

/// A server; its thread ends with the process.
#[derive(Debug)]
pub struct Server {
    /// Where it takes clients, over UDP and TCP.
    pub at: SocketAddr,
    /// What it costs.
    pub thread: Thread,
}

impl Server {
    /// A server that relays from loopback to loopback.
    pub fn start() -> Self {
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let thread = Thread::on(0);
            tokio::block_on(async move {
                let birth = birth();
                let build = |_: &Bound| Standalone::new(config(), birth);
                let ready = |bound: &Bound, _| tell.send((bound.udp[0], thread)).expect("awaited");
                serve::serve(Tokio, plan(), build, Arc::new(Metrics::default()), ready)
                    .await
                    .expect("free ports");
            })
            .expect("a runtime");
        });
        let (at, thread) = told.recv().expect("the server starts");
        Server { at, thread }
    }
}

/// A server's settings.
pub(super) fn config() -> Turn {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Turn {
        realm: "lab.test".to_owned(),
        users: vec![TurnUser { name: USER.to_owned(), password: PASSWORD.to_owned() }],
        relays: vec![RelayIp { bind: loopback, announced: loopback }],
        ports: Some((30_000, 60_000)),
        allow: vec![Network { ip: loopback, prefix: 8 }],
        per_user: 100_000,
        ..Turn::default()
    }
}

pub(super) fn birth() -> Birth {
    Birth { seed: [7; 32], calendar: Duration::from_secs(1), start: Instant::now() }
}

fn plan() -> Plan {
    let port = free_port();
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Plan {
        udp: vec![at],
        http: vec![at],
        https: None,
        trust: Trust::new(None).expect("the public authorities"),
        site: Rc::new(Site::new(|_| None, String::new)),
        streams: true,
        cores: Mailbox::alone(),
    }
}

fn free_port() -> u16 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("its address").port()
}
