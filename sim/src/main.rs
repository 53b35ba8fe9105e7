//! The simulation as a program of its own; `farcast sim` is the same.

use std::process::ExitCode;

use clap::Parser;
use farcast_sim::tool::{self, SimFlags};

/// Tell a story of a CDN in virtual time, and judge it
#[derive(Parser)]
#[command(name = "farcast-sim", version)]
struct Sim {
    #[command(flatten)]
    flags: SimFlags,
}

fn main() -> ExitCode {
    match tool::run(&Sim::parse().flags) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("farcast-sim: {why}");
            ExitCode::FAILURE
        }
    }
}
