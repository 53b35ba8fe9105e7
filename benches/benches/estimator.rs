//! How long it takes to estimate one viewer's line from what it reports.
//! `benches/README.md` tells what that is; `instructions` counts it.

use criterion::Criterion;
use farcast_benches::meter::Meter;
use farcast_benches::work::{Reports, Work};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let meter = Meter::new();
    let mut estimator = Reports::new();
    criterion.bench_function("estimator", |bencher| {
        bencher.iter_custom(|rounds| (0..rounds).map(|_| estimator.round(&meter).cpu).sum());
    });
    criterion.final_summary();
}
