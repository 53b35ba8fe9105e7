//! Byte streams, connections and ICMP errors between the driver and real sockets, on both runtimes.
//! It knows no protocol.

#![allow(clippy::unwrap_used)]

mod talker;

use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use farcast_adapters::cores::Mailbox;
use farcast_adapters::driver::{self, Links};
use farcast_adapters::link::{Errand, Fact};
use farcast_adapters::metrics::Metrics;
use farcast_adapters::runtime::Runtime;
use farcast_adapters::smol::Smol;
use farcast_adapters::sockets::Sockets;
use farcast_adapters::tokio::Tokio;
use farcast_core::limits;
use farcast_core::machine::Door;
use socket2::{Domain, Socket, Type};
use talker::{Heard, Talker, pattern};

/// Tells every story on every runtime.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod on_tokio { $( #[test] fn $story() { super::$story(super::Tokio); } )* }
        mod on_smol { $( #[test] fn $story() { super::$story(super::Smol); } )* }
    };
}

stories!(
    a_listener_takes_connections_until_it_is_closed,
    a_connection_is_made_from_where_a_listener_is,
    a_refused_connection_is_told,
    a_slow_reader_is_told_of_until_it_has_all,
    whoever_reads_nothing_is_ended_at_the_bound,
    what_was_written_before_the_end_arrives,
    an_end_does_not_wait_for_a_reader_for_ever,
    a_stream_that_is_not_read_loses_nothing,
    an_icmp_error_names_the_peer_and_disturbs_nobody,
    no_arrival_is_overlooked,
);

