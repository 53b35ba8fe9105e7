//! A thread full of sessions, and how punctual that thread is. It knows not what they are for.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_executor::LocalExecutor;
use farcast_adapters::http::trust::Trust;
use farcast_adapters::runtime::Runtime;
use farcast_adapters::tokio::{self, Tokio};

use super::calls::Calls;
use super::crowd::Crowd;
use super::session::{self, House, Part};
use super::spread::Spread;
use super::tally::Tally;

/// Between two looks at the clock, and at whether it is time to leave.
const TICK: Duration = Duration::from_millis(20);

/// What a thread needs to know.
pub(super) struct Orders {
    /// Who comes, in the order in which they come.
    pub(super) parts: Vec<Part>,
    pub(super) crowd: Arc<Crowd>,
    pub(super) trust: Trust,
    pub(super) fence: Option<Vec<IpAddr>>,
}

/// What its sessions came to.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) tallies: Vec<Tally>,
    pub(super) latency: Spread,
    /// How late the thread's own timers were.
    pub(super) lateness: Spread,
}

/// Lives all sessions on this thread until the last one is over.
pub(super) fn run(orders: Orders) -> Result<Report, String> {
    let executor = Rc::new(LocalExecutor::new());
    let work = executor.run(live(orders, Rc::clone(&executor)));
    tokio::block_on(work).map_err(|error| format!("cannot start the runtime: {error}"))
}

async fn live(orders: Orders, executor: Rc<LocalExecutor<'static>>) -> Report {
    let Orders { parts, crowd, trust, fence } = orders;
    let runtime = Tokio;
    let house = Rc::new(House {
        runtime,
        crowd: crowd.clone(),
        calls: Calls::open(runtime, trust, &executor),
        batch: RefCell::default(),
        latency: RefCell::default(),
        fence,
    });
    let lateness = Rc::new(RefCell::new(Spread::default()));
    let metronome = executor.spawn(tick(runtime, lateness.clone()));
    let mut sessions = Vec::new();
    for part in parts {
        while runtime.now() < part.begins && !crowd.leaves() {
            runtime.sleep_until(part.begins.min(runtime.now() + TICK)).await;
        }
        if crowd.leaves() {
            break;
        }
        sessions.push(executor.spawn(session::live(house.clone(), part)));
    }
    let mut tallies = Vec::new();
    for session in sessions {
        tallies.push(session.await);
    }
    metronome.cancel().await;
    Report { tallies, latency: house.latency.take(), lateness: lateness.take() }
}

/// Measures how late a timer of this thread is, for ever.
async fn tick<R: Runtime>(runtime: R, lateness: Rc<RefCell<Spread>>) {
    loop {
        let due = runtime.now() + TICK;
        runtime.sleep_until(due).await;
        let late = runtime.now().saturating_duration_since(due);
        lateness.borrow_mut().add(late);
    }
}
