//! Calls to other nodes: what comes back, and what an operator reads when nothing does.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use farcast_adapters::http::client::run;
use farcast_adapters::http::trust::Trust;
use farcast_adapters::link::{Errand, Fact};
use farcast_adapters::runtime::Runtime;
use farcast_core::http::{Call, Method, Reply};
use farcast_core::limits::HTTP_BODY;
use farcast_core::machine::CallId;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};

use crate::certificates::{Authority, Directory, issued, load};
use crate::house::{House, loopback, soon, with_house};

/// The driver's two ends of a client.
struct Caller {
    errands: Sender<Errand>,
    facts: Receiver<Fact>,
    next: Cell<u64>,
}

impl Caller {
    fn new(house: &House, ca: Option<&Path>) -> Self {
        let (errands, orders) = async_channel::bounded(8);
        let (sender, facts) = async_channel::bounded(8);
        let trust = Trust::new(ca).unwrap();
        let client = run(house.runtime.clone(), trust, orders, sender, house.executor.clone());
        house.executor.spawn(client).detach();
        Caller { errands, facts, next: Cell::new(0) }
    }

    fn start(&self, request: Call) -> CallId {
        let call = CallId(self.next.replace(self.next.get() + 1));
        self.errands.try_send(Errand { call, request }).unwrap();
        call
    }

    async fn answered(&self) -> (CallId, Result<Reply, String>) {
        let Fact::Answered { call, result } = soon(self.facts.recv()).await.unwrap() else {
            panic!()
        };
        (call, result.map_err(|error| error.to_string()))
    }

    async fn call(&self, method: Method, url: &str) -> Result<Reply, String> {
        let started = self.start(call(method, url));
        let (ended, result) = self.answered().await;
        assert_eq!(started, ended);
        result
    }

    async fn get(&self, url: &str) -> Result<Reply, String> {
        self.call(Method::Get, url).await
    }
}

fn call(method: Method, url: &str) -> Call {
    let headers = vec![("authorization".to_owned(), "Bearer a".to_owned())];
    let (url, body) = (url.to_owned(), b"offer".to_vec());
    Call { method, url, headers, body, timeout: Duration::from_secs(10) }
}

/// Answers with what the request held.
fn mirror(house: &House) {
    house.reply(|request| {
        let held = format!(
            "{} {} {} {} {}",
            request.method.as_str(),
            request.path,
            request.header("host").unwrap(),
            request.header("authorization").unwrap(),
            String::from_utf8(request.body.clone()).unwrap()
        );
        Reply::new(201, "text/plain", held).with("location", "/whip/a/1")
    });
}

#[test]
fn a_call_is_answered_and_the_connection_used_again() {
    with_house(8, None, async |house| {
        mirror(&house);
        let (caller, address) = (Caller::new(&house, None), house.address);
        for _ in 0..3 {
            let url = format!("http://localhost:{}/whip/a", address.port());
            let reply = caller.call(Method::Post, &url).await.unwrap();
            assert_eq!((reply.status, reply.header("location")), (201, Some("/whip/a/1")));
            let held = format!("POST /whip/a localhost:{} Bearer a offer", address.port());
            assert_eq!(String::from_utf8(reply.body).unwrap(), held);
        }
        assert_eq!(house.runtime.accepts.get(), 1);
    });
}

#[test]
fn calls_to_one_node_do_not_wait_for_one_another() {
    with_house(8, None, async |house| {
        let caller = Caller::new(&house, None);
        let url = format!("http://{}/v1/load", house.address);
        let (first, second) =
            (caller.start(call(Method::Get, &url)), caller.start(call(Method::Get, &url)));
        let Fact::Asked { answer: slow, .. } = house.fact().await else { panic!() };
        let Fact::Asked { answer: quick, .. } = house.fact().await else { panic!() };
        quick.try_send(Reply::empty(200)).unwrap();
        let (one, result) = caller.answered().await;
        assert_eq!(result.unwrap().status, 200);
        slow.try_send(Reply::empty(204)).unwrap();
        let (other, result) = caller.answered().await;
        assert_eq!(result.unwrap().status, 204);
        assert!([(first, second), (second, first)].contains(&(one, other)));
    });
}

#[test]
fn tls_is_spoken_with_who_is_trusted() {
    let (directory, _authority, ca) = issued();
    with_house(8, Some(load(&directory)), async |house| {
        mirror(&house);
        let port = house.address.port();
        let url = format!("https://localhost:{port}/v1/load");
        assert_eq!(Caller::new(&house, Some(&ca)).get(&url).await.unwrap().status, 201);
        let why = Caller::new(&house, None).get(&url).await.unwrap_err();
        let expected =
            "the certificate of localhost is not trusted; pass --ca FILE for a private CA";
        assert_eq!(why, expected);
        let by_address = format!("https://{}/", house.address);
        let why = Caller::new(&house, Some(&ca)).get(&by_address).await.unwrap_err();
        assert!(why.starts_with("the certificate of 127.0.0.1 is for another name"), "{why}");
        let plain = format!("http://{}/", house.address);
        let reply = Caller::new(&house, None).get(&plain).await.unwrap();
        let location = format!("https://{}/", house.address);
        assert_eq!((reply.status, reply.header("location")), (308, Some(&location[..])));
    });
}

