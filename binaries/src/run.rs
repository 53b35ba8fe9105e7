//! Runs nodes in this process, one thread each, until somebody ends it; it does not know where
//! their settings come from.

use std::io::Write;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Instant, SystemTime};

use async_channel::Sender;
use farcast_adapters::cores::Mailbox;
use farcast_adapters::http::site::Site;
use farcast_adapters::http::tls::Tls;
use farcast_adapters::http::trust::Trust;
use farcast_adapters::link::Fact;
use farcast_adapters::metrics::Metrics;
use farcast_adapters::serve::{self, Bound, Plan};
use farcast_adapters::{files, log, runtime, smol, tokio};
use farcast_core::config::{Birth, Config, Secret};
use farcast_core::hub::session::crypto::Crypto;
use farcast_core::node::Node;
use farcast_core::report::Level;
use farcast_core::turn::Standalone;
use farcast_sim::wired::Wired;
use futures_lite::future;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::config::{Log, Runtime};
use crate::cores::Rest;
use crate::error::StartError;
use crate::node::Settings;
use crate::pages;
use crate::turn;

/// Runs nodes until SIGINT or SIGTERM, which they survive long enough to say goodbye; a second
/// signal ends them at once. `welcome` is printed when all of them listen. If one cannot start,
/// none runs. At SIGHUP, what `reread` brings is taken into use; without it, SIGHUP ends them, as
/// it does when a terminal is closed.
pub fn run(
    nodes: Vec<Settings>,
    welcome: &str,
    reread: Option<&dyn Fn() -> Result<Alternates, StartError>>,
) -> Result<(), StartError> {
    for warning in nodes.iter().flat_map(|node| &node.warnings) {
        eprintln!("Mind: {warning}");
    }
    files::make_all_room();
    let (tell, told) = mpsc::channel();
    heed_signals(tell.clone(), reread.is_some())?;
    let mut running = nodes.len();
    let mut to_start = running;
    for node in nodes {
        let tell = tell.clone();
        thread::spawn(move || live(node, &tell));
    }
    let mut outcome = Ok(());
    let mut stopping = false;
    let mut all: Vec<Sender<Fact>> = Vec::new();
    let mut alternates: Option<Alternates> = None;
    while running > 0 {
        // We hold a sender ourselves, so there is always something to wait for.
        match told.recv().expect("the channel outlives this loop") {
            News::Ready(facts) => {
                // It may have missed a reload.
                alternates.iter().for_each(|alternates| redirect(&facts, alternates));
                all.push(facts);
                to_start -= 1;
                if to_start == 0 {
                    print!("{welcome}");
                    // A closed standard output is no reason to end.
                    std::io::stdout().flush().ok();
                }
            }
            News::Signal(SIGHUP) => match reread.map_or(Ok(Vec::new()), |reread| reread()) {
                Ok(new) => {
                    say(&format!("settings read again; {}", new_clients(&new)));
                    all.iter().for_each(|facts| redirect(facts, &new));
                    alternates = Some(new);
                }
                Err(error) => say(&format!("the settings stay as they are: {error}")),
            },
            News::Core(facts) => {
                alternates.iter().for_each(|alternates| redirect(&facts, alternates));
                all.push(facts);
            }
            News::Broken(error) => {
                stopping = true;
                outcome = outcome.and(Err(error));
            }
            News::Signal(_) if stopping => return outcome,
            News::Signal(_) => stopping = true,
            News::Ended(result) => {
                running -= 1;
                stopping |= result.is_err();
                outcome = outcome.and(result);
            }
        }
        if stopping {
            all.drain(..).for_each(|facts| drop(facts.send_blocking(Fact::Stopping)));
        }
    }
    outcome
}

/// What the threads of nodes and of signals tell the first one.
enum News {
    Ready(Sender<Fact>),
    /// Another core of a node that is ready.
    Core(Sender<Fact>),
    /// One of them failed.
    Broken(StartError),
    Ended(Result<(), StartError>),
    Signal(i32),
}

/// Where new TURN clients shall go instead.
pub type Alternates = Vec<SocketAddr>;

/// Tells a node.
fn redirect(facts: &Sender<Fact>, alternates: &Alternates) {
    facts.send_blocking(Fact::Alternates(alternates.clone())).ok();
}

/// Tells the operator what comes of them.
fn new_clients(alternates: &Alternates) -> String {
    let list: Vec<String> = alternates.iter().map(ToString::to_string).collect();
    match list.as_slice() {
        [] => "new TURN clients are sent nowhere else".to_owned(),
        list => format!("new TURN clients are sent to {}", list.join(", ")),
    }
}

/// A closed standard error is no reason to end.
fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}

fn heed_signals(tell: mpsc::Sender<News>, reloads: bool) -> Result<(), StartError> {
    let reload = reloads.then_some(SIGHUP);
    let mut signals = Signals::new([SIGINT, SIGTERM].into_iter().chain(reload))
        .map_err(|error| StartError(format!("cannot listen for Ctrl-C: {error}")))?;
    thread::spawn(move || {
        let tell = |signal: &i32| tell.send(News::Signal(*signal)).is_ok();
        signals.forever().take_while(tell).count()
    });
    Ok(())
}

/// A node's thread.
fn live(settings: Settings, tell: &mpsc::Sender<News>) {
    let name = settings.core.name.clone();
    let result = catch_unwind(AssertUnwindSafe(|| node(settings, tell))).unwrap_or_else(|_| {
        Err(StartError(format!("node {name} broke down; please report what stands above")))
    });
    // Nobody listens any more only if the process ends anyway.
    tell.send(News::Ended(result)).ok();
}

