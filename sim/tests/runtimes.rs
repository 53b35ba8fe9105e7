//! One story on three runtimes, with the driver, the sockets and the HTTP that ship: a publisher at
//! the origin, viewers at both edges.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_executor::LocalExecutor;
use farcast_adapters::cores::Mailbox;
use farcast_adapters::http::site::Site;
use farcast_adapters::http::trust::Trust;
use farcast_adapters::link::Fact;
use farcast_adapters::metrics::Metrics;
use farcast_adapters::runtime::Runtime;
use farcast_adapters::serve::{Bound, Plan, serve};
use farcast_adapters::smol::Smol;
use farcast_adapters::tokio::Tokio;
use farcast_adapters::{smol, tokio};
use farcast_core::config::{Addresses, Birth, Config, Edge};
use farcast_core::hub::session::crypto::Crypto;
use farcast_core::node::Node;
use farcast_sim::browse::browse;
use farcast_sim::epoch;
use farcast_sim::peer::Peer;
use farcast_sim::turmoil::Turmoil;
use farcast_sim::wish::{Video, Wish};
use str0m::media::MediaKind;

const PUBLISH: Wish = Wish { publishes: true, audio: true, video: Video::Vp8 };
const PLAY: Wish = Wish { publishes: false, audio: true, video: Video::All };
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PORT: u16 = 8080;
/// From one simulated host to the other.
const AWAY: Duration = Duration::from_millis(45);

type Up = (Bound, Sender<Fact>);

async fn node<R: Runtime>(
    runtime: R,
    name: &str,
    at: SocketAddr,
    edges: Vec<Edge>,
    up: Sender<Up>,
) {
    let plan = Plan {
        udp: vec![at],
        http: vec![at],
        https: None,
        trust: Trust::new(None).expect("the built-in roots"),
        site: Rc::new(Site::new(|_| None, String::new)),
        streams: false,
        cores: Mailbox::alone(),
    };
    let birth = Birth { seed: [7; 32], calendar: Duration::from_secs(1), start: runtime.now() };
    let crypto = Crypto::generate().expect("the system has randomness");
    let build = |bound: &Bound| {
        let config = Config {
            name: name.to_owned(),
            addresses: Addresses { udp: bound.udp.clone(), ..Addresses::default() },
            http_port: Some(bound.http[0].port()),
            edges,
            ..Config::default()
        };
        Node::new(config, birth, crypto)
    };
    let ready = |bound: &Bound, facts: Sender<Fact>| {
        up.try_send((bound.clone(), facts)).expect("room for one");
    };
    let served = serve(runtime, plan, build, Arc::new(Metrics::default()), ready).await;
    served.expect("free ports");
}

fn edge(name: &str, at: SocketAddr) -> Edge {
    Edge { name: name.to_owned(), url: format!("http://{at}"), ..Edge::default() }
}

fn assert_played(peer: &Peer, least: usize) {
    let video: Vec<_> =
        peer.received().iter().filter(|packet| packet.kind == MediaKind::Video).collect();
    assert!(video.len() > least, "{} packets", video.len());
    let first = video[0].sequence;
    let last = video.iter().map(|packet| packet.sequence).max().expect("not empty");
    let lost = (last - first + 1) as usize - video.len();
    assert_eq!(lost, 0, "of {}", video.len());
    assert!(peer.received().iter().any(|packet| packet.kind == MediaKind::Audio));
}

/// Three nodes and three browsers at one IP of loopback, on one thread.
async fn loopback<R: Runtime>(runtime: R, ip: IpAddr) {
    let executor = Rc::new(LocalExecutor::new());
    let start = |name: &'static str, edges: Vec<Edge>| {
        let (up, told): (_, Receiver<Up>) = async_channel::bounded(1);
        let at = SocketAddr::new(ip, 0);
        executor.spawn(node(runtime.clone(), name, at, edges, up)).detach();
        told
    };
    // Boxed, as are the browsers: moving them by value would take a test's whole stack.
    let story = Box::pin(async {
        let (one, stop_one) = start("edge1", Vec::new()).recv().await.expect("edge1 is up");
        let (two, stop_two) = start("edge2", Vec::new()).recv().await.expect("edge2 is up");
        let edges = vec![edge("edge1", one.http[0]), edge("edge2", two.http[0])];
        let (origin, stop) = start("origin", edges).recv().await.expect("the origin is up");
        let end = runtime.now() + Duration::from_secs(4);
        let at = SocketAddr::new(ip, 0);
        let camera = Box::pin(browse(&runtime, at, origin.http[0], "/whip/stream1", PUBLISH, end));
        let first = Box::pin(browse(&runtime, at, one.http[0], "/whep/stream1", PLAY, end));
        let second = Box::pin(browse(&runtime, at, two.http[0], "/whep/stream1", PLAY, end));
        let viewers = futures_lite::future::zip(first, second);
        let (camera, viewers) = futures_lite::future::zip(camera, viewers).await;
        assert!(camera.expect("it publishes").is_connected());
        assert_played(&viewers.0.expect("it plays"), 200);
        assert_played(&viewers.1.expect("it plays"), 200);
        for facts in [stop, stop_one, stop_two] {
            facts.send(Fact::Stopping).await.expect("it still listens");
        }
    });
    executor.run(story).await;
}

#[test]
fn on_tokio() {
    tokio::block_on(loopback(Tokio, LOOPBACK)).expect("a runtime");
}

#[test]
fn on_smol() {
    smol::block_on(loopback(Smol, LOOPBACK)).expect("a runtime");
}

#[test]
fn over_ipv6() {
    tokio::block_on(loopback(Tokio, Ipv6Addr::LOCALHOST.into())).expect("a runtime");
}

#[test]
fn on_simulated_hosts() {
    let mut sim = turmoil::Builder::new()
        .rng_seed(1)
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(AWAY)
        .max_message_latency(AWAY)
        .udp_capacity(10_000)
        .simulation_duration(Duration::from_secs(30))
        .build();
    let here = |host: &str| SocketAddr::new(turmoil::lookup(host), PORT);
    for name in ["edge1", "edge2", "origin"] {
        sim.host(name, move || async move {
            let edges = match name {
                "origin" => ["edge1", "edge2"].map(|name| edge(name, here(name))).to_vec(),
                _ => Vec::new(),
            };
            let (up, _told) = async_channel::bounded(1);
            node(Turmoil::on(name, epoch::start()), name, here(name), edges, up).await;
            Ok(())
        });
    }
    for (name, at, path, wish) in [
        ("camera", "origin", "/whip/stream1", PUBLISH),
        ("viewer1", "edge1", "/whep/stream1", PLAY),
        ("viewer2", "edge2", "/whep/stream1", PLAY),
    ] {
        sim.client(name, async move {
            let runtime = Turmoil::on(name, epoch::start());
            let end = runtime.now() + Duration::from_secs(6);
            let own = SocketAddr::new(turmoil::lookup(name), 5_000);
            let peer = browse(&runtime, own, here(at), path, wish, end).await?;
            match wish.publishes {
                true => assert!(peer.is_connected()),
                false => assert_played(&peer, 400),
            }
            Ok(())
        });
    }
    sim.run().expect("every assertion holds");
}
