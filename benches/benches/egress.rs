//! How long it takes to seal packets for one viewer, and to repeat those that it misses.
//! `benches/README.md` tells what that is; `instructions` counts it.

use criterion::Criterion;
use farcast_benches::meter::Meter;
use farcast_benches::work::{Repairs, Work, Writes};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let meter = Meter::new();
    let mut egress = Writes::new();
    criterion.bench_function("egress", |bencher| {
        bencher.iter_custom(|rounds| (0..rounds).map(|_| egress.round(&meter).cpu).sum());
    });
    let mut repairs = Repairs::new();
    criterion.bench_function("repairs", |bencher| {
        bencher.iter_custom(|rounds| (0..rounds).map(|_| repairs.round(&meter).cpu).sum());
    });
    criterion.final_summary();
}
