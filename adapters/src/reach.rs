//! TCP connections that the machine wants made, and addresses where it wants them taken. It knows
//! nothing of what is written on them.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use farcast_core::limits;
use farcast_core::machine::ConnectId;
use futures_lite::Stream;
use futures_util::future::{AbortHandle, abortable};
use futures_util::stream::FuturesUnordered;

use crate::door::ACCEPT_PAUSE;
use crate::gate::Gate;
use crate::runtime::{Runtime, within};

/// Connections under way and listeners.
pub(crate) struct Reach<R: Runtime> {
    work: FuturesUnordered<Work<R>>,
    gate: Gate,
    /// Looked up only: the order of hash maps must not reach the machine.
    listeners: HashMap<SocketAddr, AbortHandle>,
}

type Work<R> = Pin<Box<dyn Future<Output = Done<R>>>>;

enum Done<R: Runtime> {
    News(News<R>),
    Accepted { listener: R::Listener, at: SocketAddr, stream: R::Tcp, peer: SocketAddr },
    Unlistened,
}

/// What has come of it.
pub(crate) enum News<R: Runtime> {
    /// A connection was made, or not.
    Connected { connect: ConnectId, result: io::Result<R::Tcp> },
    /// A connection was taken.
    Accepted { stream: R::Tcp, peer: SocketAddr },
}

impl<R: Runtime> Default for Reach<R> {
    fn default() -> Self {
        Reach { work: FuturesUnordered::new(), gate: Gate::default(), listeners: HashMap::new() }
    }
}

impl<R: Runtime> Reach<R> {
    /// Begins to connect; [`News::Connected`] follows.
    pub(crate) fn connect(
        &mut self,
        runtime: &R,
        connect: ConnectId,
        from: Option<SocketAddr>,
        to: SocketAddr,
    ) {
        let full = self.work.len() >= limits::BYTE_STREAMS;
        let runtime = runtime.clone();
        self.gate.ring();
        self.work.push(Box::pin(async move {
            let connecting = async {
                match from {
                    _ if full => Err(io::Error::other("too many connections are being made")),
                    Some(from) => runtime.connect_from(from, to).await,
                    None => runtime.connect(to).await,
                }
            };
            let result = within(&runtime, limits::CONNECT, connecting).await;
            let result = result.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()));
            Done::News(News::Connected { connect, result })
        }));
    }

    /// Begins to take connections; returns where.
    pub(crate) fn listen(&mut self, runtime: &R, listener: R::Listener) -> io::Result<SocketAddr> {
        let at = runtime.listening(&listener)?;
        // Listeners may share a port with connections, so the kernel lets them share it with one
        // another.
        if self.listeners.contains_key(&at) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        self.accept(runtime, listener, at);
        Ok(at)
    }

    /// Takes no more connections there.
    pub(crate) fn unlisten(&mut self, at: SocketAddr) {
        if let Some(listener) = self.listeners.remove(&at) {
            listener.abort();
        }
    }

    fn accept(&mut self, runtime: &R, listener: R::Listener, at: SocketAddr) {
        let runtime = runtime.clone();
        let (accepting, handle) = abortable(async move {
            loop {
                match runtime.accept(&listener).await {
                    Ok((stream, peer)) => return Done::Accepted { listener, at, stream, peer },
                    // The process has too many files open.
                    Err(_) => runtime.sleep_until(runtime.now() + ACCEPT_PAUSE).await,
                }
            }
        });
        self.listeners.insert(at, handle);
        self.gate.ring();
        self.work.push(Box::pin(async { accepting.await.unwrap_or(Done::Unlistened) }));
    }

    /// What has come of the work meanwhile.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, runtime: &R) -> Poll<News<R>> {
        loop {
            // No work is no end: more may come.
            let done = self.gate.poll(cx, |cx| Pin::new(&mut self.work).poll_next(cx));
            let Some(done) = ready!(done) else {
                return Poll::Pending;
            };
            match done {
                Done::News(news) => return Poll::Ready(news),
                Done::Accepted { listener, at, stream, peer } => {
                    if self.listeners.contains_key(&at) {
                        self.accept(runtime, listener, at);
                        return Poll::Ready(News::Accepted { stream, peer });
                    }
                }
                Done::Unlistened => {}
            }
        }
    }
}
