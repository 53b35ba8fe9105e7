//! How a program of ours begins and ends, seen from the terminal; it knows no flags.

use std::process::ExitCode;

use crate::error::StartError;
use crate::flags::NodeFlags;
use crate::node::{self, Role, Settings};
use crate::run;

/// A node's whole life.
pub fn node(flags: NodeFlags, role: &Role) -> ExitCode {
    end(role.program, settings(flags, role).and_then(|settings| run::run(vec![settings], "")))
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
