//! The flags of the tool, and which world a story is told in; it reads no files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::handshake::Dtls;
use crate::hosts;
use crate::memory;
use crate::plan::Plan;
use crate::told::{Progress, Told};

/// Runs that one command may ask for.
const MOST_RUNS: u64 = 100_000;
/// The last seed that leaves room for them.
const LAST_SEED: u64 = u64::MAX - MOST_RUNS;

/// The flags of `farcast sim`.
#[derive(Debug, Args)]
pub struct SimFlags {
    /// A story's name, or a TOML file: a story, or cities and links alone for a tour of them;
    /// without it, the stories that there are
    pub(super) story: Option<String>,
    /// Where everything random comes from: the same seed tells the same story
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(..=LAST_SEED))]
    pub(super) seed: u64,
    /// Tell it with so many seeds, from --seed on, on all cores; the table is about all frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST_RUNS))]
    pub(super) runs: Option<u64>,
    /// Which world tells it
    #[arg(long, value_enum, default_value_t = World::Memory)]
    pub(super) world: World,
    /// Print JSON instead of a table; an array with --runs
    #[arg(long)]
    pub(super) json: bool,
    /// Write a page with a map and a chart of every route
    #[arg(long, value_name = "FILE", conflicts_with = "runs")]
    pub(super) html: Option<PathBuf>,
    /// Write down every packet: when, from, to, kind, size
    #[arg(long, value_name = "FILE", conflicts_with = "runs")]
    pub(super) trace: Option<PathBuf>,
}

/// A world that can tell stories.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum World {
    /// In memory: the clock jumps, so this is fast
    Memory,
    /// The shipped driver on simulated hosts
    Turmoil,
}

impl World {
    /// Tells a story there.
    pub(super) fn tell(
        self,
        plan: &Plan,
        trace: bool,
        progress: &Progress<'_>,
    ) -> Result<Told, String> {
        match self {
            World::Memory => memory::tell(plan, trace, progress),
            // Real signatures differ in size from run to run, and traces with them.
            World::Turmoil => hosts::tell(plan, Dtls::Rehearsed, trace, progress),
        }
    }

    /// How people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            World::Memory => "in memory",
            World::Turmoil => "on turmoil",
        }
    }
}
