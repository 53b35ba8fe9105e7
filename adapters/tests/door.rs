//! One port for everything that is spoken over TCP, on both runtimes and real sockets. It knows no
//! stream of a node.

#![allow(clippy::unwrap_used)]

#[path = "http/certificates.rs"]
#[allow(dead_code, reason = "others need the rest")]
mod certificates;
#[allow(dead_code, reason = "others need the rest")]
mod talker;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use farcast_adapters::cores::Mailbox;
use farcast_adapters::http::site::Site;
use farcast_adapters::http::trust::Trust;
use farcast_adapters::link::Fact;
use farcast_adapters::metrics::Metrics;
use farcast_adapters::runtime::Runtime;
use farcast_adapters::serve::{Bound, Plan, serve};
use farcast_adapters::smol::Smol;
use farcast_adapters::tokio::Tokio;
use farcast_core::machine::Door;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use talker::{Heard, Talker, pattern};

/// Tells every story on every runtime.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod on_tokio { $( #[test] fn $story() {
            farcast_adapters::tokio::block_on(super::$story(super::Tokio)).unwrap();
        } )* }
        mod on_smol { $( #[test] fn $story() {
            farcast_adapters::smol::block_on(super::$story(super::Smol)).unwrap();
        } )* }
    };
}

stories!(
    one_port_speaks_everything_at_the_same_time,
    a_plain_port_speaks_everything_but_tls,
    plain_http_is_shown_the_way_to_https,
    first_bytes_may_come_one_by_one,
    a_slow_reader_under_tls_is_told_of,
    who_wants_no_streams_gets_none,
);

