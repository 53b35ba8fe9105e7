//! A runtime whose sockets are far from each other: everything that they send or receive takes as
//! long as an atlas says, over whatever runtime lies below. It knows nothing of what they carry.

mod alarm;
mod globe;
mod stream;
mod udp;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farcast_adapters::runtime::{Runtime, Udp as _};
use farcast_adapters::smol::Smol;

pub use globe::Globe;
use globe::{Entry, Kind};
pub use stream::Stream;
pub use udp::Socket;

/// A future that sleeps.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What lies below the distances: its clock, and what it takes by itself.
#[derive(Clone)]
pub struct Below {
    /// The clock.
    pub now: Arc<dyn Fn() -> Instant + Send + Sync>,
    /// When the world's time began.
    pub start: Instant,
    /// What the network below takes from one address to another, both as the net knows them.
    pub takes: Arc<dyn Fn(SocketAddr, SocketAddr) -> Duration + Send + Sync>,
    /// Sleeps until an instant.
    pub sleep: Arc<dyn Fn(Instant) -> Sleep + Send + Sync>,
    /// How much later than asked a sleep may end. For so long before anything is due the clock is
    /// watched instead, which a simulated clock, that stands still meanwhile, does not allow.
    pub blur: Duration,
}

impl Below {
    /// A real machine. smol's timers, because they know microseconds, where tokio's know
    /// milliseconds; they ring for any runtime.
    pub fn real(start: Instant) -> Self {
        Below {
            now: Arc::new(Instant::now),
            start,
            takes: Arc::new(|_, _| Duration::ZERO),
            sleep: Arc::new(|at| Box::pin(Smol.sleep_until(at))),
            blur: BLUR,
        }
    }
}

/// Where a node is, in which world.
#[derive(Clone)]
pub struct Home {
    /// The world.
    pub globe: Arc<Globe>,
    /// How the world's net knows the node, whatever addresses it really has: its own IP, or where
    /// nodes share that with strangers, one that nobody can have.
    pub ip: IpAddr,
    /// What the world is made of.
    pub below: Below,
}

/// A runtime with distances. Its clones are the same node.
pub struct Wired<R: Runtime> {
    runtime: R,
    home: Home,
    post: Rc<RefCell<udp::Post<R::Udp>>>,
}

impl<R: Runtime> Wired<R> {
    /// The node at this place.
    pub fn new(runtime: R, home: Home) -> Self {
        Wired { runtime, home, post: Rc::default() }
    }

    /// Makes known that a socket of this node is here.
    fn enter(&self, kind: Kind, at: SocketAddr) -> io::Result<Entry> {
        let ips = match at.ip().is_unspecified() {
            true => self.runtime.interfaces()?,
            false => Vec::new(),
        };
        let same = ips.into_iter().filter(|ip| ip.is_ipv4() == at.is_ipv4());
        let all = same.map(|ip| SocketAddr::new(ip, at.port())).chain([at]).collect();
        Ok(self.home.globe.enter(kind, all, self.home.ip))
    }
}

impl<R: Runtime> Wired<R> {
    fn socket(&self, below: R::Udp) -> io::Result<Socket<R::Udp>> {
        let entry = self.enter(Kind::Udp, below.local_addr()?)?;
        Ok(Socket::new(self.home.clone(), below, entry, &self.post))
    }

    fn listener(&self, below: R::Listener) -> io::Result<Listener<R::Listener>> {
        let entry = self.enter(Kind::Listener, self.runtime.listening(&below)?)?;
        Ok(Listener { below, _entry: entry })
    }

    /// What `connecting` makes, a round trip later than it would be without the distance.
    fn dial(
        &self,
        to: SocketAddr,
        connecting: impl Future<Output = io::Result<R::Tcp>> + 'static,
    ) -> impl Future<Output = io::Result<Stream<R::Tcp>>> + 'static {
        let (runtime, home) = (self.runtime.clone(), self.home.clone());
        async move {
            let begin = (home.below.now)();
            // Known before the first byte goes out, so that who accepts us never takes us for a
            // stranger.
            let stream = connecting.await.and_then(|below| {
                let from = runtime.near_end(&below)?;
                Ok(Stream::connected(below, [from, to], &home))
            });
            let [out, back] = home.globe.dialling(&home, to);
            if !(out + back).is_zero() {
                (home.below.sleep)(begin + out + back).await;
            }
            stream
        }
    }
}

impl<R: Runtime> Clone for Wired<R> {
    fn clone(&self) -> Self {
        let (runtime, home) = (self.runtime.clone(), self.home.clone());
        Wired { runtime, home, post: Rc::clone(&self.post) }
    }
}

/// A listener, and where it is known.
pub struct Listener<L> {
    below: L,
    _entry: Entry,
}

impl<R: Runtime> Runtime for Wired<R> {
    type Udp = Socket<R::Udp>;
    type Listener = Listener<R::Listener>;
    type Tcp = Stream<R::Tcp>;

    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + 'static {
        self.runtime.sleep_until(at)
    }

    async fn bind(&self, at: SocketAddr) -> io::Result<Self::Udp> {
        self.socket(self.runtime.bind(at).await?)
    }

    async fn bind_shared(&self, at: SocketAddr, joins: bool) -> io::Result<Self::Udp> {
        self.socket(self.runtime.bind_shared(at, joins).await?)
    }

    async fn bind_relayed(&self, at: SocketAddr) -> io::Result<Self::Udp> {
        self.socket(self.runtime.bind_relayed(at).await?)
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<Self::Listener> {
        self.listener(self.runtime.listen(at).await?)
    }

    async fn listen_relayed(&self, at: SocketAddr) -> io::Result<Self::Listener> {
        self.listener(self.runtime.listen_relayed(at).await?)
    }

    fn listening(&self, listener: &Self::Listener) -> io::Result<SocketAddr> {
        self.runtime.listening(&listener.below)
    }

    async fn accept(&self, listener: &Self::Listener) -> io::Result<(Self::Tcp, SocketAddr)> {
        let (below, peer) = self.runtime.accept(&listener.below).await?;
        Ok((Stream::accepted(below, peer, &self.home), peer))
    }

    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Tcp>> + 'static {
        let runtime = self.runtime.clone();
        self.dial(to, async move { runtime.connect(to).await })
    }

    fn connect_from(
        &self,
        from: SocketAddr,
        to: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Tcp>> + 'static {
        let runtime = self.runtime.clone();
        self.dial(to, async move { runtime.connect_from(from, to).await })
    }

    fn near_end(&self, stream: &Self::Tcp) -> io::Result<SocketAddr> {
        self.runtime.near_end(stream.below())
    }

    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + 'static {
        self.runtime.resolve(host, port)
    }

    fn interfaces(&self) -> io::Result<Vec<IpAddr>> {
        self.runtime.interfaces()
    }

    fn cpu_time(&self) -> Option<Duration> {
        self.runtime.cpu_time()
    }
}

/// How late timers of a real machine mostly are, measured: 0.1 ms.
const BLUR: Duration = Duration::from_micros(150);
