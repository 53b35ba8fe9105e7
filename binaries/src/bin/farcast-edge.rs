//! A node near viewers: takes streams from an origin and serves them. Flags in, a node out.

use std::process::ExitCode;

use clap::Parser;
use farcast::flags::{AFTER_HELP, NodeFlags};
use farcast::{node, program};

/// Takes streams from an origin, or from publishers, and serves viewers
#[derive(Parser)]
#[command(name = node::EDGE.program, version, after_help = AFTER_HELP)]
struct Edge {
    #[command(flatten)]
    node: NodeFlags,
}

fn main() -> ExitCode {
    program::node(Edge::parse().node, &node::EDGE)
}
