//! The node that publishers come to: feeds edges and sends viewers to them. Flags in, a node out.

use std::process::ExitCode;

use clap::Parser;
use farcast::flags::{AFTER_HELP, NodeFlags};
use farcast::{node, program};

/// Takes streams from publishers, sends them to edges, and tells viewers which edge serves them
#[derive(Parser)]
#[command(name = node::ORIGIN.program, version, after_help = AFTER_HELP)]
struct Origin {
    #[command(flatten)]
    node: NodeFlags,
}

fn main() -> ExitCode {
    program::node(Origin::parse().node, &node::ORIGIN)
}
