//! A run from its first publisher to its last goodbye: who comes when, and what is measured
//! between. It adds nothing up.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use farcast_adapters::http::trust::Trust;
use farcast_adapters::runtime::Runtime;
use farcast_adapters::tokio::Tokio;
use farcast_core::seed::Seed;
use futures_lite::future;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::crew::{self, Orders, Report};
use super::crowd::Crowd;
use super::flags::LoadFlags;
use super::server::{Server, Usage};
use super::session::Part;
use super::target;
use crate::camera::{Camera, FRAME_RATE, Film};
use crate::tool::progress::Bar;

/// How long publishers, and later the last viewers, may take to get what they came for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at how far we are.
const LOOK: Duration = Duration::from_millis(50);
/// Viewers for whom one more thread is worth its while.
const PER_THREAD: usize = 25;

/// What was measured at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// When.
    pub(super) at: Instant,
    /// Packets that had come to all viewers.
    pub(super) packets: u64,
    /// The server's process.
    pub(super) server: Option<Usage>,
    /// Our own CPU time.
    pub(super) own: Duration,
}

/// What a run came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) publishers: Vec<Report>,
    pub(super) viewers: Vec<Report>,
    /// Before the first viewer came.
    pub(super) before: Mark,
    /// When all had come (the first one, if the run was ended before that), and before they left.
    pub(super) steady: (Mark, Mark),
    /// Cores that we may use.
    pub(super) cores: usize,
    /// Whether somebody ended it early.
    pub(super) interrupted: bool,
}

/// What a run needs beside its flags.
pub(super) struct Conductor<'a> {
    flags: &'a LoadFlags,
    server: Server,
    trust: Trust,
    fence: Option<Vec<IpAddr>>,
    bar: Bar,
    seed: Seed,
    viewers: Arc<Crowd>,
    interrupt: Signal,
    terminate: Signal,
    interrupted: bool,
}

impl<'a> Conductor<'a> {
    /// A run in which media may go to these IPs alone, if there are any.
    pub(super) fn new(
        flags: &'a LoadFlags,
        server: Server,
        trust: Trust,
        fence: Option<Vec<IpAddr>>,
    ) -> Result<Self, String> {
        let heed = |kind| signal(kind).map_err(|e| format!("cannot listen for Ctrl-C: {e}"));
        Ok(Conductor {
            flags,
            server,
            trust,
            fence,
            bar: Bar::new(),
            seed: Seed::new([7; 32]),
            viewers: Arc::new(Crowd::new(Tokio.now())),
            interrupt: heed(SignalKind::interrupt())?,
            terminate: heed(SignalKind::terminate())?,
            interrupted: false,
        })
    }

    /// The whole run, against the WHIP and the WHEP server at these addresses.
    pub(super) async fn run(mut self, [whip, whep]: [SocketAddr; 2]) -> Result<Outcome, String> {
        let filming = Arc::new(Crowd::new(self.viewers.start()));
        let parts = self.publishers_parts(own_ip(whip)?);
        let films = vec![self.spawn(parts, &filming)];
        let (publishers, since) = (self.flags.publishers as usize, Tokio.now());
        self.until("publishers", since, PATIENCE, || (filming.settled(), publishers)).await;
        if filming.connected() == 0 {
            filming.send_home();
            return Err(nobody_publishes(&self.join(films).await?));
        }
        let before = self.mark();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let (all, crowd) = (self.flags.viewers as usize, self.viewers.clone());
        let crews = self.spawn_viewers(own_ip(whep)?, whep, cores);
        let patience = self.flags.ramp.at(all) + PATIENCE;
        self.until("viewers", Tokio.now(), patience, || (crowd.settled(), all)).await;
        // What was measured so far, if somebody has ended the run.
        let from = if self.interrupted { before } else { self.mark() };
        let (whole, rest) = (self.flags.secs as usize, Duration::from_secs(self.flags.secs));
        let seconds = || (from.at.elapsed().as_secs() as usize, whole);
        self.until("s", from.at, rest, seconds).await;
        let steady = (from, self.mark());
        // Publishers go last, so that nobody sees a picture stop.
        self.viewers.send_home();
        let viewers = self.join(crews).await?;
        filming.send_home();
        let publishers = self.join(films).await?;
        let interrupted = self.interrupted;
        Ok(Outcome { publishers, viewers, before, steady, cores, interrupted })
    }

    fn mark(&self) -> Mark {
        Mark {
            at: Tokio.now(),
            packets: self.viewers.packets(),
            server: self.server.usage(),
            own: Tokio.cpu_time().unwrap_or_default(),
        }
    }

