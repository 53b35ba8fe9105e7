//! The cores of a node beside its first one, a thread each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use async_channel::Sender;
use farcast_adapters::cores::Mailbox;
use farcast_adapters::link::Fact;
use farcast_adapters::log::Log;
use farcast_adapters::metrics::Metrics;
use farcast_adapters::runtime::Runtime;
use farcast_adapters::{serve, smol, tokio};
use farcast_core::config::Config;
use farcast_core::cores::CoreId;
use farcast_core::hub::session::crypto::Crypto;
use farcast_core::node::Node;
use farcast_core::report::Level;

use crate::config;
use crate::error::StartError;
use crate::run::birth;

/// What the cores beside the first one need; in their order.
pub(crate) struct Rest {
    pub(crate) mailboxes: Vec<Mailbox>,
    pub(crate) metrics: Vec<Arc<Metrics>>,
    pub(crate) crypto: Crypto,
    pub(crate) runtime: config::Runtime,
    pub(crate) log: Level,
}

/// What one of them needs.
struct Joining {
    core: CoreId,
    mailbox: Mailbox,
    config: Config,
    crypto: Crypto,
    runtime: config::Runtime,
    observer: (Arc<Metrics>, Log),
}

impl Rest {
    /// Runs them all; `config` is as bound by the first one. `ready` gets the way to tell each of
    /// them facts, `failed` why one could not begin or broke down.
    pub(crate) fn spawn(
        self,
        config: &Config,
        ready: impl FnOnce(Sender<Fact>) + Clone + Send + 'static,
        failed: impl FnOnce(StartError) + Clone + Send + 'static,
    ) {
        let Rest { mailboxes, metrics, crypto, runtime, log } = self;
        for ((mailbox, metrics), core) in mailboxes.into_iter().zip(metrics).zip(1..) {
            let core = CoreId(core);
            let (config, crypto) = (config.clone(), crypto.clone());
            let observer = (metrics, Log { from: log });
            let joining = Joining { core, mailbox, config, crypto, runtime, observer };
            let (ready, failed) = (ready.clone(), failed.clone());
            thread::spawn(move || guarded(joining, ready).unwrap_or_else(failed));
        }
    }
}

fn guarded(joining: Joining, ready: impl FnOnce(Sender<Fact>)) -> Result<(), StartError> {
    let name = format!("core {} of node {}", joining.core.0, joining.config.name);
    catch_unwind(AssertUnwindSafe(|| live(joining, ready))).unwrap_or_else(|_| {
        Err(StartError(format!("{name} broke down; please report what stands above")))
    })
}

fn live(joining: Joining, ready: impl FnOnce(Sender<Fact>)) -> Result<(), StartError> {
    let ended = match joining.runtime {
        config::Runtime::Tokio => tokio::block_on(on(tokio::Tokio, joining, ready)),
        config::Runtime::Smol => smol::block_on(on(smol::Smol, joining, ready)),
    };
    ended.map_err(|error| StartError(format!("cannot start the runtime: {error}")))?
}

async fn on<R: Runtime>(
    runtime: R,
    joining: Joining,
    ready: impl FnOnce(Sender<Fact>),
) -> Result<(), StartError> {
    let Joining { core, mailbox, config, crypto, observer, .. } = joining;
    let udp = config.addresses.udp.clone();
    let node = Node::on_core(core, config, birth(runtime.now())?, crypto);
    let joined = serve::join(runtime, &udp, mailbox, node, observer, ready);
    joined.await.map_err(|error| StartError(error.to_string()))
}
