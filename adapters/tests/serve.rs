//! A whole process around a machine: binds, runs, stops, leaves nothing behind. It knows no stream.

#![allow(clippy::unwrap_used)]

mod echo;

use std::cell::Cell;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_channel::Sender;
use echo::{Echo, LATER};
use farcast_adapters::cores::Mailbox;
use farcast_adapters::http::site::Site;
use farcast_adapters::http::trust::Trust;
use farcast_adapters::link::Fact;
use farcast_adapters::metrics::Metrics;
use farcast_adapters::runtime::Runtime;
use farcast_adapters::serve::{Bound, Plan, serve};
use farcast_adapters::smol::Smol;
use farcast_adapters::tokio::Tokio;

#[test]
fn a_node_runs_and_stops_on_tokio() {
    farcast_adapters::tokio::block_on(runs_and_stops(Tokio)).unwrap();
}

#[test]
fn a_node_runs_and_stops_on_smol() {
    farcast_adapters::smol::block_on(runs_and_stops(Smol)).unwrap();
}

async fn runs_and_stops(runtime: impl Runtime) {
    let metrics = Arc::new(Metrics::default());
    let bound = Rc::new(Cell::new(None));
    let (seen, plan) = (bound.clone(), plan("127.0.0.1:0", &metrics));
    let ready = move |bound: &Bound, facts| {
        assert!(bound.interfaces.contains(&[127, 0, 0, 1].into()));
        assert!(bound.https.is_empty());
        let (udp, http) = (bound.udp[0], bound.http[0]);
        seen.set(Some((udp, http)));
        thread::spawn(move || talk(udp, http, facts));
    };
    let build = |bound: &Bound| {
        assert!(bound.udp.iter().chain(&bound.http).all(|one| one.port() != 0));
        Echo::new(bound.udp[0])
    };
    serve(runtime, plan, build, metrics.clone(), ready).await.unwrap();

    let (udp, http) = bound.take().expect("the node was ready");
    UdpSocket::bind(udp).expect("the UDP socket is gone");
    let refused = TcpStream::connect(http).expect_err("nobody listens any more");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(Metrics::render(&[metrics]).contains("farcast_udp_datagrams_in_total 1\n"));
}

fn talk(udp: SocketAddr, http: SocketAddr, facts: Sender<Fact>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LATER * 50)).unwrap();
    socket.send_to(b"x", udp).unwrap();
    let mut buffer = [0; 10];
    assert_eq!(socket.recv(&mut buffer).unwrap(), 1);
    TcpStream::connect_timeout(&http, Duration::from_secs(5)).unwrap();
    facts.send_blocking(Fact::Stopping).unwrap();
}

#[test]
fn an_address_that_is_taken_is_named_and_nothing_starts() {
    farcast_adapters::tokio::block_on(async {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = taken.local_addr().unwrap();
        assert_eq!(
            refusal(Tokio, &at.to_string()).await,
            format!("UDP {at} is in use by another process; choose another with --udp")
        );
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = taken.local_addr().unwrap();
        assert_eq!(
            refusal(Tokio, &at.to_string()).await,
            format!("HTTP {at} is in use by another process; choose another with --http")
        );
        assert_eq!(
            refusal(Tokio, "192.0.2.1:0").await,
            "UDP 192.0.2.1:0 is no address of this machine; choose another with --udp"
        );
    })
    .unwrap();
}

async fn refusal(runtime: impl Runtime, at: &str) -> String {
    let metrics = Arc::new(Metrics::default());
    let build = |_: &Bound| -> Echo { panic!("the machine is built after everything is bound") };
    let ready = |_: &Bound, _| panic!("the node is not ready");
    let plan = plan(at, &metrics);
    serve(runtime, plan, build, metrics, ready).await.unwrap_err().to_string()
}

fn plan(at: &str, metrics: &Arc<Metrics>) -> Plan {
    let at = at.parse().unwrap();
    let metrics = metrics.clone();
    Plan {
        udp: vec![at],
        http: vec![at],
        https: None,
        trust: Trust::new(None).unwrap(),
        site: Rc::new(Site::new(|_| None, move || Metrics::render(&[Arc::clone(&metrics)]))),
        streams: false,
        cores: Mailbox::alone(),
    }
}
