//! The driver on simulated hosts. It knows no stream.

#![allow(clippy::unwrap_used)]

#[path = "../../adapters/tests/echo/mod.rs"]
mod echo;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use echo::{Echo, LATER};
use farcast_adapters::cores::Mailbox;
use farcast_adapters::driver::{self, Links};
use farcast_adapters::link::Fact;
use farcast_adapters::metrics::Metrics;
use farcast_adapters::runtime::Runtime;
use farcast_adapters::sockets::Sockets;
use farcast_sim::epoch;
use farcast_sim::turmoil::Turmoil;
use turmoil::net::UdpSocket;

const WILDCARD: &str = "0.0.0.0:0";
/// From one host to the other.
const AWAY: Duration = Duration::from_millis(45);
const TICK: Duration = Duration::from_millis(1);

#[test]
fn the_driver_runs_on_simulated_hosts_in_simulated_time() {
    let first = trace(1);
    let (words, times): (Vec<_>, Vec<_>) = first.iter().cloned().unzip();
    assert_eq!(words, ["hello", "hello", "he", "late", "bound", "x", "x", "bye"]);
    let round_trip = 2 * AWAY;
    for (index, took) in [(0, round_trip), (3, round_trip + LATER), (4, round_trip)] {
        let late = times[index].checked_sub(took).expect("nothing comes before it can");
        assert!(late <= 4 * TICK, "{} came {late:?} late", words[index]);
    }
    assert_eq!(trace(1), first, "the same seed tells the same story");
}

/// What the guest heard, and how long after asking.
fn trace(seed: u64) -> Vec<(String, Duration)> {
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .tick_duration(TICK)
        .min_message_latency(AWAY)
        .max_message_latency(AWAY)
        .simulation_duration(Duration::from_secs(10))
        .build();
    let (facts, told) = async_channel::bounded(16);
    let (places, place) = async_channel::bounded(1);
    sim.client("node", async move {
        let runtime = Turmoil::on("node", epoch::start());
        let mut sockets = Sockets::default();
        let wildcard: SocketAddr = WILDCARD.parse()?;
        let port = sockets.add(runtime.bind(wildcard).await?)?.port();
        places.send(SocketAddr::new(turmoil::lookup("node"), port)).await?;
        let (calls, _errands) = async_channel::bounded(1);
        let links = Links {
            arrivals: async_channel::bounded(1).1,
            facts: told,
            calls,
            cores: Mailbox::alone(),
        };
        let machine = Echo::new(wildcard);
        driver::run(&runtime, machine, sockets, links, Arc::new(Metrics::default())).await;
        Ok(())
    });
    let heard = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&heard);
    sim.client("guest", async move {
        let socket = UdpSocket::bind(WILDCARD).await?;
        let mut node = place.recv().await?;
        for (word, answers) in [("hello", 3), ("later", 1), ("bind", 1), ("x", 2), ("", 1)] {
            let asked = turmoil::elapsed();
            match word {
                "" => facts.send(Fact::Stopping).await?,
                _ => drop(socket.send_to(word.as_bytes(), node).await?),
            }
            for _ in 0..answers {
                let mut buffer = [0; 100];
                let (len, from) = socket.recv_from(&mut buffer).await?;
                let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
                log.borrow_mut().push((text, turmoil::elapsed() - asked));
                // `bound` comes from a new socket, where we go on.
                node = from;
            }
        }
        Ok(())
    });
    sim.run().unwrap();
    heard.take()
}
