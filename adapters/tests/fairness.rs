//! A flood of datagrams starves neither facts nor the deadline nor other tasks. It knows no stream.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use farcast_adapters::batch::Batch;
use farcast_adapters::cores::Mailbox;
use farcast_adapters::driver::{self, Links};
use farcast_adapters::link::Fact;
use farcast_adapters::metrics::Metrics;
use farcast_adapters::runtime::{Runtime, Udp};
use farcast_adapters::sockets::Sockets;
use farcast_adapters::tokio::{Tokio, block_on};
use farcast_core::machine::{Input, Load, Machine};
use farcast_core::outbox::{Outbox, Transmit};

#[test]
fn a_flood_starves_nobody() {
    let heard = Rc::new(Heard::default());
    let machine = Counter { heard: heard.clone(), deadline: None };
    block_on(async {
        let mut sockets = Sockets::default();
        sockets.add(Flood { reads: Cell::new(0), heard: heard.clone() }).unwrap();
        let (facts, told) = async_channel::bounded(8);
        let (calls, _errands) = async_channel::bounded(1);
        let executor = LocalExecutor::new();
        let other = heard.clone();
        executor
            .spawn(async move {
                other.other_task.set(true);
                facts.send(Fact::Measured(Load::default())).await.unwrap();
                // Until both have been heard, else the end of all facts would stop the driver.
                while !other.done() {
                    futures_lite::future::yield_now().await;
                }
            })
            .detach();
        let links = Links {
            arrivals: async_channel::bounded(1).1,
            facts: told,
            calls,
            cores: Mailbox::alone(),
        };
        let observer = Arc::new(Metrics::default());
        executor.run(driver::run(&Flooded, machine, sockets, links, observer)).await;
    })
    .unwrap();
    assert!(heard.done());
}

#[derive(Default)]
struct Heard {
    other_task: Cell<bool>,
    fact: Cell<bool>,
    deadline: Cell<bool>,
}

impl Heard {
    fn done(&self) -> bool {
        self.other_task.get() && self.fact.get() && self.deadline.get()
    }
}

struct Counter {
    heard: Rc<Heard>,
    deadline: Option<Instant>,
}

impl Machine for Counter {
    fn handle(&mut self, now: Instant, input: Input<'_>, _: &mut Outbox) {
        match input {
            Input::Measured(_) => {
                self.heard.fact.set(true);
                self.deadline = Some(now + Duration::from_millis(5));
            }
            Input::Timeout => {
                self.heard.deadline.set(true);
                self.deadline = None;
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// A socket that is always readable; it gives up when that has starved somebody.
struct Flood {
    reads: Cell<u64>,
    heard: Rc<Heard>,
}

impl Udp for Flood {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(([127, 0, 0, 1], 9).into())
    }

    fn poll_recv(&self, _: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        self.reads.set(self.reads.get() + 1);
        let starved = self.reads.get() > 50_000_000 && !self.heard.done();
        assert!(!starved, "somebody had no turn in {} reads", self.reads.get());
        batch.clear();
        Poll::Ready(batch.take(self.local_addr()?, |_| Ok((1, ([127, 0, 0, 2], 9).into()))))
    }

    fn send(&self, _: &Transmit<'_>) -> io::Result<()> {
        unreachable!("the machine sends nothing")
    }
}

/// tokio with flooded sockets.
#[derive(Clone)]
struct Flooded;

impl Runtime for Flooded {
    type Udp = Flood;
    type Listener = <Tokio as Runtime>::Listener;
    type Tcp = <Tokio as Runtime>::Tcp;

    fn now(&self) -> Instant {
        Tokio.now()
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + 'static {
        Tokio.sleep_until(at)
    }

    async fn bind(&self, _: SocketAddr) -> io::Result<Flood> {
        unreachable!("the machine binds nothing")
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<Self::Listener> {
        Tokio.listen(at).await
    }

    fn listening(&self, listener: &Self::Listener) -> io::Result<SocketAddr> {
        Tokio.listening(listener)
    }

    async fn accept(&self, listener: &Self::Listener) -> io::Result<(Self::Tcp, SocketAddr)> {
        Tokio.accept(listener).await
    }

    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Tcp>> + 'static {
        Tokio.connect(to)
    }

    fn near_end(&self, stream: &Self::Tcp) -> io::Result<SocketAddr> {
        Tokio.near_end(stream)
    }

    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + 'static {
        Tokio.resolve(host, port)
    }
}
