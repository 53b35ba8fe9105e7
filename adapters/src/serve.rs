//! Composes a node in one process: binds what the plan names, then runs the driver and the tasks
//! around it on one thread. It knows neither the machine nor the runtime.

use std::fmt;
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use async_channel::{Receiver, Sender, TrySendError};
use async_executor::LocalExecutor;
use farcast_core::machine::{Load, Machine};

use crate::cores::Mailbox;
use crate::door::{self, Rooms};
use crate::driver::{self, Links};
use crate::gate::beside;
use crate::http::client;
use crate::http::site::Site;
use crate::http::tls::Tls;
use crate::http::trust::Trust;
use crate::link::{Errand, Fact};
use crate::observer::Observer;
use crate::runtime::Runtime;
use crate::sockets::Sockets;

/// Facts that may wait for the driver. A burst of joins fits; what exceeds it is refused.
const FACTS: usize = 1024;
/// Calls that may wait for the HTTP client: more than an origin has edges.
const CALLS: usize = 256;
/// Byte streams that may wait for the driver. What exceeds it is closed.
const ARRIVALS: usize = 1024;
/// Between two measurements of this process.
const MEASURE: Duration = Duration::from_secs(1);

/// Where a node listens and what it shows.
pub struct Plan {
    /// UDP sockets for media; port 0 takes a free one.
    pub udp: Vec<SocketAddr>,
    /// Listeners for plain HTTP.
    pub http: Vec<SocketAddr>,
    /// Listeners for HTTPS and their certificate, if there is one.
    pub https: Option<(Vec<SocketAddr>, Tls)>,
    /// Whom the HTTP client believes.
    pub trust: Trust,
    /// Pages and metrics.
    pub site: Rc<Site>,
    /// Whether the machine wants byte streams (TURN, ICE), which come in at all listeners. Else
    /// they are closed.
    pub streams: bool,
    /// How this core reaches the node's others, if there are any.
    pub cores: Mailbox,
}

/// What was bound: the plan's addresses in the plan's order, with the ports that they really have.
#[derive(Debug, Clone)]
pub struct Bound {
    /// UDP sockets for media.
    pub udp: Vec<SocketAddr>,
    /// Listeners for plain HTTP.
    pub http: Vec<SocketAddr>,
    /// Listeners for HTTPS.
    pub https: Vec<SocketAddr>,
    /// The IPs of this machine's interfaces.
    pub interfaces: Vec<IpAddr>,
}

/// Runs a node until its machine was stopped by [`Fact::Stopping`].
///
/// `build` makes the machine once everything is bound; then `ready` gets what was bound and a way
/// to tell facts (for signals). Nothing runs if anything cannot be bound.
pub async fn serve<R: Runtime, M: Machine>(
    runtime: R,
    plan: Plan,
    build: impl FnOnce(&Bound) -> M,
    observer: impl Observer,
    ready: impl FnOnce(&Bound, Sender<Fact>),
) -> Result<(), ServeError> {
    let (https, tls) = match plan.https {
        Some((https, tls)) => (https, Some(tls)),
        None => (Vec::new(), None),
    };
    let mut sockets = Sockets::default();
    let mut udp = Vec::with_capacity(plan.udp.len());
    for at in plan.udp {
        let socket = match plan.cores.cores() {
            1 => runtime.bind(at).await,
            _ => runtime.bind_shared(at, false).await,
        };
        let bound = socket.and_then(|socket| sockets.add(socket));
        udp.push(bound.map_err(|error| ServeError::bind("UDP", "--udp", at, error))?);
    }
    let (http, plain) = listen(&runtime, plan.http, "HTTP", "--http").await?;
    let (https, secure) = listen(&runtime, https, "HTTPS", "--https").await?;
    let interfaces = runtime.interfaces().map_err(ServeError::Interfaces)?;
    let bound = Bound { udp, http, https, interfaces };

    let (facts, told) = async_channel::bounded(FACTS);
    let (calls, errands) = async_channel::bounded(CALLS);
    let (streams, arrivals) = async_channel::bounded(ARRIVALS);
    let streams = plan.streams.then_some(streams);
    let listeners = plain
        .into_iter()
        .map(|listener| (listener, None))
        .chain(secure.into_iter().map(|listener| (listener, tls.clone())));
    let tasks = Tasks { runtime: &runtime, facts: &facts, executor: Rc::default() };
    let rooms = Rooms { site: plan.site, facts: facts.clone(), streams };
    tasks.start(listeners, rooms, plan.trust, errands);
    let executor = tasks.executor;

    let machine = build(&bound);
    ready(&bound, facts);
    let links = Links { arrivals, facts: told, calls, cores: plan.cores };
    let driver = driver::run(&runtime, machine, sockets, links, observer);
    beside(driver, executor.run(pending())).await;
    Ok(())
}

