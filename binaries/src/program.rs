//! How a program of ours begins and ends, seen from the terminal; it knows no flags.

use std::net::SocketAddr;
use std::process::ExitCode;

use crate::error::StartError;
use crate::flags::NodeFlags;
use crate::node::{self, Role, Settings};
use crate::run;

/// A node's whole life.
pub fn node(flags: NodeFlags, role: &Role) -> ExitCode {
    let settings = settings(flags, role);
    end(
        role.program,
        settings.and_then(|node| {
            let welcome = welcome(&node);
            run::run(vec![node], &welcome)
        }),
    )
}

/// The first line of a node that listens: what to open in a browser, and what a firewall must pass.
fn welcome(node: &Settings) -> String {
    let list = |addresses: &[SocketAddr]| {
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let mut line = format!("{} listens:", node.core.name);
    for (what, addresses) in
        [("HTTP", &node.http), ("HTTPS", &node.https), ("UDP", &node.core.addresses.udp)]
    {
        if !addresses.is_empty() {
            line += &format!(" {what} {}", list(addresses));
        }
    }
    line + "\n"
}

fn settings(flags: NodeFlags, role: &Role) -> Result<Settings, StartError> {
    Settings::new(flags.wishes()?, role, &node::interfaces()?)
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
