//! The tool for people: a demo, a simulation, load, checks of settings and machines, tokens. Flags
//! in, words out.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Parser, Subcommand};
use farcast::demo::DemoFlags;
use farcast::doctor::DoctorFlags;
use farcast::error::StartError;
use farcast::token::TokenFlags;
use farcast::{check, doctor, node, program, run};
use farcast_sim::load::{self, LoadFlags};
use farcast_sim::tool::{self, SimFlags};

/// Farcast: live WebRTC for many viewers, far away, in well under a second
#[derive(Parser)]
#[command(name = "farcast", version)]
struct Farcast {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run an origin and two edges on this machine, to try things out
    Demo(DemoFlags),
    /// Plan a CDN: tell a story of cities far apart in virtual time, and judge it
    Sim(SimFlags),
    /// Load a server with people who publish and watch, and tell what it was like for them
    Load(LoadFlags),
    /// Tell whether a node would start with this file
    Check {
        /// The settings of a node or of a TURN server, TOML
        file: PathBuf,
    },
    /// Examine a machine before an event: ports, certificate, addresses, clock, neighbours
    Doctor(DoctorFlags),
    /// Print a bearer token, for people or for another node
    Token(TokenFlags),
}

fn main() -> ExitCode {
    let told = obey(Farcast::parse().command);
    told.unwrap_or_else(|error| program::end("farcast", Err(error)))
}

fn obey(command: Command) -> Result<ExitCode, StartError> {
    match command {
        Command::Demo(flags) => {
            let demo = flags.demo(&node::interfaces()?)?;
            run::run(demo.nodes, &demo.table, None)?;
        }
        // It ends with 1 as well when a law is broken, which is no failure to start.
        Command::Sim(flags) => return tool::run(&flags).map_err(StartError),
        // The same for viewers who got no picture.
        Command::Load(flags) => return load::run(&flags).map_err(StartError),
        Command::Check { file } => {
            print!("{}", check::check(&file, &node::interfaces()?)?);
        }
        Command::Doctor(flags) => {
            return Ok(if doctor::run(flags)? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Token(flags) => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(|_| {
                StartError("this machine's clock stands before 1970; set it right first".into())
            })?;
            println!("{}", flags.mint(now)?);
        }
    }
    Ok(ExitCode::SUCCESS)
}