    fn spawn(&self, parts: Vec<Part>, crowd: &Arc<Crowd>) -> Crew {
        let (crowd, trust, fence) = (crowd.clone(), self.trust.clone(), self.fence.clone());
        thread::spawn(move || crew::run(Orders { parts, crowd, trust, fence }))
    }

    fn publishers_parts(&mut self, near: IpAddr) -> Vec<Part> {
        let flags = self.flags;
        let streams = flags.publishers as usize;
        let (video_kbps, audio) = (flags.kbps, !flags.no_audio);
        let film = Film { video_kbps, layers: 1, svc: None, audio, adapts: false };
        let token = flags.publish_token.as_ref().or(flags.token.as_ref());
        let part = |index: usize| {
            // Cameras are not synchronous.
            let offset = Duration::from_secs(1) / FRAME_RATE * index as u32 / flags.publishers;
            Part {
                url: flags.whip.url(index + 1, streams),
                token: token.cloned(),
                camera: Some(Camera::new(film, offset, self.seed.fork()).punctual()),
                near,
                socket: None,
                seed: self.seed.fork(),
                begins: self.viewers.start(),
            }
        };
        (0..streams).map(part).collect()
    }

    fn spawn_viewers(&mut self, near: IpAddr, whep: SocketAddr, cores: usize) -> Vec<Crew> {
        let (flags, now) = (self.flags, Tokio.now());
        let (streams, all) = (flags.publishers as usize, flags.viewers as usize);
        let threads = all.div_ceil(PER_THREAD).min(cores);
        let mut crews: Vec<Vec<Part>> = (0..threads).map(|_| Vec::new()).collect();
        for index in 0..all {
            crews[index % threads].push(Part {
                url: flags.whep.url(index % streams + 1, streams),
                token: flags.token.clone(),
                camera: None,
                near,
                socket: flags.ws.then_some(whep),
                seed: self.seed.fork(),
                begins: now + flags.ramp.at(index),
            });
        }
        let crowd = self.viewers.clone();
        crews.into_iter().map(|parts| self.spawn(parts, &crowd)).collect()
    }

    /// Waits until all of it is done, the time is over, or somebody ends the run.
    async fn until(
        &mut self,
        what: &str,
        since: Instant,
        longest: Duration,
        done: impl Fn() -> (usize, usize),
    ) {
        while !self.interrupted && since.elapsed() < longest {
            let (done, all) = done();
            if done >= all {
                return;
            }
            self.bar.show(done as f64, all as f64, what);
            self.pause().await;
        }
    }

    async fn pause(&mut self) {
        let Conductor { interrupt, terminate, .. } = self;
        let rest = async {
            Tokio.sleep_until(Tokio.now() + LOOK).await;
            false
        };
        let told = async {
            future::or(interrupt.recv(), terminate.recv()).await;
            true
        };
        self.interrupted |= future::or(told, rest).await;
    }

    /// Waits for all goodbyes; whoever has asked for the end once more waits for none.
    async fn join(&mut self, crews: Vec<Crew>) -> Result<Vec<Report>, String> {
        let before = std::mem::take(&mut self.interrupted);
        while crews.iter().any(|crew| !crew.is_finished()) {
            self.pause().await;
            if self.interrupted && before {
                return Err("ended before everybody had said goodbye".to_owned());
            }
        }
        self.interrupted |= before;
        let broke_down = "a thread of the load tester broke down; please report what stands above";
        let join = |crew: Crew| crew.join().unwrap_or_else(|_| Err(broke_down.to_owned()));
        crews.into_iter().map(join).collect()
    }
}

type Crew = JoinHandle<Result<Report, String>>;

/// The IP of this machine that whoever is there sees.
fn own_ip(there: SocketAddr) -> Result<IpAddr, String> {
    let any = if there.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let own = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(there)?;
        socket.local_addr()
    });
    own.map(|own| own.ip()).map_err(|error| format!("there is no way to {there}: {error}"))
}

fn nobody_publishes(reports: &[Report]) -> String {
    let mut tallies = reports.iter().flat_map(|report| &report.tallies);
    let why = tallies.find_map(|tally| tally.failure.clone());
    let why = why.unwrap_or_else(|| "the run was ended".to_owned());
    format!("nobody could publish: {why}")
}

/// Every address of a host. Whatever is not on this machine needs its owner's word.
pub(super) async fn resolve(
    (host, port): (String, u16),
    owned: bool,
) -> Result<SocketAddr, String> {
    let found = match host.parse::<IpAddr>() {
        Ok(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        Err(_) => Tokio.resolve(&host, port).await,
    };
    let found = found.map_err(|error| format!("the address of {host} was not found: {error}"))?;
    if !owned {
        target::is_here(&host, &found)?;
    }
    let first = found.iter().find(|at| at.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| format!("{host} has no address in the DNS"))
}