fn a_listener_takes_connections_until_it_is_closed(world: impl World) {
    visit(world, |guest| {
        let at = guest.listen();
        let mut clients: Vec<_> = (0..3).map(|_| connect(at)).collect();
        for client in &mut clients {
            let Heard::Accepted { door, local, peer, .. } = guest.hear() else { panic!() };
            assert_eq!((door, local), (Door::Listener, at));
            assert_eq!(peer, client.local_addr().unwrap());
        }
        for client in &mut clients {
            assert_eq!(ask(client, b"hello", 5), b"hello");
            assert_eq!(guest.hear(), Heard::Bytes(5));
        }
        guest.say(&format!("listen {at}"));
        assert!(matches!(guest.hear(), Heard::Listening(Err(_))), "it is taken");

        guest.say(&format!("unlisten {at}"));
        guest.settle();
        assert_eq!(TcpStream::connect(at).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(ask(&mut clients[1], b"still", 5), b"still");
        assert_eq!(guest.hear(), Heard::Bytes(5));
        drop(clients);
        assert!((0..3).all(|_| matches!(guest.hear(), Heard::Ended(_))));
    });
}

fn a_connection_is_made_from_where_a_listener_is(world: impl World) {
    visit(world, |guest| {
        let from = guest.listen();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let mut streams = Vec::new();
        for (errand, known) in
            [(format!("connect {to} {from}"), true), (format!("connect {to}"), false)]
        {
            guest.say(&errand);
            let Heard::Connected(Ok((_, local))) = guest.hear() else { panic!() };
            let (mut stream, peer) = listener.accept().unwrap();
            assert_eq!((local, peer == from), (peer, known));
            assert_eq!(ask(&mut stream, b"hello", 5), b"hello");
            assert_eq!(guest.hear(), Heard::Bytes(5));
            streams.push(stream);
        }
        let mut client = connect(from);
        assert!(matches!(guest.hear(), Heard::Accepted { .. }), "it still listens");
        assert_eq!(ask(&mut client, b"hello", 5), b"hello");
    });
}

fn a_refused_connection_is_told(world: impl World) {
    visit(world, |guest| {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for errand in [format!("connect {closed}"), format!("connect {closed} 127.0.0.1:0")] {
            guest.say(&errand);
            let Heard::Connected(Err(why)) = guest.hear() else { panic!() };
            assert!(why.contains("refused"), "{why}");
        }
    });
}

/// The most that the kernels on both sides hold of what nobody reads: 16 KB that are not sent, in
/// packets of up to 64 KB on a loopback, and what the reader's smallest buffer takes.
const HELD: usize = 192 * 1024;

fn a_slow_reader_is_told_of_until_it_has_all(world: impl World) {
    const MUCH: usize = 900_000;
    visit(world, |guest| {
        let mut client = slow(guest.listen());
        guest.hear();
        client.write_all(format!("flood {MUCH}").as_bytes()).unwrap();
        guest.hear();
        let Heard::Unsent(first) = guest.hear() else { panic!() };
        assert!(first < MUCH && first > MUCH - HELD, "the kernel took {}", MUCH - first);
        let mut all = vec![0; MUCH];
        client.read_exact(&mut all).unwrap();
        assert!(all == pattern(MUCH), "bytes are missing");
        let mut waits = first;
        while waits > 0 {
            let Heard::Unsent(now) = guest.hear() else { panic!() };
            assert!(now < waits);
            waits = now;
        }
        // And not a word while everything is taken at once.
        for _ in 0..100 {
            assert_eq!(ask(&mut client, b"hello", 5), b"hello");
            assert_eq!(guest.hear(), Heard::Bytes(5));
        }
    });
}

fn whoever_reads_nothing_is_ended_at_the_bound(world: impl World) {
    visit(world, |guest| {
        let mut client = slow(guest.listen());
        guest.hear();
        let most = loop {
            client.write_all(b"flood 100000").unwrap();
            guest.hear();
            match guest.hear() {
                Heard::Unsent(unsent) => assert!(unsent <= limits::STREAM_UNSENT),
                Heard::Ended(_) => break client,
                other => panic!("{other:?}"),
            }
        };
        guest.settle();
        let mut rest = Vec::new();
        // The rest of it is lost, whether by an end or by a reset.
        most.take(10_000_000).read_to_end(&mut rest).ok();
        assert!(rest.len() < limits::STREAM_UNSENT / 2, "{} bytes", rest.len());
    });
}

fn what_was_written_before_the_end_arrives(world: impl World) {
    visit(world, |guest| {
        let at = guest.listen();
        for mut client in [connect(at), slow(at)] {
            client.write_all(b"bye 300000").unwrap();
            // It says more, which nobody reads: that must not reset the connection.
            thread::sleep(Duration::from_millis(20));
            client.write_all(b"wait, I have a question").unwrap();
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap();
            assert!(all == pattern(300_000), "{} bytes", all.len());
        }
    });
}

fn an_end_does_not_wait_for_a_reader_for_ever(world: impl World) {
    visit(world, |guest| {
        let mut client = slow(guest.listen());
        client.write_all(b"bye 500000").unwrap();
        thread::sleep(Duration::from_millis(2500));
        let mut some = Vec::new();
        client.read_to_end(&mut some).ok();
        assert!(some.len() < HELD, "{} bytes", some.len());
    });
}

fn a_stream_that_is_not_read_loses_nothing(world: impl World) {
    visit(world, |guest| {
        let mut client = connect(guest.listen());
        let Heard::Accepted { stream, .. } = guest.hear() else { panic!() };
        assert_eq!(ask(&mut client, b"deaf", 5), b"what?");
        assert_eq!(guest.hear(), Heard::Bytes(4));
        client.write_all(b"can you hear me").unwrap();
        guest.settle();
        assert!(guest.heard.try_recv().is_err(), "it does not listen");
        guest.say(&format!("hear {}", stream.0));
        assert_eq!(guest.hear(), Heard::Bytes(15));
        assert_eq!(ask(&mut client, b"!", 16), b"can you hear me!");
    });
}

fn an_icmp_error_names_the_peer_and_disturbs_nobody(world: impl World) {
    visit(world, |guest| {
        for (loopback, unreachable) in [("127.0.0.1:0", (3, 3)), ("[::1]:0", (1, 4))] {
            guest.say(&format!("bind {loopback}"));
            let Heard::Bound(local) = guest.hear() else { panic!() };
            let closed = UdpSocket::bind(loopback).unwrap().local_addr().unwrap();
            let peer = UdpSocket::bind(loopback).unwrap();
            peer.set_read_timeout(Some(PATIENCE)).unwrap();
            let open = peer.local_addr().unwrap();
            let (kind, code) = unreachable;
            // Alone, so that nothing but the error wakes the driver.
            guest.say(&format!("send {local} {closed}"));
            let told = Heard::Unreachable { local, peer: closed, kind, code };
            assert_eq!(guest.hear(), told);
            for _ in 0..50 {
                guest.say(&format!("send {local} {closed}"));
                guest.say(&format!("send {local} {open}"));
                let mut buffer = [0; 9];
                assert_eq!(peer.recv_from(&mut buffer).unwrap(), (4, local));
                assert_eq!(guest.hear(), told);
            }
        }
    });
}

/// Reads that bring less than they could are not followed by another one.
fn no_arrival_is_overlooked(world: impl World) {
    visit(world, |guest| {
        for round in 0..4000_usize {
            // Sometimes more than one read brings.
            let burst = if round % 50 == 0 { 60 } else { round % 4 + 1 };
            for _ in 0..burst {
                guest.say("echo");
                (0..round * 7 % 3000).for_each(|_| std::hint::spin_loop());
            }
            for _ in 0..burst {
                guest.settle_one();
            }
        }
    });
}

/// For whatever should happen.
const PATIENCE: Duration = Duration::from_secs(10);

fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A client whose kernel takes little that it does not read.
fn slow(at: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&at.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, question: &[u8], answer: usize) -> Vec<u8> {
    stream.write_all(question).unwrap();
    let mut bytes = vec![0; answer];
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_exact(&mut bytes).unwrap();
    bytes
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

/// Who talks with the driver, from a thread of their own.
struct Guest {
    node: SocketAddr,
    socket: UdpSocket,
    heard: Receiver<Heard>,
}

impl Guest {
    fn say(&self, word: &str) {
        self.socket.send_to(word.as_bytes(), self.node).unwrap();
    }

    fn hear(&self) -> Heard {
        self.heard.recv_timeout(PATIENCE).expect("the machine hears something")
    }

    fn listen(&self) -> SocketAddr {
        self.say("listen 127.0.0.1:0");
        let Heard::Listening(Ok(at)) = self.hear() else { panic!() };
        at
    }

    /// Waits until the driver has done what it was told, twice around its loop.
    fn settle(&self) {
        for _ in 0..2 {
            self.say("echo");
            self.settle_one();
        }
        thread::sleep(Duration::from_millis(20));
    }

    fn settle_one(&self) {
        let mut buffer = [0; 9];
        assert_eq!(self.socket.recv(&mut buffer).expect("an echo comes in time"), 4);
    }
}

/// Runs a talker while the guest is there.
fn visit<W: World>(world: W, story: impl FnOnce(&mut Guest) + Send + 'static) {
    W::block_on(async move {
        let mut sockets = Sockets::default();
        let any = "127.0.0.1:0".parse().unwrap();
        let node = sockets.add(world.bind(any).await.unwrap()).unwrap();
        let (facts, told) = async_channel::bounded(16);
        let (calls, _errands) = async_channel::bounded::<Errand>(16);
        let (log, heard) = mpsc::channel();
        let guest = thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            story(&mut Guest { node, socket, heard });
            facts.send_blocking(Fact::Stopping).ok();
        });
        let links = Links {
            arrivals: async_channel::bounded(1).1,
            facts: told,
            calls,
            cores: Mailbox::alone(),
        };
        let watch = Arc::new(Metrics::default());
        driver::run(&world, Talker { heard: log }, sockets, links, watch).await;
        guest.join().expect("the story ended well");
    })
    .unwrap();
}
