//! The HTTP client: makes the calls that the core wants made to other nodes. It knows not why.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use async_channel::{Receiver, Sender};
use async_executor::LocalExecutor;
use farcast_core::http::{Call, CallError, Method, Reply};
use farcast_core::machine::CallId;
use futures_lite::future;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use smol_hyper::rt::FuturesIo;

use super::address::{Address, Node};
use super::trust::Trust;
use super::{Tasks, wire};
use crate::link::{Errand, Fact};
use crate::runtime::{ByteStream, Runtime, within};

/// Makes calls until `errands` is closed; each ends as [`Fact::Answered`]. When many are under
/// way, further ones wait in the channel.
pub async fn run<R: Runtime>(
    runtime: R,
    trust: Trust,
    errands: Receiver<Errand>,
    facts: Sender<Fact>,
    executor: Rc<LocalExecutor<'static>>,
) {
    let tasks = Tasks::new(&executor);
    drop(executor);
    let client = Client { runtime, trust, tasks, idle: RefCell::default() };
    let mut calls = FuturesUnordered::new();
    loop {
        let (room, none) = (calls.len() < CALLS, calls.is_empty());
        let errand = async {
            match room {
                true => Event::Errand(errands.recv().await.ok()),
                false => pending().await,
            }
        };
        let ended = async {
            match none {
                true => pending().await,
                false => Event::Ended(calls.next().await),
            }
        };
        match future::or(ended, errand).await {
            Event::Errand(Some(Errand { call, request })) => {
                calls.push(client.answer(call, request));
            }
            Event::Ended(Some((call, result))) => {
                if facts.send(Fact::Answered { call, result }).await.is_err() {
                    return;
                }
            }
            Event::Errand(None) => return,
            Event::Ended(None) => {}
        }
    }
}

enum Event {
    Errand(Option<Errand>),
    Ended(Option<(CallId, Result<Reply, CallError>)>),
}

/// A connection on which requests can be sent.
type Connection = SendRequest<Full<Bytes>>;

struct Client<R> {
    runtime: R,
    trust: Trust,
    tasks: Tasks,
    /// Connections that wait for another call, one for each node.
    idle: RefCell<BTreeMap<Node, Connection>>,
}

/// What one attempt at a call came to.
enum Attempt {
    Answered(Reply),
    /// The connection was dead, and the same request may be sent on another.
    Stale,
    Failed(String),
}

/// How far a call has come, for the sentence if it takes too long.
type Stage = Cell<&'static str>;

impl<R: Runtime> Client<R> {
    async fn answer(&self, id: CallId, call: Call) -> (CallId, Result<Reply, CallError>) {
        let timeout = call.timeout;
        let result = match Address::parse(&call.url) {
            Ok(address) => {
                let stage = Stage::new(LOOKING_UP);
                match within(&self.runtime, timeout, self.make(&call, &address, &stage)).await {
                    Some(result) => result,
                    None => {
                        let (node, stage) = (&address.node, stage.get());
                        Err(format!("{node} {stage} within {} ms", timeout.as_millis()))
                    }
                }
            }
            Err(why) => Err(why),
        };
        (id, result.map_err(CallError))
    }

    async fn make(&self, call: &Call, address: &Address, stage: &Stage) -> Result<Reply, String> {
        let node = &address.node;
        let request = request(call, address)?;
        let idle = self.idle.borrow_mut().remove(node);
        if let Some(connection) = idle {
            stage.set(ANSWERING);
            match self.attempt(connection, request.clone(), node).await {
                Attempt::Answered(reply) => return Ok(reply),
                Attempt::Failed(why) => return Err(why),
                Attempt::Stale => {}
            }
        }
        let connection = self.connect(node, stage).await?;
        stage.set(ANSWERING);
        match self.attempt(connection, request, node).await {
            Attempt::Answered(reply) => Ok(reply),
            Attempt::Failed(why) => Err(why),
            Attempt::Stale => Err(format!("{node} closed the connection without an answer")),
        }
    }

