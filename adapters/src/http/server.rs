//! The HTTP server: reads the requests of a connection, hands them to whoever answers. It knows no
//! path's meaning and no session.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_channel::{Sender, TrySendError};
use farcast_core::http::Problem;
use farcast_core::limits;
use futures_lite::future;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper::{Method, Request};
use smol_hyper::rt::FuturesIo;

use super::site::{self, Route, Site};
use super::wire::{self, Answer, BodyError};
use super::{Tasks, websocket};
use crate::door::Seat;
use crate::link::Fact;
use crate::runtime::{ByteStream, Runtime, within};

/// What all connections of one listener share.
pub(crate) struct Desk<R> {
    pub(crate) runtime: R,
    pub(crate) site: Rc<Site>,
    pub(crate) facts: Sender<Fact>,
    pub(crate) tasks: Tasks,
}

/// Whom a connection belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) manner: Manner,
}

/// How somebody speaks to us.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// HTTP.
    Plain,
    /// HTTPS.
    Secure,
    /// HTTP where there is HTTPS.
    Astray,
}

impl<R: Runtime> Desk<R> {
    /// Serves HTTP/1.1 on a connection that keeps its seat meanwhile.
    pub(crate) async fn http1<S: ByteStream>(self: Rc<Self>, stream: S, peer: Peer, seat: Seat) {
        let seat = Rc::new(seat);
        let pulse = Rc::new(Pulse::new(self.runtime.now()));
        let service = self.clone().service::<S>(peer, seat, pulse.clone());
        let connection = http1::Builder::new()
            .max_buf_size(HEAD_BYTES)
            .serve_connection(FuturesIo::new(stream), service)
            .with_upgrades();
        let ended = async {
            // How a connection ends is its peer's affair.
            let _ = connection.await;
        };
        future::or(ended, pulse.stopped(&self.runtime)).await;
    }

    /// The same with HTTP/2.
    pub(crate) async fn http2<S: ByteStream>(self: Rc<Self>, stream: S, peer: Peer, seat: Seat) {
        let seat = Rc::new(seat);
        let pulse = Rc::new(Pulse::new(self.runtime.now()));
        let service = self.clone().service::<S>(peer, seat, pulse.clone());
        let connection = http2::Builder::new(self.tasks.clone())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD_BYTES as u32)
            .max_send_buf_size(limits::HTTP_BODY)
            .initial_stream_window_size(limits::HTTP_BODY as u32)
            .initial_connection_window_size(limits::HTTP_BODY as u32)
            .serve_connection(FuturesIo::new(stream), service);
        let ended = async {
            let _ = connection.await;
        };
        future::or(ended, pulse.stopped(&self.runtime)).await;
    }

    fn service<S: ByteStream>(
        self: Rc<Self>,
        peer: Peer,
        seat: Rc<Seat>,
        pulse: Rc<Pulse>,
    ) -> impl HttpService<
        Incoming,
        ResBody = http_body_util::Full<hyper::body::Bytes>,
        Error = Infallible,
        Future = impl Future<Output = Result<Answer, Infallible>> + 'static,
    > {
        service_fn(move |request| {
            let (desk, seat, pulse) = (self.clone(), seat.clone(), pulse.clone());
            async move {
                let _answering = pulse.begin(desk.runtime.now());
                Ok(desk.answer::<S>(request, peer, seat).await)
            }
        })
    }

    async fn answer<S: ByteStream>(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        seat: Rc<Seat>,
    ) -> Answer {
        if peer.manner == Manner::Astray {
            return wire::to_https(&request);
        }
        match Site::route(request.uri()) {
            Route::Core => {
                let is_head = request.method() == Method::HEAD;
                let mut answer = self.ask(request, peer).await;
                if is_head {
                    site::behead(&mut answer);
                }
                answer
            }
            Route::WebSocket => {
                let (runtime, facts) = (self.runtime.clone(), self.facts.clone());
                match websocket::accept::<R, S>(runtime, facts, request, peer.address) {
                    Ok((answer, conversation)) => {
                        self.tasks.spawn(async move {
                            conversation.await;
                            drop(seat);
                        });
                        answer
                    }
                    Err(refusal) => *refusal,
                }
            }
            Route::Here => {
                self.site.answer(request.method(), request.uri().path(), request.headers())
            }
        }
    }

    /// Lets the core answer.
    async fn ask(&self, request: Request<Incoming>, peer: Peer) -> Answer {
        let (head, body) = request.into_parts();
        let body = match within(&self.runtime, BODY, wire::collect(body)).await {
            Some(Ok(body)) => body,
            Some(Err(why @ BodyError::TooLarge)) => {
                let detail = format!("the request's body cannot be used: {why}");
                return wire::problem(&Problem::new(413, "content too large", detail));
            }
            Some(Err(why @ BodyError::Broken(_))) => {
                let detail = format!("the request's body cannot be used: {why}");
                return wire::problem(&Problem::new(400, "bad body", detail));
            }
            None => {
                let detail = format!("the request's body took longer than {} s", BODY.as_secs());
                return wire::problem(&Problem::new(408, "request timeout", detail));
            }
        };
        let request = wire::request(&head, body, peer.address, peer.manner == Manner::Secure);
        let (answer, reply) = async_channel::bounded(1);
        match self.facts.try_send(Fact::Asked { request, answer }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return wire::problem(&busy()),
            Err(TrySendError::Closed(_)) => return wire::problem(&stopping()),
        }
        match within(&self.runtime, REPLY, reply.recv()).await {
            Some(Ok(reply)) => wire::answer(reply),
            Some(Err(_)) => wire::problem(&stopping()),
            None => {
                let detail = format!("the node found no answer in {} s", REPLY.as_secs());
                wire::problem(&Problem::new(503, "no answer", detail).retry_after(1))
            }
        }
    }
}

