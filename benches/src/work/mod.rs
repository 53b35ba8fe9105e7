//! Small pieces of work that are the same every time, for the benchmarks that time them and for the
//! one that counts their instructions.

mod egress;
mod estimator;
mod fanout;
mod history;

pub use egress::{Repairs, Writes};
pub use estimator::Reports;
pub use fanout::Frames;
pub use history::Lookups;

use crate::meter::{Cost, Meter};

/// Work that can be done again and again.
pub trait Work {
    /// Does it once; what prepares it is not measured.
    fn round(&mut self, meter: &Meter) -> Cost;
}

/// Makes some work.
pub type Make = fn() -> Box<dyn Work>;

/// Everything whose instructions are counted, by name.
pub const ALL: [(&str, Make); 5] = [
    ("fanout", || Box::new(Frames::new())),
    ("egress", || Box::new(Writes::new())),
    ("repairs", || Box::new(Repairs::new())),
    ("history", || Box::new(Lookups::new())),
    ("estimator", || Box::new(Reports::new())),
];