/// Runs another core of a node whose first one has bound `udp`, until its machine was stopped. It
/// shares the node's media sockets and has none of its listeners.
pub async fn join<R: Runtime, M: Machine>(
    runtime: R,
    udp: &[SocketAddr],
    cores: Mailbox,
    machine: M,
    observer: impl Observer,
    ready: impl FnOnce(Sender<Fact>),
) -> Result<(), ServeError> {
    let mut sockets = Sockets::default();
    for at in udp {
        let bound = runtime.bind_shared(*at, true).await.and_then(|socket| sockets.add(socket));
        bound.map_err(|error| ServeError::bind("UDP", "--udp", *at, error))?;
    }
    let (facts, told) = async_channel::bounded(FACTS);
    // Whoever connects comes to the first core, and so do the answers to calls.
    let (arrivals, calls) = (async_channel::bounded(1).1, async_channel::bounded(1).0);
    ready(facts);
    driver::run(
        &runtime,
        machine,
        sockets,
        Links { arrivals, facts: told, calls, cores },
        observer,
    )
    .await;
    Ok(())
}

/// What goes on beside the driver, on the same thread.
struct Tasks<'s, R> {
    runtime: &'s R,
    facts: &'s Sender<Fact>,
    executor: Rc<LocalExecutor<'static>>,
}

impl<R: Runtime> Tasks<'_, R> {
    /// The tasks end with the executor, which none of them may own: they keep a weak reference.
    fn start(
        &self,
        listeners: impl Iterator<Item = (R::Listener, Option<Tls>)>,
        rooms: Rooms<R::Tcp>,
        trust: Trust,
        errands: Receiver<Errand>,
    ) {
        for (listener, tls) in listeners {
            let (runtime, executor) = (self.runtime.clone(), self.executor.clone());
            let task = door::open(runtime, listener, tls, rooms.clone(), executor);
            self.executor.spawn(task).detach();
        }
        let (runtime, facts) = (self.runtime.clone(), self.facts.clone());
        let client = client::run(runtime, trust, errands, facts, self.executor.clone());
        self.executor.spawn(client).detach();
        self.executor.spawn(measure(self.runtime.clone(), self.facts.clone())).detach();
    }
}

async fn listen<R: Runtime>(
    runtime: &R,
    all: Vec<SocketAddr>,
    what: &'static str,
    flag: &'static str,
) -> Result<(Vec<SocketAddr>, Vec<R::Listener>), ServeError> {
    let (mut bound, mut listeners) = (Vec::new(), Vec::new());
    for at in all {
        let refused = |error| ServeError::bind(what, flag, at, error);
        let listener = runtime.listen(at).await.map_err(refused)?;
        bound.push(runtime.listening(&listener).map_err(refused)?);
        listeners.push(listener);
    }
    Ok((bound, listeners))
}

/// Tells the driver every second how loaded this process is.
async fn measure<R: Runtime>(runtime: R, facts: Sender<Fact>) {
    let mut at = runtime.now();
    let Some(mut used) = runtime.cpu_time() else {
        return;
    };
    loop {
        runtime.sleep_until(at + MEASURE).await;
        let now = runtime.now();
        let total = runtime.cpu_time().unwrap_or(used);
        let load = load(total.saturating_sub(used), now.saturating_duration_since(at));
        (at, used) = (now, total);
        // A driver without room for this has better things to do.
        if let Err(TrySendError::Closed(_)) = facts.try_send(Fact::Measured(load)) {
            return;
        }
    }
}

fn load(used: Duration, over: Duration) -> Load {
    let permille = used.as_micros() * 1000 / over.as_micros().max(1);
    Load { cpu_permille: u32::try_from(permille).unwrap_or(u32::MAX), over }
}

/// Why a node did not start.
#[derive(Debug)]
pub enum ServeError {
    /// An address of the plan cannot be bound.
    Bind {
        /// `UDP`, `HTTP` or `HTTPS`.
        what: &'static str,
        /// What an operator chooses another address with.
        flag: &'static str,
        /// The address.
        at: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// This machine's addresses cannot be listed.
    Interfaces(io::Error),
}

impl ServeError {
    fn bind(what: &'static str, flag: &'static str, at: SocketAddr, error: io::Error) -> Self {
        ServeError::Bind { what, flag, at, error }
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, flag, at, error) = match self {
            ServeError::Bind { what, flag, at, error } => (what, flag, at, error),
            ServeError::Interfaces(error) => {
                return write!(f, "the addresses of this machine cannot be listed: {error}");
            }
        };
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "{what} {at} is in use by another process; choose another with {flag}")
            }
            io::ErrorKind::PermissionDenied => write!(
                f,
                "{what} {at} needs a privilege of this process (ports below 1024 do: \
                 CAP_NET_BIND_SERVICE on Linux); grant it, or choose another with {flag}"
            ),
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "{what} {at} is no address of this machine; choose another with {flag}")
            }
            _ => write!(f, "{what} {at} cannot be bound: {error}; choose another with {flag}"),
        }
    }
}

impl std::error::Error for ServeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_in_thousandths_of_a_core() {
        let (used, over) = (Duration::from_millis(300), Duration::from_millis(1200));
        assert_eq!(load(used, over), Load { cpu_permille: 250, over });
        assert_eq!(load(used, Duration::ZERO).cpu_permille, 300_000_000);
    }

    #[test]
    fn an_error_says_what_to_do() {
        let at = ([0, 0, 0, 0], 8080).into();
        let error = ServeError::bind("UDP", "--udp", at, io::ErrorKind::AddrInUse.into());
        assert_eq!(
            error.to_string(),
            "UDP 0.0.0.0:8080 is in use by another process; choose another with --udp"
        );
    }
}
