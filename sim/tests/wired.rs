//! Sockets with distances, over real ones on loopback. Times have no tight upper bound: a machine
//! may be busy, but nothing may come before it can.

#![allow(clippy::unwrap_used)]

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use farcast_adapters::batch::Batch;
use farcast_adapters::runtime::{Runtime, Udp};
use farcast_adapters::smol::Smol;
use farcast_adapters::tokio::Tokio;
use farcast_core::outbox::Transmit;
use farcast_core::seed::Seed;
use farcast_sim::atlas::Atlas;
use farcast_sim::net::{Net, Place};
use farcast_sim::wired::{Below, Globe, Home, Wired};
use futures_lite::{AsyncReadExt, AsyncWriteExt, future, io};

/// Berlin and Oslo have nodes, strangers are in Rome.
const ATLAS: &str = "city = [{name='Berlin'}, {name='Oslo'}, {name='Rome'}]\n\
    link = [{between=['Berlin','Oslo'], rtt_ms=40}, {between=['Berlin','Rome'], rtt_ms=60},\
    {between=['Oslo','Rome'], rtt_ms=900, loss_percent=100}]";
const TO_OSLO: Duration = Duration::from_millis(20);
const TO_ROME: Duration = Duration::from_millis(30);
/// How late anything may be on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_millis(150);
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The nodes in Berlin and Oslo.
fn nodes<R: Runtime>(runtime: R) -> [Wired<R>; 2] {
    let atlas = Atlas::parse(ATLAS).unwrap();
    let mut net = Net::new(&atlas, Seed::new([1; 32])).unwrap();
    let place = |name: &str| {
        let city = atlas.city(name).unwrap();
        Place { name: name.to_owned(), city, last_mile: None }
    };
    let homes = [("Berlin", [233, 252, 0, 1]), ("Oslo", [233, 252, 0, 2])];
    let ips = homes.map(|(city, ip)| {
        net.put(SocketAddr::from((ip, 0)), place(city));
        IpAddr::from(ip)
    });
    net.put_others(place("Rome"));
    let globe = Globe::new(net);
    let below = Below::real(Instant::now());
    ips.map(|ip| {
        let (globe, below) = (Arc::clone(&globe), below.clone());
        Wired::new(runtime.clone(), Home { globe, ip, below })
    })
}

fn send(socket: &impl Udp, to: SocketAddr, payload: &[u8], segment: usize) {
    let local = socket.local_addr().unwrap();
    socket.send(&Transmit { local, peer: to, payload, segment }).unwrap();
}

/// What a socket brings next, while others send what they hold.
async fn next(socket: &impl Udp, others: &[&dyn Udp]) -> Vec<(SocketAddr, Vec<u8>)> {
    let (mut batch, mut rest) = (Batch::default(), Batch::default());
    let heard = poll_fn(|cx| {
        for other in others {
            assert!(other.poll_recv(cx, &mut rest).is_pending());
        }
        socket.poll_recv(cx, &mut batch)
    });
    let late = async {
        Smol.sleep_until(Instant::now() + Duration::from_secs(5)).await;
        Err(ErrorKind::TimedOut.into())
    };
    future::or(heard, late).await.unwrap();
    batch.view(|all| all.iter().map(|one| (one.peer, one.payload.to_vec())).collect())
}

fn assert_took(begin: Instant, least: Duration) {
    let took = begin.elapsed();
    assert!(took >= least && took < least + PATIENCE, "{took:?} instead of {least:?}");
}

async fn runs_between_nodes<R: Runtime>(runtime: R) {
    let [berlin, oslo] = nodes(runtime);
    let wildcard = SocketAddr::from(([0, 0, 0, 0], 0));
    let (from, to) = (berlin.bind(ANY).await.unwrap(), oslo.bind(wildcard).await.unwrap());
    let place = SocketAddr::new(ANY.ip(), to.local_addr().unwrap().port());
    let begin = Instant::now();
    send(&from, place, b"aabbc", 2);
    send(&from, place, b"dd", 2);
    let mut words = Vec::new();
    while words.len() < 4 {
        words.extend(next(&to, &[&from]).await.into_iter().map(|(_, word)| word));
    }
    assert_took(begin, TO_OSLO);
    assert_eq!(words, [&b"aa"[..], b"bb", b"c", b"dd"]);

    // A goodbye leaves although its socket is gone, and whoever polls lets it go.
    let other = berlin.bind(ANY).await.unwrap();
    let begin = Instant::now();
    send(&other, place, b"bye", 3);
    drop(other);
    assert_eq!(next(&to, &[&from]).await[0].1, b"bye");
    assert_took(begin, TO_OSLO);
}

