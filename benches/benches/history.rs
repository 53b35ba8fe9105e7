//! How long it takes a track's history to keep packets and to find some of them.
//! `benches/README.md` tells what that is; `instructions` counts it.

use criterion::Criterion;
use farcast_benches::meter::Meter;
use farcast_benches::work::{Lookups, Work};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let meter = Meter::new();
    let mut history = Lookups::new();
    criterion.bench_function("history", |bencher| {
        bencher.iter_custom(|rounds| (0..rounds).map(|_| history.round(&meter).cpu).sum());
    });
    criterion.final_summary();
}
