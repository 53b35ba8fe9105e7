//! Requests to the core over HTTP/1.1 and HTTP/2, and what refuses them.

use std::time::Duration;

use farcast_adapters::link::Fact;
use farcast_adapters::runtime::Runtime;
use farcast_core::http::{Method, Reply};
use farcast_core::limits::HTTP_BODY;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use smol::net::TcpStream;
use smol_hyper::rt::FuturesIo;

use crate::certificates::{issued, load};
use crate::house::{Hasty, House, soon, with_house, with_runtime};
use crate::tls::connect;

#[test]
fn a_request_reaches_the_core_and_its_reply_comes_back() {
    with_house(8, None, async |house| {
        let fields = "If-Match: *\r\ncontent-length: 2\r\n";
        let asking = house.send("PATCH", "/whip/a%20b?x=1", fields, "hi");
        let replying = async {
            let Fact::Asked { request, answer } = house.fact().await else { panic!() };
            assert_eq!(request.method, Method::Patch);
            assert_eq!((&*request.path, &*request.query), ("/whip/a%20b", "x=1"));
            assert_eq!(request.header("if-match"), Some("*"));
            assert_eq!(request.body, b"hi");
            assert!(request.peer.ip().is_loopback() && !request.secure);
            let reply = Reply::new(200, "application/sdp", "v=0").with("etag", "\"1\"");
            answer.try_send(reply).unwrap();
        };
        let (reply, ()) = futures_lite::future::zip(asking, replying).await;
        assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
        assert!(reply.contains("content-type: application/sdp\r\n"), "{reply}");
        assert!(reply.contains("etag: \"1\"\r\n"), "{reply}");
        assert!(reply.ends_with("\r\n\r\nv=0"), "{reply}");
    });
}

#[test]
fn http2_over_tls_does_the_same() {
    let (directory, _authority, ca) = issued();
    with_house(32, Some(load(&directory)), async |house| {
        house.reply(|request| {
            assert!(request.secure);
            assert_eq!(request.header("host"), Some("localhost"));
            Reply::new(201, "text/plain", request.body)
        });
        let stream = connect(&house, &ca, b"h2").await.unwrap();
        let executor = Spawner(house.executor.clone());
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(executor, FuturesIo::new(stream)).await.unwrap();
        house.executor.spawn(async { connection.await.unwrap() }).detach();
        let posts = (0..20).map(|number| {
            let request = Request::post("https://localhost/whip/a")
                .body(Full::new(Bytes::from(format!("offer {number}"))));
            sender.send_request(request.unwrap())
        });
        for (number, post) in posts.collect::<Vec<_>>().into_iter().enumerate() {
            let response = soon(post).await.unwrap();
            assert_eq!(response.status(), 201);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, format!("offer {number}"));
        }
        let request = Request::head("https://localhost/player").body(Full::default()).unwrap();
        let response = soon(sender.send_request(request)).await.unwrap();
        assert_eq!(response.headers()["content-length"], "13");
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
        let request = Request::get("https://localhost/ws").body(Full::default()).unwrap();
        assert_eq!(soon(sender.send_request(request)).await.unwrap().status(), 426);
    });
}

#[derive(Clone)]
struct Spawner(std::rc::Rc<async_executor::LocalExecutor<'static>>);

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Spawner {
    fn execute(&self, task: F) {
        self.0.spawn(task).detach();
    }
}

fn assert_problem(reply: &str, status: u16) {
    assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
    assert!(reply.contains("content-type: application/problem+json\r\n"), "{reply}");
    assert!(reply.contains("access-control-allow-origin: *\r\n"), "{reply}");
}

#[test]
fn a_body_of_the_largest_size_passes_and_one_byte_more_does_not() {
    with_house(8, None, async |house| {
        house.reply(|request| Reply::new(200, "text/plain", request.body.len().to_string()));
        let post = async |size: usize| {
            let fields = format!("content-length: {size}\r\n");
            house.send("POST", "/whip/a", &fields, &"x".repeat(size)).await
        };
        assert!(post(HTTP_BODY).await.ends_with(&format!("\r\n\r\n{HTTP_BODY}")));
        for size in [HTTP_BODY + 1, 4 * HTTP_BODY] {
            assert_problem(&post(size).await, 413);
        }
        let chunk = format!("{:x}\r\n{}\r\n", HTTP_BODY + 1, "x".repeat(HTTP_BODY + 1));
        let (fields, body) = ("transfer-encoding: chunked\r\n", format!("{chunk}0\r\n\r\n"));
        assert_problem(&house.send("POST", "/whip/a", fields, &body).await, 413);
    });
}

#[test]
fn a_reply_that_http_cannot_carry_is_a_problem() {
    with_house(8, None, async |house| {
        house.reply(|_| Reply::empty(200).with("location", "/a\r\nset-cookie: b"));
        let reply = house.get("/healthz", "").await;
        assert_problem(&reply, 500);
        assert!(!reply.contains("set-cookie"), "{reply}");
    });
}

#[test]
fn a_full_driver_refuses_and_says_when_to_come_back() {
    with_house(1, None, async |house| {
        let mut first = TcpStream::connect(house.address).await.unwrap();
        first.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        while house.facts.is_empty() {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        let refused = house.get("/healthz", "").await;
        assert_problem(&refused, 503);
        assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
        assert_eq!(house.facts.len(), 1);
    });
}

#[test]
fn a_core_without_an_answer_is_unavailable() {
    with_house(8, None, async |house| {
        let start = house.runtime.now();
        assert_problem(&house.get("/healthz", "").await, 503);
        assert!(house.runtime.now() - start >= Duration::from_secs(10));
        house.facts.close();
        assert_problem(&house.get("/healthz", "").await, 503);
    });
}

/// How long the server bears a connection on which `start` is all that comes.
async fn borne(house: &House, start: &str) -> Duration {
    let from = house.runtime.now();
    house.raw(start).await;
    house.runtime.now() - from
}

#[test]
fn a_connection_without_a_request_is_closed() {
    with_house(8, None, async |house| {
        for start in ["", "GET / HTTP/1.1\r\nhost: a\r\n"] {
            let borne = borne(&house, start).await.as_secs();
            assert!((10..40).contains(&borne), "{start}: {borne} s");
        }
        let borne = borne(&house, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.as_secs();
        assert!((60..90).contains(&borne), "{borne} s");
    });
}

#[test]
fn a_tls_handshake_that_does_not_come_is_not_awaited() {
    let (directory, _, _) = issued();
    with_house(8, Some(load(&directory)), async |house| {
        let borne = borne(&house, "").await.as_secs();
        assert!((10..40).contains(&borne), "{borne} s");
    });
}

#[test]
fn a_body_that_does_not_come_is_not_awaited() {
    with_house(8, None, async |house| {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        let head = b"POST /whip/a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab";
        stream.write_all(head).await.unwrap();
        let mut reply = [0; 13];
        soon(stream.read_exact(&mut reply)).await.unwrap();
        assert_eq!(&reply, b"HTTP/1.1 408 ");
        assert!(house.facts.is_empty());
    });
}

#[test]
fn accepts_that_fail_neither_end_the_server_nor_make_it_spin() {
    let runtime = Hasty::new();
    runtime.failing_accepts.set(5);
    let start = runtime.now();
    with_runtime(runtime, 8, None, async |house| {
        assert!(house.get("/", "").await.starts_with("HTTP/1.1 200 "));
        assert_eq!(house.runtime.failing_accepts.get(), 0);
        assert!(house.runtime.now() - start >= Duration::from_millis(500));
    });
}
