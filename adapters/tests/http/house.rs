//! What every test needs: a runtime whose time goes faster, and a server on the loopback.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_channel::Receiver;
use async_executor::LocalExecutor;
use farcast_adapters::door::{self, Rooms};
use farcast_adapters::http::site::{Page, Site};
use farcast_adapters::http::tls::Tls;
use farcast_adapters::link::Fact;
use farcast_adapters::runtime::Runtime;
use farcast_core::http::{Reply, Request};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;

use crate::{Base, block_on};

/// How much faster time goes: limits of seconds pass in tenths.
const HASTE: u32 = 20;

/// A runtime with hasty time, accepts that fail on demand and are counted.
#[derive(Clone)]
pub(crate) struct Hasty {
    base: Base,
    start: Instant,
    pub(crate) failing_accepts: Rc<Cell<u32>>,
    pub(crate) accepts: Rc<Cell<u32>>,
}

impl Hasty {
    pub(crate) fn new() -> Self {
        let (failing_accepts, accepts) = Default::default();
        Hasty { base: Base, start: Instant::now(), failing_accepts, accepts }
    }
}

impl Runtime for Hasty {
    type Udp = <Base as Runtime>::Udp;
    type Listener = <Base as Runtime>::Listener;
    type Tcp = <Base as Runtime>::Tcp;

    fn now(&self) -> Instant {
        self.start + self.base.now().saturating_duration_since(self.start) * HASTE
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + 'static {
        self.base.sleep_until(self.start + at.saturating_duration_since(self.start) / HASTE)
    }

    async fn bind(&self, at: SocketAddr) -> io::Result<Self::Udp> {
        self.base.bind(at).await
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<Self::Listener> {
        self.base.listen(at).await
    }

    fn listening(&self, listener: &Self::Listener) -> io::Result<SocketAddr> {
        self.base.listening(listener)
    }

    async fn accept(&self, listener: &Self::Listener) -> io::Result<(Self::Tcp, SocketAddr)> {
        if let Some(left) = self.failing_accepts.get().checked_sub(1) {
            self.failing_accepts.set(left);
            return Err(io::Error::other("too many open files"));
        }
        let accepted = self.base.accept(listener).await?;
        self.accepts.set(self.accepts.get() + 1);
        Ok(accepted)
    }

    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Tcp>> + 'static {
        self.base.connect(to)
    }

    fn near_end(&self, stream: &Self::Tcp) -> io::Result<SocketAddr> {
        self.base.near_end(stream)
    }

    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + 'static {
        // Tests ask no name server.
        let known = (host == "localhost").then(|| vec![loopback(port)]);
        async move { known.ok_or_else(|| io::Error::other("no such name")) }
    }
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// A server on the loopback and the driver's end of its facts.
pub(crate) struct House {
    pub(crate) runtime: Hasty,
    pub(crate) executor: Rc<LocalExecutor<'static>>,
    pub(crate) address: SocketAddr,
    pub(crate) facts: Receiver<Fact>,
}

impl House {
    /// The next fact.
    pub(crate) async fn fact(&self) -> Fact {
        soon(self.facts.recv()).await.unwrap()
    }

    /// Plays the core: replies to every request, from now on.
    pub(crate) fn reply(&self, reply: impl Fn(Request) -> Reply + 'static) {
        let facts = self.facts.clone();
        let work = async move {
            while let Ok(fact) = facts.recv().await {
                let Fact::Asked { request, answer } = fact else { panic!("{fact:?}") };
                // Whoever asked may have gone.
                let _ = answer.try_send(reply(request));
            }
        };
        self.executor.spawn(work).detach();
    }

    /// Sends bytes on a fresh connection and reads until the server closes it.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        soon(stream.read_to_end(&mut reply)).await.unwrap();
        String::from_utf8(reply).unwrap()
    }

    /// Asks for a path on a fresh connection.
    pub(crate) async fn get(&self, path: &str, fields: &str) -> String {
        self.ask("GET", path, fields).await
    }

    /// Asks without a body on a fresh connection.
    pub(crate) async fn ask(&self, method: &str, path: &str, fields: &str) -> String {
        self.send(method, path, fields, "").await
    }

    /// Asks on a fresh connection.
    pub(crate) async fn send(&self, method: &str, path: &str, fields: &str, body: &str) -> String {
        let own = "host: node\r\nconnection: close\r\n";
        self.raw(&format!("{method} {path} HTTP/1.1\r\n{own}{fields}\r\n{body}")).await
    }
}

/// Runs a test against a server with room for `facts` facts.
pub(crate) fn with_house<F: Future<Output = ()>>(
    facts: usize,
    tls: Option<Tls>,
    test: impl FnOnce(House) -> F,
) {
    with_runtime(Hasty::new(), facts, tls, test);
}

pub(crate) fn with_runtime<F: Future<Output = ()>>(
    runtime: Hasty,
    facts: usize,
    tls: Option<Tls>,
    test: impl FnOnce(House) -> F,
) {
    let executor = Rc::new(LocalExecutor::new());
    let work = async {
        let listener = runtime.listen(loopback(0)).await.unwrap();
        let address = runtime.listening(&listener).unwrap();
        let (sender, facts) = async_channel::bounded(facts);
        let site = Rc::new(Site::new(page, || "farcast_sessions 3\n".to_owned()));
        let rooms = Rooms { site, facts: sender, streams: None };
        let serving = door::open(runtime.clone(), listener, tls, rooms, executor.clone());
        executor.spawn(serving).detach();
        test(House { runtime, executor: executor.clone(), address, facts }).await;
    };
    block_on(executor.run(work)).unwrap();
}

fn page(name: &str) -> Option<Page> {
    let bytes: &[u8] = match name {
        "index.html" => b"<p>index</p>",
        "player.html" => b"<p>player</p>",
        "sdk/farcast.js" => b"export const x = 1;",
        _ => return None,
    };
    Some(Page::new(name, bytes))
}

/// What `work` brings; a test that hangs fails.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    futures_lite::future::or(work, async {
        smol::Timer::after(Duration::from_secs(10)).await;
        panic!("nothing happened for ten seconds");
    })
    .await
}