fn node(settings: Settings, tell: &mpsc::Sender<News>) -> Result<(), StartError> {
    let ended = match settings.runtime {
        Runtime::Tokio => tokio::block_on(at_home(tokio::Tokio, settings, tell)),
        Runtime::Smol => smol::block_on(at_home(smol::Smol, settings, tell)),
    };
    ended.map_err(|error| StartError(format!("cannot start the runtime: {error}")))?
}

async fn at_home<R: runtime::Runtime>(
    runtime: R,
    settings: Settings,
    tell: &mpsc::Sender<News>,
) -> Result<(), StartError> {
    // Boxed: a node is large, and a thread's stack is not the place for it.
    match settings.home.clone() {
        Some(home) => Box::pin(on(Wired::new(runtime, home), settings, tell)).await,
        None => Box::pin(on(runtime, settings, tell)).await,
    }
}

async fn on<R: runtime::Runtime>(
    runtime: R,
    settings: Settings,
    tell: &mpsc::Sender<News>,
) -> Result<(), StartError> {
    let failed = |error: &dyn std::fmt::Display| StartError(error.to_string());
    let cores = settings.core.cores.max(1);
    let metrics: Vec<Arc<Metrics>> = (0..cores).map(|_| Arc::default()).collect();
    let read = metrics.clone();
    let mut mailboxes = Mailbox::of(cores);
    let tls = match &settings.certificate {
        Some(files) => Some(Tls::load(&files.chain, &files.key).map_err(|e| failed(&e))?),
        None => None,
    };
    let plan = Plan {
        udp: settings.core.addresses.udp.clone(),
        http: settings.http,
        https: tls.clone().map(|tls| (settings.https, tls)),
        trust: Trust::new(settings.ca.as_deref()).map_err(|e| failed(&e))?,
        site: Rc::new(Site::new(pages::page, move || Metrics::render(&read))),
        streams: true,
        cores: mailboxes.remove(0),
    };
    let (birth, crypto) = (birth(runtime.now())?, crypto()?);
    let secret = randomness()?;
    let log = level(settings.log);
    let rest = Rest {
        mailboxes,
        metrics: metrics[1..].to_vec(),
        crypto: crypto.clone(),
        runtime: settings.runtime,
        log,
    };
    let (core_ready, core_failed) = (tell.clone(), tell.clone());
    let observer = (metrics[0].clone(), log::Log { from: log });
    let ready = |_: &Bound, facts| drop(tell.send(News::Ready(facts)));
    let renewing = renew(runtime.clone(), tls);
    let serving = async {
        let core = settings.core;
        match core.turn.clone().filter(|_| settings.alone) {
            Some(turn) => {
                let build = |_: &Bound| Standalone::new(turn, birth);
                serve::serve(runtime, plan, build, observer, ready).await
            }
            None => {
                let build = |bound: &Bound| {
                    let config = bound_config(core, bound, &secret);
                    rest.spawn(
                        &config,
                        move |facts| drop(core_ready.send(News::Core(facts))),
                        move |error| drop(core_failed.send(News::Broken(error))),
                    );
                    Node::new(config, birth, crypto)
                };
                serve::serve(runtime, plan, build, observer, ready).await
            }
        }
    };
    future::or(async { serving.await.map_err(|e| failed(&e)) }, renewing).await
}

/// Takes a renewed certificate into use, for ever.
async fn renew<R: runtime::Runtime>(runtime: R, tls: Option<Tls>) -> Result<(), StartError> {
    if let Some(tls) = tls {
        tls.watch(runtime, |news| match news {
            Ok(text) => eprintln!("{text}"),
            Err(error) => eprintln!("{error}"),
        })
        .await;
    }
    future::pending().await
}

/// The core learns the ports that port 0 became, and a secret of its own for TURN if it shares
/// none with anybody.
fn bound_config(mut config: Config, bound: &Bound, secret: &[u8]) -> Config {
    config.addresses.udp = bound.udp.clone();
    config.addresses.tcp = bound.https.iter().chain(&bound.http).copied().collect();
    config.http_port = bound.http.first().map(|address| address.port());
    config.https_port = bound.https.first().map(|address| address.port());
    if let Some(turn) = config.turn.as_mut().filter(|turn| turn.secrets.is_empty()) {
        turn.secrets.push(Secret(secret.to_vec()));
    }
    let own = config.turn.as_ref().and_then(|turn| turn.secrets.first());
    if let Some(told) = config.ice_servers.as_mut().filter(|told| told.urls.is_empty()) {
        told.secret = own.cloned().unwrap_or_else(|| Secret(secret.to_vec()));
        told.urls = turn::own_urls(config.http_port, config.https_port);
    }
    config
}

pub(crate) fn birth(start: Instant) -> Result<Birth, StartError> {
    let seed = randomness()?;
    let calendar = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(|_| {
        StartError("this machine's clock stands before 1970; set it right first".into())
    })?;
    Ok(Birth { seed, calendar, start })
}

/// From the operating system.
pub(crate) fn randomness() -> Result<[u8; 32], StartError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| no_randomness())?;
    Ok(random)
}

fn crypto() -> Result<Crypto, StartError> {
    Crypto::generate().ok_or_else(no_randomness)
}

fn no_randomness() -> StartError {
    StartError("the operating system gives no randomness; without it no key would be safe".into())
}

fn level(log: Log) -> Level {
    match log {
        Log::Debug => Level::Debug,
        Log::Info => Level::Info,
        Log::Warn => Level::Warn,
    }
}