/// The refusal when facts come faster than the driver takes them.
pub(super) fn busy() -> Problem {
    let detail = "the node has more requests than it can take; try again, or ask another node";
    Problem::new(503, "node is busy", detail).retry_after(1)
}

/// The refusal when the driver has gone.
pub(super) fn stopping() -> Problem {
    Problem::new(503, "node is stopping", "ask another node").retry_after(5)
}

/// Finds connections on which nothing is asked. hyper's own timers want to be `Send`, which a
/// runtime of one thread is not.
struct Pulse {
    answering: Cell<u32>,
    deadline: Cell<Instant>,
}

impl Pulse {
    fn new(now: Instant) -> Self {
        Pulse { answering: Cell::new(0), deadline: Cell::new(now + HEAD) }
    }

    /// Counts a request until the guard is dropped: answered, or given up by its peer.
    fn begin(self: &Rc<Self>, now: Instant) -> Answering {
        self.answering.set(self.answering.get() + 1);
        self.deadline.set(now + IDLE);
        Answering(self.clone())
    }

    /// Ends when no request's head came in time.
    async fn stopped<R: Runtime>(&self, runtime: &R) {
        loop {
            let now = runtime.now();
            let deadline = match self.answering.get() {
                0 => self.deadline.get(),
                _ => now + IDLE,
            };
            if deadline <= now {
                return;
            }
            runtime.sleep_until(deadline).await;
        }
    }
}

struct Answering(Rc<Pulse>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.set(self.0.answering.get() - 1);
    }
}

/// From the connection's start to the first request's head.
const HEAD: Duration = Duration::from_secs(10);
/// From one request's head to the next one's.
const IDLE: Duration = Duration::from_secs(60);
/// For a request's body.
const BODY: Duration = Duration::from_secs(10);
/// For the core's reply; its own calls to other nodes end sooner.
const REPLY: Duration = Duration::from_secs(10);
/// Bytes of a request's head; a token has one or two thousand.
const HEAD_BYTES: usize = 32 * 1024;
/// HTTP/2 streams of one connection at a time: a page loads a dozen files.
const STREAMS: u32 = 32;
