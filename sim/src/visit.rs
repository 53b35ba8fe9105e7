//! Carries a browser on a runtime: its datagrams over a socket, its calls over the HTTP client that
//! ships. It knows no story.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use async_channel::{Receiver, Sender};
use async_executor::LocalExecutor;
use farcast_adapters::batch::Batch;
use farcast_adapters::http::client;
use farcast_adapters::http::trust::Trust;
use farcast_adapters::link::{Errand, Fact};
use farcast_adapters::runtime::{Runtime, Udp};
use farcast_core::outbox::Transmit;
use futures_lite::future;

use crate::browser::Browser;

/// Calls of one browser that may be under way.
const CALLS: usize = 16;

/// Lives a browser's life until `end`.
pub async fn visit<R: Runtime>(
    runtime: R,
    browser: Rc<RefCell<Browser>>,
    trust: Trust,
    executor: Rc<LocalExecutor<'static>>,
    end: Instant,
) -> io::Result<()> {
    let (calls, errands) = async_channel::bounded(CALLS);
    let (facts, answers) = async_channel::bounded(CALLS);
    let client = client::run(runtime.clone(), trust, errands, facts, executor.clone());
    executor.spawn(client).detach();
    let mut local = browser.borrow().socket();
    let mut socket = runtime.bind(local).await?;
    let mut batch = Batch::default();
    while runtime.now() < end {
        let now = runtime.now();
        if browser.borrow().deadline() <= now {
            browser.borrow_mut().advance(now);
        }
        let at = browser.borrow().socket();
        if at != local {
            (local, socket) = (at, runtime.bind(at).await?);
        }
        send(&browser, &socket, &calls);
        let until = browser.borrow().deadline().min(end);
        match next(&runtime, &socket, &answers, &mut batch, until).await? {
            News::Datagrams => batch.view(|datagrams| {
                let mut browser = browser.borrow_mut();
                datagrams.iter().for_each(|d| browser.receive(runtime.now(), d.peer, d.payload));
            }),
            News::Fact(Fact::Answered { call, result }) => {
                browser.borrow_mut().answered(runtime.now(), call, result);
            }
            News::Fact(_) | News::Time => {}
        }
    }
    Ok(())
}

enum News {
    Datagrams,
    Fact(Fact),
    Time,
}

fn send<U: Udp>(browser: &RefCell<Browser>, socket: &U, calls: &Sender<Errand>) {
    let mut browser = browser.borrow_mut();
    let local = browser.socket();
    while let Some((peer, payload)) = browser.next_outgoing() {
        let segment = payload.len();
        // A full socket loses a datagram, as a network does.
        socket.send(&Transmit { local, peer, payload: &payload, segment }).ok();
    }
    while let Some((call, request)) = browser.next_call() {
        // Who makes so many calls at once does without the last one's answer.
        calls.try_send(Errand { call, request }).ok();
    }
}

/// What comes first; always in this order.
async fn next<R: Runtime>(
    runtime: &R,
    socket: &R::Udp,
    answers: &Receiver<Fact>,
    batch: &mut Batch,
    until: Instant,
) -> io::Result<News> {
    let datagrams =
        async { poll_fn(|cx| socket.poll_recv(cx, batch)).await.map(|()| News::Datagrams) };
    let answer = async {
        match answers.recv().await {
            Ok(fact) => Ok(News::Fact(fact)),
            Err(_) => future::pending().await,
        }
    };
    let time = async {
        runtime.sleep_until(until).await;
        Ok(News::Time)
    };
    future::or(datagrams, future::or(answer, time)).await
}