async fn strangers<R: Runtime>(runtime: R) {
    let [berlin, oslo] = nodes(runtime.clone());
    let (node, lost) = (berlin.bind(ANY).await.unwrap(), oslo.bind(ANY).await.unwrap());
    let stranger = runtime.bind(ANY).await.unwrap();
    let begin = Instant::now();
    send(&stranger, lost.local_addr().unwrap(), b"lost", 4);
    send(&stranger, node.local_addr().unwrap(), b"hello", 5);
    let heard = next(&node, &[&lost]).await;
    assert_took(begin, TO_ROME);
    let peer = stranger.local_addr().unwrap();
    assert_eq!(heard, [(peer, b"hello".to_vec())]);
    let begin = Instant::now();
    send(&lost, peer, b"lost", 4);
    send(&node, peer, b"hi", 2);
    assert_eq!(next(&stranger, &[&node, &lost]).await[0].1, b"hi");
    assert_took(begin, TO_ROME);

    // What was a relay's port becomes a browser's.
    let gone = oslo.bind(ANY).await.unwrap();
    let at = gone.local_addr().unwrap();
    drop(gone);
    let stranger = loop {
        let mut batch = Batch::default();
        let poll = |cx: &mut Context<'_>| Poll::Ready(lost.poll_recv(cx, &mut batch).is_pending());
        assert!(poll_fn(poll).await);
        match runtime.bind(at).await {
            Ok(stranger) => break stranger,
            Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
        }
        runtime.sleep_until(Instant::now() + TO_OSLO).await;
    };
    let begin = Instant::now();
    send(&stranger, node.local_addr().unwrap(), b"me", 2);
    next(&node, &[]).await;
    assert_took(begin, TO_ROME);
}