#[test]
fn a_ca_file_without_a_certificate_is_named() {
    let directory = Directory::new();
    let path = directory.write("ca.pem", "");
    let why = Trust::new(Some(&path)).unwrap_err().to_string();
    assert!(why.contains("ca.pem holds no certificate"), "{why}");
    directory.write("ca.pem", &Authority::new().pem());
    assert!(Trust::new(Some(&path)).is_ok());
}

#[test]
fn tls_to_a_plain_server_says_so() {
    with_house(8, None, async |house| {
        let url = format!("https://localhost:{}/", house.address.port());
        let why = Caller::new(&house, None).get(&url).await.unwrap_err();
        let expected =
            "localhost closed the connection during the TLS handshake; is its URL http:// ?";
        assert_eq!(why, expected);
    });
}

#[test]
fn calls_that_cannot_be_made_say_why() {
    with_house(8, None, async |house| {
        let caller = Caller::new(&house, None);
        let closed = TcpListener::bind(loopback(0)).await.unwrap().local_addr().unwrap();
        let why = caller.get(&format!("http://{closed}/")).await.unwrap_err();
        assert_eq!(why, format!("connection refused by {closed}"));
        let why = caller.get("http://nowhere.example/").await.unwrap_err();
        assert_eq!(why, "the address of nowhere.example was not found: no such name");
        let why = caller.get("edge1.example.com").await.unwrap_err();
        assert!(why.starts_with("edge1.example.com is not a node's URL"), "{why}");
    });
}

/// A listener of whose doings the test decides.
async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(loopback(0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn a_node_that_does_not_answer_costs_the_time_limit() {
    with_house(8, None, async |house| {
        let (_listener, address) = listener().await;
        let start = house.runtime.now();
        for (scheme, stage) in
            [("http", "did not answer"), ("https", "did not finish the TLS handshake")]
        {
            let url = format!("{scheme}://{address}/");
            let why = Caller::new(&house, None).get(&url).await.unwrap_err();
            assert_eq!(why, format!("{address} {stage} within 10000 ms"));
        }
        let spent = (house.runtime.now() - start).as_secs();
        assert!((20..30).contains(&spent), "{spent} s");
    });
}

/// Reads one request; `false` at the end of the stream.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    let mut buffer = [0; 1024];
    while !read.ends_with(b"offer") {
        match stream.read(&mut buffer).await.unwrap() {
            0 => return false,
            n => read.extend_from_slice(&buffer[..n]),
        }
    }
    true
}

/// A node that answers the first request of each connection and hangs up at the second. Returns
/// its address and how many requests it read.
async fn forgetful(house: &House) -> (SocketAddr, Rc<Cell<u32>>) {
    let (listener, address) = listener().await;
    let requests = Rc::new(Cell::new(0));
    let count = requests.clone();
    let work = async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            for reply in ["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ""] {
                if !read_request(&mut stream).await {
                    break;
                }
                count.set(count.get() + 1);
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
        }
    };
    house.executor.spawn(work).detach();
    (address, requests)
}

#[test]
fn a_dead_idle_connection_is_replaced() {
    with_house(8, None, async |house| {
        let (address, requests) = forgetful(&house).await;
        let (caller, url) = (Caller::new(&house, None), format!("http://{address}/"));
        assert_eq!(caller.get(&url).await.unwrap().status, 200);
        assert_eq!(caller.get(&url).await.unwrap().status, 200);
        assert_eq!(requests.get(), 3);
    });
}

#[test]
fn what_may_have_been_done_is_not_done_twice() {
    with_house(8, None, async |house| {
        let (address, requests) = forgetful(&house).await;
        let (caller, url) = (Caller::new(&house, None), format!("http://{address}/"));
        assert_eq!(caller.get(&url).await.unwrap().status, 200);
        let why = caller.call(Method::Post, &url).await.unwrap_err();
        assert_eq!(why, format!("{address} closed the connection without an answer"));
        assert_eq!(requests.get(), 2);
    });
}

#[test]
fn an_idle_connection_that_was_closed_is_replaced_for_every_method() {
    with_house(8, None, async |house| {
        mirror(&house);
        let (caller, url) = (Caller::new(&house, None), format!("http://{}/v1/a", house.address));
        caller.get(&url).await.unwrap();
        // The server closes what is idle for a minute.
        house.runtime.sleep_until(house.runtime.now() + Duration::from_secs(90)).await;
        assert_eq!(caller.call(Method::Post, &url).await.unwrap().status, 201);
        assert_eq!(house.runtime.accepts.get(), 2);
    });
}

#[test]
fn an_answer_without_end_is_not_read() {
    with_house(8, None, async |house| {
        house.reply(|_| Reply::new(200, "text/plain", vec![b'x'; HTTP_BODY + 1]));
        let url = format!("http://{}/v1/load", house.address);
        let why = Caller::new(&house, None).get(&url).await.unwrap_err();
        let expected = format!("the answer of {} is unusable: it is larger", house.address);
        assert!(why.starts_with(&expected), "{why}");
    });
}