    async fn attempt(
        &self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
        node: &Node,
    ) -> Attempt {
        // What a POST or PATCH does must not be done twice (RFC 9110 section 9.2.2).
        let repeatable = matches!(request.method().as_str(), "GET" | "DELETE" | "OPTIONS");
        if connection.ready().await.is_err() {
            return Attempt::Stale;
        }
        let response = match connection.try_send_request(request).await {
            Ok(response) => response,
            Err(failure) if failure.message().is_some() => return Attempt::Stale,
            Err(failure) if failure.error().is_parse() => {
                return Attempt::Failed(format!("{node} does not speak HTTP on this port"));
            }
            Err(_) if repeatable => return Attempt::Stale,
            Err(_) => {
                return Attempt::Failed(format!("{node} closed the connection without an answer"));
            }
        };
        let (head, body) = response.into_parts();
        let body = match wire::collect(body).await {
            Ok(body) => body.into(),
            Err(why) => return Attempt::Failed(format!("the answer of {node} is unusable: {why}")),
        };
        self.keep(node, connection);
        let headers = wire::fields(&head.headers);
        Attempt::Answered(Reply { status: head.status.as_u16(), headers, body })
    }

    fn keep(&self, node: &Node, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|_, connection| !connection.is_closed());
        if idle.len() < IDLE && !connection.is_closed() {
            idle.insert(node.clone(), connection);
        }
    }

    async fn connect(&self, node: &Node, stage: &Stage) -> Result<Connection, String> {
        stage.set(LOOKING_UP);
        let addresses = self.resolve(node).await?;
        stage.set(CONNECTING);
        let stream = self.reach(node, &addresses).await?;
        match node.secure {
            true => {
                stage.set(SECURING);
                self.shake_hands(self.trust.connect(&node.host, stream).await?).await
            }
            false => self.shake_hands(stream).await,
        }
    }

    async fn resolve(&self, node: &Node) -> Result<Vec<SocketAddr>, String> {
        let Node { host, port, .. } = node;
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, *port)]);
        }
        match self.runtime.resolve(host, *port).await {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            Ok(_) => Err(format!("{host} has no address in the DNS")),
            Err(error) => Err(format!("the address of {host} was not found: {error}")),
        }
    }

    /// Connects to the first address that takes us. All at once, so that one that swallows
    /// packets does not use up the time of the others.
    async fn reach(&self, node: &Node, addresses: &[SocketAddr]) -> Result<R::Tcp, String> {
        let mut attempts: FuturesUnordered<_> = addresses
            .iter()
            .take(ADDRESSES)
            .map(|&address| async move { (address, self.runtime.connect(address).await) })
            .collect();
        let mut why = format!("{node} has no address");
        while let Some((address, result)) = attempts.next().await {
            match result {
                Ok(stream) => return Ok(stream),
                Err(error) => why = unreachable(address, &error),
            }
        }
        Err(why)
    }

    async fn shake_hands<S: ByteStream>(&self, stream: S) -> Result<Connection, String> {
        let (sender, connection) = http1::handshake(FuturesIo::new(stream))
            .await
            .map_err(|error| format!("HTTP cannot start: {error}"))?;
        self.tasks.spawn(async move {
            // Its end shows in the sender.
            let _ = connection.await;
        });
        Ok(sender)
    }
}

fn request(call: &Call, address: &Address) -> Result<Request<Full<Bytes>>, String> {
    let wrong = || format!("the call to {} cannot be written as HTTP", call.url);
    if call.method == Method::Other {
        return Err(wrong());
    }
    let mut request = Request::builder()
        .method(call.method.as_str())
        .uri(&address.path)
        .header(HOST, address.node.to_string())
        .body(Full::new(Bytes::from(call.body.clone())))
        .map_err(|_| wrong())?;
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
    for (name, value) in &call.headers {
        let (name, value) = wire::field(name, value).ok_or_else(wrong)?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

fn unreachable(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("connection refused by {address}"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("there is no route to {address}")
        }
        io::ErrorKind::TimedOut => format!("{address} does not answer"),
        _ => format!("cannot connect to {address}: {error}"),
    }
}

/// Calls under way at a time: every edge polled, and each relayed to, with room to spare.
const CALLS: usize = 256;
/// Idle connections that are kept: one for every edge and upstream node.
const IDLE: usize = 128;
/// Addresses of one host that are tried.
const ADDRESSES: usize = 4;
const AGENT: &str = concat!("farcast/", env!("CARGO_PKG_VERSION"));

const LOOKING_UP: &str = "was not found in the DNS";
const CONNECTING: &str = "did not take our connection";
const SECURING: &str = "did not finish the TLS handshake";
const ANSWERING: &str = "did not answer";