async fn connections<R: Runtime>(runtime: R) {
    let [berlin, oslo] = nodes(runtime.clone());
    let listener = oslo.listen(ANY).await.unwrap();
    let at = oslo.listening(&listener).unwrap();
    let begin = Instant::now();
    let accept = async { oslo.accept(&listener).await.unwrap().0 };
    let (mut here, mut there) =
        future::zip(async { berlin.connect(at).await.unwrap() }, accept).await;
    assert_took(begin, 2 * TO_OSLO);
    let begin = Instant::now();
    let ask = async {
        here.write_all(b"ask").await.unwrap();
        let mut answer = Vec::new();
        here.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let answer = async move {
        let mut question = [0; 3];
        there.read_exact(&mut question).await.unwrap();
        assert_took(begin, TO_OSLO);
        there.write_all(&question).await.unwrap();
        there.close().await.unwrap();
    };
    assert_eq!(future::zip(ask, answer).await.0, b"ask");
    assert_took(begin, 2 * TO_OSLO);

    let begin = Instant::now();
    drop(listener);
    let refused = berlin.connect(at).await.err().expect("nobody listens any more");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_took(begin, Duration::ZERO);
}

/// Whoever reads sends what another task has written and left behind.
async fn halves<R: Runtime>(runtime: R) {
    let [berlin, oslo] = nodes(runtime);
    let listener = oslo.listen(ANY).await.unwrap();
    let at = oslo.listening(&listener).unwrap();
    let accept = async { oslo.accept(&listener).await.unwrap().0 };
    let connect = async { berlin.connect(at).await.unwrap() };
    let (here, mut there) = future::zip(connect, accept).await;
    let (mut reader, mut writer) = io::split(here);
    let executor = LocalExecutor::new();
    let mut word = [0; 3];
    let heard = executor.spawn(async move { reader.read_exact(&mut word).await.map(|()| word) });
    let answer = async {
        executor.spawn(async {}).await;
        let begin = Instant::now();
        executor.spawn(async move { writer.write_all(b"ask").await }).await.unwrap();
        let mut word = [0; 3];
        there.read_exact(&mut word).await.unwrap();
        assert_took(begin, TO_OSLO);
        there.write_all(&word).await.unwrap();
        let heard = future::zip(heard, there.close()).await.0;
        assert_eq!(&heard.unwrap(), b"ask");
        assert_took(begin, 2 * TO_OSLO);
    };
    let late = async {
        Smol.sleep_until(Instant::now() + Duration::from_secs(5)).await;
        panic!("nobody was woken");
    };
    future::or(executor.run(answer), late).await;
}

async fn guests<R: Runtime>(runtime: R) {
    let [berlin, _] = nodes(runtime.clone());
    let listener = berlin.listen(ANY).await.unwrap();
    let at = berlin.listening(&listener).unwrap();
    let begin = Instant::now();
    let mut guest = runtime.connect(at).await.unwrap();
    let mut node = berlin.accept(&listener).await.unwrap().0;
    guest.write_all(b"ask").await.unwrap();
    let mut word = [0; 3];
    node.read_exact(&mut word).await.unwrap();
    // Three ways: to connect, to hear so, to say something.
    assert_took(begin, 3 * TO_ROME);
    let begin = Instant::now();
    guest.write_all(b"now").await.unwrap();
    node.read_exact(&mut word).await.unwrap();
    assert_took(begin, TO_ROME);

    // More than may be under way, both sides slow to take it: all of it arrives, and then the end.
    let much: Vec<u8> = (0..9_000_000_u32).map(|n| (n % 251) as u8).collect();
    let give = async move {
        let begin = Instant::now();
        node.write_all(&much).await.unwrap();
        assert!(begin.elapsed() >= TO_ROME, "what is under way is bounded");
        node.close().await.unwrap();
        much
    };
    let take = async {
        let mut all = Vec::new();
        guest.read_to_end(&mut all).await.unwrap();
        all
    };
    let (much, all) = future::zip(give, take).await;
    assert!(all == much, "{} of {} bytes", all.len(), much.len());
}

/// How much later than asked datagrams arrive, one of them every few milliseconds.
async fn lateness<R: Runtime>(runtime: R) -> Vec<Duration> {
    let [berlin, oslo] = nodes(runtime);
    let (from, to) = (berlin.bind(ANY).await.unwrap(), oslo.bind(ANY).await.unwrap());
    let place = to.local_addr().unwrap();
    let (mut late, mut batch) = (Vec::new(), Batch::default());
    let mut sent: Vec<Instant> = Vec::new();
    let mut tick = Box::pin(berlin.sleep_until(Instant::now()));
    poll_fn(|cx| {
        while tick.as_mut().poll(cx).is_ready() {
            let number = sent.len() as u32;
            sent.push(Instant::now());
            send(&from, place, &number.to_be_bytes(), 4);
            let gap = Duration::from_micros(3_000 + u64::from(number * 7_919 % 4_000));
            tick = Box::pin(berlin.sleep_until(Instant::now() + gap));
        }
        assert!(from.poll_recv(cx, &mut batch).is_pending());
        while to.poll_recv(cx, &mut batch).is_ready() {
            let number = batch.view(|all| u32::from_be_bytes(all[0].payload.try_into().unwrap()));
            let took = sent[number as usize].elapsed();
            late.push(took.checked_sub(TO_OSLO).expect("nothing comes before it can"));
        }
        if late.len() < 400 { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    late.sort();
    late
}

fn assert_precise(runtime: &str, late: &[Duration]) {
    let mean = late.iter().sum::<Duration>() / late.len() as u32;
    let at = |percent: usize| late[(late.len() - 1) * percent / 100];
    println!("{runtime}: mean {mean:?}, median {:?}, p99 {:?}, max {:?}", at(50), at(99), at(100));
    assert!(at(50) < Duration::from_millis(2), "holds end {:?} late", at(50));
}

#[test]
fn on_tokio() {
    farcast_adapters::tokio::block_on(async {
        assert_precise("tokio", &lateness(Tokio).await);
        runs_between_nodes(Tokio).await;
        strangers(Tokio).await;
        connections(Tokio).await;
        halves(Tokio).await;
        guests(Tokio).await;
    })
    .unwrap();
}

#[test]
fn on_smol() {
    farcast_adapters::smol::block_on(async {
        assert_precise("smol", &lateness(Smol).await);
        runs_between_nodes(Smol).await;
        strangers(Smol).await;
        connections(Smol).await;
        halves(Smol).await;
        guests(Smol).await;
    })
    .unwrap();
}
