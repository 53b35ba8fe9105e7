//! HTTP around a node: a server, a client, WebSockets and TLS over any runtime. It knows what a
//! request is, not what it means.

mod address;
pub mod certificate;
pub mod client;
pub mod server;
pub mod site;
pub mod tls;
pub mod trust;
mod websocket;
mod wire;

use std::future::Future;
use std::rc::{Rc, Weak};
use std::time::Duration;

use async_executor::LocalExecutor;
use futures_lite::future;

pub use address::plain_http_warning;

use crate::runtime::Runtime;

/// What `work` brings, or `None` if it takes longer than `limit`.
async fn within<R: Runtime, T>(
    runtime: &R,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let late = runtime.sleep_until(runtime.now() + limit);
    future::or(async { Some(work.await) }, async {
        late.await;
        None
    })
    .await
}

/// Starts tasks. Weak, because a task that owned its executor would keep itself alive for ever.
#[derive(Clone)]
struct Tasks(Weak<LocalExecutor<'static>>);

impl Tasks {
    fn new(executor: &Rc<LocalExecutor<'static>>) -> Self {
        Tasks(Rc::downgrade(executor))
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
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
