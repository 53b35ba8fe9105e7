//! The demo with the distances of an atlas, as one process on this machine, and browsers beside it:
//! nothing arrives before light could bring it, and little later.

#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use farcast_adapters::runtime::Runtime;
use farcast_adapters::tokio::{Tokio, block_on};
use farcast_sim::browse::browse;
use farcast_sim::peer::Peer;
use farcast_sim::wish::{Video, Wish};
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};

const CAMERA: Wish = Wish { publishes: true, audio: true, video: Video::Vp8 };
const VIEWER: Wish = Wish { publishes: false, audio: true, video: Video::All };
/// From Novosibirsk to Frankfurt, to New York, and back.
const FLOOR: Duration = Duration::from_millis(172);
/// From Novosibirsk to Frankfurt or New York and back.
const TO_FRANKFURT: Duration = Duration::from_millis(90);
const TO_NEW_YORK: Duration = Duration::from_millis(170);
/// How late anything may be on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_millis(150);

/// A demo that does not outlive its test.
struct Demo {
    process: Child,
    base: u16,
    /// Where media comes from.
    media: IpAddr,
}

impl Demo {
    fn start(runtime: &str) -> Self {
        let base = free_ports();
        let port = base.to_string();
        let flags = ["demo", "--atlas", "four-cities", "--viewer", "novosibirsk"];
        let mut process = Command::new(env!("CARGO_BIN_EXE_farcast"))
            .args(flags)
            .args(["--port-base", &port, "--runtime", runtime])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let table = BufReader::new(process.stdout.take().unwrap());
        let mut media = None;
        for line in table.lines().map(Result::unwrap) {
            let last = line.split(' ').next_back().and_then(|word| word.parse().ok());
            media = media.or(last.map(|at: SocketAddr| at.ip()));
            if line.contains("Ctrl-C") {
                break;
            }
        }
        Demo { process, base, media: media.unwrap() }
    }

    /// The pages of a node.
    fn node(&self, number: u16) -> SocketAddr {
        ([127, 0, 0, 1], self.base + number).into()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// As many ports in a row as a demo takes, all free for TCP and UDP a moment ago.
fn free_ports() -> u16 {
    (10_000..20_000)
        .step_by(3)
        .map(|port| port + (std::process::id() % 3_000) as u16 * 3)
        .find(|base| {
            (*base..base + 3).all(|port| {
                TcpListener::bind(("127.0.0.1", port)).is_ok()
                    && UdpSocket::bind(("0.0.0.0", port)).is_ok()
            })
        })
        .unwrap()
}

async fn get(node: SocketAddr, path: &str) -> String {
    let mut stream = Tokio.connect(node).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A viewer at edge1 whose camera is at the origin, and when both set out.
async fn watch(demo: &Demo) -> (Peer, Instant) {
    let at = SocketAddr::new(demo.media, 0);
    let begin = Instant::now();
    let end = begin + Duration::from_secs(7);
    let camera = Box::pin(browse(&Tokio, at, demo.node(0), "/whip/stream1", CAMERA, end));
    let viewer = Box::pin(browse(&Tokio, at, demo.node(1), "/whep/stream1", VIEWER, end));
    let (camera, viewer) = future::zip(camera, viewer).await;
    assert!(camera.unwrap().is_connected());
    (viewer.unwrap(), begin)
}

/// A viewer who comes when the stream is there: how long until its first packet.
async fn join(demo: &Demo) -> Duration {
    Tokio.sleep_until(Instant::now() + Duration::from_secs(4)).await;
    let at = SocketAddr::new(demo.media, 0);
    let begin = Instant::now();
    let end = begin + Duration::from_millis(2_500);
    let viewer = browse(&Tokio, at, demo.node(1), "/whep/stream1", VIEWER, end).await.unwrap();
    viewer.received().first().expect("it plays").at - begin
}

async fn far_away(runtime: &str) {
    let demo = Demo::start(runtime);
    let begin = Instant::now();
    let seen = |answer: &str, edge: &str| answer.contains(&format!(r#""name":"{edge}""#));
    let (mut one, mut two) = (false, false);
    while !(one && two) {
        let asked = Instant::now();
        let answer = get(demo.node(0), "/?action=server_list").await;
        // To connect, and to ask.
        assert!(asked.elapsed() >= 2 * TO_FRANKFURT);
        one |= seen(&answer, "edge1");
        two |= seen(&answer, "edge2");
        assert!(begin.elapsed() < Duration::from_secs(10), "{runtime}: {one} {two}");
    }

    let ((viewer, begin), joined) = future::zip(watch(&demo), Box::pin(join(&demo))).await;
    let mut took: Vec<Duration> = viewer
        .received()
        .iter()
        // Captured no earlier than at our start, so that nothing seems quicker than it is.
        .map(|packet| packet.at - (begin + packet.captured))
        .collect();
    took.sort();
    assert!(took.len() > 300, "{runtime}: {} packets", took.len());
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    let over = |time: Duration| (time.as_secs_f64() - FLOOR.as_secs_f64()) * 1e3;
    println!(
        "{runtime}: {} packets, over the floor: min {:.2} ms, median {:.2}, p99 {:.2}, max {:.2}; \
         joined after {joined:?}",
        took.len(),
        over(at(0)),
        over(at(50)),
        over(at(99)),
        over(at(100))
    );
    assert!(at(0) >= FLOOR && at(50) < FLOOR + PATIENCE, "{runtime}: {:?} {:?}", at(0), at(50));
    // Connect, ask, check, shake hands; then the packet's own way.
    let least = TO_NEW_YORK * 4 + TO_NEW_YORK / 2;
    assert!(joined >= least && joined < least + 10 * PATIENCE, "{runtime}: {joined:?}");
}

#[test]
fn frames_take_what_light_takes_and_little_more_on_tokio_and_smol() {
    for runtime in ["tokio", "smol"] {
        block_on(far_away(runtime)).unwrap();
    }
}
