//! The place of HTTP around a node: what the composition needs of it. It serves nothing yet.

/// Accepts connections.
pub mod server {
    use std::rc::Rc;

    use async_channel::Sender;
    use async_executor::LocalExecutor;

    use super::{site::Site, tls::Tls};
    use crate::link::Fact;
    use crate::runtime::Runtime;

    /// Serves HTTP on `listener`, HTTPS if there is `tls`.
    pub async fn serve<R: Runtime>(
        runtime: R,
        listener: R::Listener,
        _tls: Option<Tls>,
        _site: Rc<Site>,
        _facts: Sender<Fact>,
        executor: Rc<LocalExecutor<'static>>,
    ) {
        // A task that owned its executor would keep itself alive for ever.
        drop(executor);
        while runtime.accept(&listener).await.is_ok() {}
    }
}

/// Makes calls.
pub mod client {
    use std::rc::Rc;

    use async_channel::{Receiver, Sender};
    use async_executor::LocalExecutor;

    use super::trust::Trust;
    use crate::link::{Errand, Fact};
    use crate::runtime::Runtime;

    /// Makes calls until `errands` is closed.
    pub async fn run<R: Runtime>(
        _runtime: R,
        _trust: Trust,
        errands: Receiver<Errand>,
        _facts: Sender<Fact>,
        executor: Rc<LocalExecutor<'static>>,
    ) {
        drop(executor);
        while errands.recv().await.is_ok() {}
    }
}

/// Pages.
pub mod site {
    /// A file.
    #[derive(Debug)]
    pub struct Page;

    /// What a node serves besides its API.
    #[derive(Debug)]
    pub struct Site;

    impl Site {
        /// `pages` finds files by name; `metrics` writes the text of `/metrics`.
        pub fn new(
            _pages: fn(&str) -> Option<Page>,
            _metrics: impl Fn() -> String + 'static,
        ) -> Self {
            Site
        }
    }
}

/// Our certificate.
pub mod tls {
    /// A handle on the certificate that this node shows.
    #[derive(Debug, Clone)]
    pub struct Tls;
}

/// Others' certificates.
pub mod trust {
    use std::io;
    use std::path::Path;

    /// Whom we believe.
    #[derive(Debug, Clone)]
    pub struct Trust;

    impl Trust {
        /// The public authorities of the web, and those in the PEM file `ca`.
        pub fn new(_ca: Option<&Path>) -> io::Result<Self> {
            Ok(Trust)
        }
    }
}
