//! How a program of ours begins and ends, seen from the terminal; it knows no flags.

use std::net::SocketAddr;
use std::process::ExitCode;

use crate::error::StartError;
use crate::flags::NodeFlags;
use crate::node::{self, Role, Settings};
use crate::run;
use crate::turn::alone::{self, TurnFlags};

/// A node's whole life.
pub fn node(flags: NodeFlags, role: &Role) -> ExitCode {
    let read = || Settings::new(flags.clone().wishes()?, role, &node::interfaces()?);
    end(role.program, run(read))
}

/// The whole life of a TURN server that is alone.
pub fn turn(flags: TurnFlags) -> ExitCode {
    let read = || alone::settings(flags.clone().wishes()?, &node::interfaces()?);
    end(alone::PROGRAM, run(read))
}

fn run(read: impl Fn() -> Result<Settings, StartError>) -> Result<(), StartError> {
    let settings = read()?;
    let welcome = welcome(&settings);
    let alternates = || Ok(read()?.core.turn.map_or(Vec::new(), |turn| turn.alternates));
    run::run(vec![settings], &welcome, Some(&alternates))
}

/// The first line of a node that listens: what to open in a browser, and what a firewall must pass.
fn welcome(node: &Settings) -> String {
    let list = |addresses: &[SocketAddr]| {
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let mut line = format!("{} listens:", node.core.name);
    let (plain, secure) = if node.alone { ("TCP", "TCP and TLS") } else { ("HTTP", "HTTPS") };
    for (what, addresses) in
        [(plain, &node.http), (secure, &node.https), ("UDP", &node.core.addresses.udp)]
    {
        if !addresses.is_empty() {
            line += &format!(" {what} {}", list(addresses));
        }
    }
    line + "\n"
}

/// Says why, if it went wrong, and gives the shell the code: 0 or 1. (Wrong flags end with 2.)
pub fn end(program: &str, result: Result<(), StartError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}