/// An Allocate request without attributes.
const STUN: [u8; 20] = [0, 3, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

fn framed() -> Vec<u8> {
    [&[0, 20], &STUN[..]].concat()
}

async fn one_port_speaks_everything_at_the_same_time(runtime: impl Runtime) {
    visit(runtime, true, |guest| {
        let at = guest.https;
        let mut h2 = guest.tls(at, Some("h2"));
        let mut http1 = guest.tls(at, Some("http/1.1"));
        let mut agreed = guest.tls(at, Some("stun.turn"));
        let mut silent = guest.tls(at, None);
        let mut silent_http = guest.tls(at, None);
        let mut turn = connect(at);
        let mut ice = connect(at);

        // What was agreed upon is known before anything is said.
        assert_eq!(guest.accepted(), Door::Turn { secure: true });
        assert_eq!(ask(&mut turn, &STUN, 20), STUN);
        assert_eq!(guest.accepted(), Door::Turn { secure: false });
        assert_eq!(ask(&mut ice, &framed(), 22), framed());
        assert_eq!(guest.accepted(), Door::Ice);
        assert_eq!(ask(&mut silent, &STUN, 20), STUN);
        assert_eq!(guest.accepted(), Door::Turn { secure: true });
        for http in [&mut http1, &mut silent_http] {
            assert_eq!(ask(http, b"GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n", 15), b"HTTP/1.1 200 OK");
        }
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        assert_eq!(ask(&mut h2, preface, 9)[3], 4, "a SETTINGS frame comes first");

        // The same streams go on, in any order.
        for stream in [&mut agreed, &mut silent] {
            assert_eq!(ask(stream, b"hello", 5), b"hello");
        }
        assert_eq!(ask(&mut ice, b"hello", 5), b"hello");
        let much = pattern(200_000);
        silent.write_all(b"flood 200000").unwrap();
        let mut answer = vec![0; much.len()];
        silent.read_exact(&mut answer).unwrap();
        assert!(answer == much);
        agreed.write_all(b"bye 200000").unwrap();
        let mut answer = Vec::new();
        agreed.read_to_end(&mut answer).expect("TLS says goodbye");
        assert!(answer == much);
    })
    .await;
}

async fn a_plain_port_speaks_everything_but_tls(runtime: impl Runtime) {
    visit(runtime, true, |guest| {
        let at = guest.http;
        let (mut http, mut turn, mut ice) = (connect(at), connect(at), connect(at));
        assert_eq!(ask(&mut turn, &STUN, 20), STUN);
        assert_eq!(guest.accepted(), Door::Turn { secure: false });
        assert_eq!(ask(&mut ice, &framed(), 22), framed());
        assert_eq!(guest.accepted(), Door::Ice);
        let question = b"GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n";
        assert_eq!(ask(&mut http, question, 15), b"HTTP/1.1 200 OK");
        for stranger in [&[22, 3, 1, 0, 200][..], b"\x80\x60 RTP", b"\0\x03\0\0 no cookie"] {
            assert_closed(at, stranger);
        }
    })
    .await;
}

async fn plain_http_is_shown_the_way_to_https(runtime: impl Runtime) {
    visit(runtime, true, |guest| {
        let ask = |request: &str| {
            let mut stream = connect(guest.https);
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let answer = ask("GET /player?stream=a HTTP/1.1\r\nHost: cdn.example.com\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
        assert!(answer.contains("location: https://cdn.example.com/player?stream=a\r\n"));
        let answer = ask("POST /whip/a HTTP/1.1\r\nHost: [::1]:443\r\ncontent-length: 0\r\n\r\n");
        assert!(answer.contains("location: https://[::1]:443/whip/a\r\n"), "{answer}");
        let answer = ask("GET / HTTP/1.1\r\nHost: a b\r\nconnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    })
    .await;
}

async fn first_bytes_may_come_one_by_one(runtime: impl Runtime) {
    visit(runtime, true, |guest| {
        let framed = framed();
        for (at, bytes) in [(guest.http, &STUN[..]), (guest.https, &framed)] {
            let mut stream = connect(at);
            for byte in bytes {
                stream.write_all(&[*byte]).unwrap();
                thread::sleep(Duration::from_millis(1));
            }
            let mut echo = vec![0; bytes.len()];
            stream.read_exact(&mut echo).unwrap();
            assert_eq!(echo, bytes);
        }
        let mut stream = guest.tls(guest.https, None);
        for byte in STUN {
            stream.write_all(&[byte]).unwrap();
        }
        assert_eq!(ask(&mut stream, b"!", 21), [&STUN[..], b"!"].concat());
    })
    .await;
}

async fn a_slow_reader_under_tls_is_told_of(runtime: impl Runtime) {
    const MUCH: usize = 900_000;
    visit(runtime, true, |guest| {
        let mut stream = guest.tls(guest.https, Some("stun.turn"));
        assert_eq!(guest.accepted(), Door::Turn { secure: true });
        stream.write_all(format!("flood {MUCH}").as_bytes()).unwrap();
        let first = guest.unsent();
        assert!(first > MUCH / 4, "a loopback's buffers hold less");
        let mut all = vec![0; MUCH];
        stream.read_exact(&mut all).unwrap();
        assert!(all == pattern(MUCH));
        let mut waits = first;
        while waits > 0 {
            let now = guest.unsent();
            assert!(now < waits);
            waits = now;
        }
    })
    .await;
}

async fn who_wants_no_streams_gets_none(runtime: impl Runtime) {
    visit(runtime, false, |guest| {
        for at in [guest.http, guest.https] {
            assert_closed(at, &STUN);
            assert_closed(at, &framed());
        }
        let mut stream = guest.tls(guest.https, None);
        stream.write_all(&STUN).unwrap();
        assert!(!matches!(stream.read(&mut [0; 9]), Ok(1..)));
        assert!(guest.heard.try_recv().is_err());
    })
    .await;
}

fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn assert_closed(at: SocketAddr, words: &[u8]) {
    let mut stream = connect(at);
    stream.write_all(words).unwrap();
    match stream.read(&mut [0; 9]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("{words:?}: {other:?}"),
    }
}

fn ask(stream: &mut (impl Read + Write), question: &[u8], answer: usize) -> Vec<u8> {
    stream.write_all(question).unwrap();
    let mut bytes = vec![0; answer];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// For whatever should happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who talks with the node, from a thread of their own.
struct Guest {
    http: SocketAddr,
    https: SocketAddr,
    heard: Receiver<Heard>,
    roots: RootCertStore,
}

impl Guest {
    fn tls(&self, at: SocketAddr, alpn: Option<&str>) -> StreamOwned<ClientConnection, TcpStream> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.map(|name| name.as_bytes().to_vec()).into_iter().collect();
        let name = "localhost".try_into().unwrap();
        let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = connect(at);
        session.complete_io(&mut stream).unwrap();
        assert_eq!(session.alpn_protocol(), alpn.map(str::as_bytes));
        StreamOwned::new(session, stream)
    }

    /// The door of the next stream.
    fn accepted(&self) -> Door {
        loop {
            if let Heard::Accepted { door, local, .. } = self.hear() {
                assert!([self.http, self.https].contains(&local));
                return door;
            }
        }
    }

    fn unsent(&self) -> usize {
        loop {
            if let Heard::Unsent(unsent) = self.hear() {
                return unsent;
            }
        }
    }

    fn hear(&self) -> Heard {
        self.heard.recv_timeout(PATIENCE).expect("the machine hears something")
    }
}

/// Runs a node around a talker while the guest is there.
async fn visit<R: Runtime>(runtime: R, streams: bool, story: impl FnOnce(&Guest) + Send + 'static) {
    let (directory, _authority, ca) = certificates::issued();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let plan = Plan {
        udp: Vec::new(),
        http: vec![any],
        https: Some((vec![any], certificates::load(&directory))),
        trust: Trust::new(None).unwrap(),
        site: Rc::new(Site::new(|_| None, String::new)),
        streams,
        cores: Mailbox::alone(),
    };
    let (log, heard) = mpsc::channel();
    let (told, tell) = mpsc::channel();
    let ready = move |bound: &Bound, facts: async_channel::Sender<Fact>| {
        let (http, https, roots) = (bound.http[0], bound.https[0], roots(&ca));
        let guest = thread::spawn(move || {
            story(&Guest { http, https, heard, roots });
            facts.send_blocking(Fact::Stopping).ok();
        });
        told.send(guest).unwrap();
    };
    let build = |_: &Bound| Talker { heard: log };
    serve(runtime, plan, build, Arc::new(Metrics::default()), ready).await.unwrap();
    tell.recv().unwrap().join().expect("the story ended well");
}

fn roots(ca: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    roots
}
