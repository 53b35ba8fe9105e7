//! A TURN server alone: lets viewers and publishers behind firewalls through. Flags in, a server
//! out.

use std::process::ExitCode;

use clap::Parser;
use farcast::program;
use farcast::turn::alone::{self, TurnFlags};

/// Relays media for viewers and publishers behind firewalls, over UDP, TCP and TLS
#[derive(Parser)]
#[command(name = alone::PROGRAM, version)]
struct TurnServer {
    #[command(flatten)]
    turn: TurnFlags,
}

fn main() -> ExitCode {
    program::turn(TurnServer::parse().turn)
}
