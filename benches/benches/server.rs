//! What a whole node costs, with its driver and real sockets, beside the least that sealing and
//! sending the same packets costs; and how late packets are that go through it.
//! `benches/README.md` tells how to read the tables.

use std::time::Duration;

use farcast_benches::live::{Cut, Live, Round};
use farcast_core::config::Egress;

const VIEWERS: usize = 200;
/// Seconds that are measured, one by one, after some that are not.
const ROUNDS: usize = 25;
const WARM_UP: Duration = Duration::from_secs(4);
const ROUND: Duration = Duration::from_secs(1);
const CASES: [(&str, Egress, Cut); 4] = [
    ("own | alike", Egress::Own, Cut::Alike),
    ("own | browser's", Egress::Own, Cut::Browser),
    ("str0m | alike", Egress::Str0m, Cut::Alike),
    ("str0m | browser's", Egress::Str0m, Cut::Browser),
];
const LATENCIES: [&str; 4] =
    ["packets of delta frames", "packets of keyframes", "delta frames", "keyframes"];

/// What was measured of a room.
struct Row {
    name: &'static str,
    rounds: Vec<Round>,
}

fn main() {
    // `cargo bench -- --test`: does it still run? `-- own`: only what is called so.
    let (flags, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let test = flags.iter().any(|flag| flag == "--test");
    let (viewers, rounds) = if test { (5, 1) } else { (VIEWERS, ROUNDS) };
    let wanted = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part));
    let cases = CASES.into_iter().filter(|(name, ..)| wanted(name));
    let rows: Vec<Row> = cases
        .map(|(name, egress, cut)| {
            let mut live = Live::new(viewers, egress, cut);
            live.run(if test { ROUND } else { WARM_UP });
            Row { name, rounds: (0..rounds).map(|_| live.run(ROUND)).collect() }
        })
        .collect();
    print_costs(&rows, viewers);
    print_latencies(&rows);
}

impl Row {
    /// Microseconds a packet of each round that had any, sorted.
    fn costs(&self, side: impl Fn(&Round) -> (Duration, u64)) -> Vec<f64> {
        let cost = |(cpu, packets): (Duration, u64)| cpu.as_secs_f64() * 1e6 / packets as f64;
        let busy = self.rounds.iter().map(side).filter(|(_, packets)| *packets > 0);
        let costs = sorted(busy.map(cost));
        assert!(!costs.is_empty(), "this machine is too busy: no packet left in any round");
        costs
    }

    fn ratios(&self) -> (f64, f64) {
        let (server, bare) = (self.costs(|r| r.server), self.costs(|r| r.bare));
        (server[0] / bare[0], middle(&server) / middle(&bare))
    }

    fn sum(&self, count: impl Fn(&Round) -> u64) -> f64 {
        self.rounds.iter().map(count).sum::<u64>() as f64
    }
}

fn print_costs(rows: &[Row], viewers: usize) {
    println!("CPU us of the node's thread per packet to one of {viewers} viewers, best / median\n");
    println!(
        "| egress | packets | bare loop | server | ratio | datagrams of a viewer, per s | lost % \
         | frames late % |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for row in rows {
        let (server, bare) = (row.costs(|r| r.server), row.costs(|r| r.bare));
        let (best, median) = row.ratios();
        let lost = 100.0 - 100.0 * row.sum(|r| r.server.1) / row.sum(|r| r.due);
        println!(
            "| {} | {:.2} / {:.2} | {:.2} / {:.2} | {best:.2} / {median:.2} | {:.1} | {lost:.2} \
             | {:.1} |",
            row.name,
            bare[0],
            middle(&bare),
            server[0],
            middle(&server),
            row.sum(|r| r.feedback) / row.rounds.len() as f64 / viewers as f64,
            100.0 * row.sum(|r| r.frames.1) / row.sum(|r| r.frames.0),
        );
    }
    for cut in ["alike", "browser's"] {
        let find = |egress: &str| rows.iter().find(|row| row.name == format!("{egress} | {cut}"));
        if let (Some(own), Some(str0m)) = (find("own"), find("str0m")) {
            let (own, str0m) = (own.ratios(), str0m.ratios());
            println!(
                "\nown / str0m, {cut}: {:.2} / {:.2} (ratios to the bare loop)",
                own.0 / str0m.0,
                own.1 / str0m.1
            );
        }
    }
}

fn print_latencies(rows: &[Row]) {
    println!("\nms from the publisher's first packet of a frame to a viewer's socket\n");
    println!("| egress | packets | what | how many | p50 | p99 | max |");
    println!("|---|---|---|---|---|---|---|");
    for (row, (kind, what)) in
        rows.iter().flat_map(|row| LATENCIES.iter().enumerate().map(move |latency| (row, latency)))
    {
        let all = row.rounds.iter().flat_map(|round| &round.latency[kind]);
        let all = sorted(all.map(|late| late.as_secs_f64() * 1e3));
        let Some(max) = all.last() else { continue };
        let (p50, p99) = (middle(&all), all[all.len() * 99 / 100]);
        println!("| {} | {what} | {} | {p50:.2} | {p99:.2} | {max:.2} |", row.name, all.len());
    }
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn middle(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}
