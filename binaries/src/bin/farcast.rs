//! The tool for people: a demo, a check of settings, tokens. Flags in, words out.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Parser, Subcommand};
use farcast::demo::DemoFlags;
use farcast::error::StartError;
use farcast::token::TokenFlags;
use farcast::{check, node, program, run};

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
    /// Tell whether a node would start with this file
    Check {
        /// The settings of a node, TOML
        file: PathBuf,
    },
    /// Print a bearer token, for people or for another node
    Token(TokenFlags),
}

fn main() -> ExitCode {
    program::end("farcast", obey(Farcast::parse().command))
}

fn obey(command: Command) -> Result<(), StartError> {
    match command {
        Command::Demo(flags) => {
            let demo = flags.demo(&node::interfaces()?)?;
            run::run(demo.nodes, &demo.table)
        }
        Command::Check { file } => {
            print!("{}", check::check(&file, &node::interfaces()?)?);
            Ok(())
        }
        Command::Token(flags) => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(|_| {
                StartError("this machine's clock stands before 1970; set it right first".into())
            })?;
            println!("{}", flags.mint(now)?);
            Ok(())
        }
    }
}
