//! HTTP around a node: a server, a client, WebSockets and TLS over any runtime. It knows what a
//! request is, not what it means.

mod address;
pub mod certificate;
pub mod client;
pub(crate) mod server;
pub mod site;
pub mod tls;
pub mod trust;
mod websocket;
mod wire;

use std::future::Future;
use std::rc::{Rc, Weak};

use async_executor::LocalExecutor;

pub use address::{host_and_port, plain_http_warning};

/// Starts tasks. Weak, because a task that owned its executor would keep itself alive for ever.
#[derive(Clone)]
pub(crate) struct Tasks(Weak<LocalExecutor<'static>>);

impl Tasks {
    pub(crate) fn new(executor: &Rc<LocalExecutor<'static>>) -> Self {
        Tasks(Rc::downgrade(executor))
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        if let Some(executor) = self.0.upgrade() {
            executor.spawn(task).detach();
        }
    }
}

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}
