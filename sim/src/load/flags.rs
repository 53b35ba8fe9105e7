//! The flags of the load tester, and the bounds of each; it asks nobody.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::target::Target;

/// What every `--help` of it ends with.
const AFTER_HELP: &str = "\
Several publishers get a stream each, and viewers are spread over the streams in turn: {} in both
URLs stands for the stream's number, from 1 on; without it, -1, -2, … is added to the stream's name.

  farcast load --whip http://localhost:8080/whip/load --whep http://localhost:8080/whep/load
  farcast load --whip http://localhost:8080/whip/load --whep http://localhost:8081/whep/load \\
      --viewers 1000 --ramp 100/s --secs 60 --pid $(pgrep farcast-edge)

Each publisher sends VP8 at 30 frames a second, and Opus; nothing is encoded or decoded. Latency is
from the camera to the complete frame at the viewer, on one clock; half a second after each first
frame is left out. A freeze is a gap of more than 183 ms (W3C webrtc-stats at this frame rate).
It ends with 0 if all viewers connected and got a picture.";

/// The flags of `farcast load`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct LoadFlags {
    /// Publish here, by WHIP; with several publishers, {} stands for the number of each
    #[arg(long, value_name = "URL")]
    pub(super) whip: Target,
    /// Watch here, by WHEP; {} as in --whip
    #[arg(long, value_name = "URL")]
    pub(super) whep: Target,
    /// Watch by Farcast's WebSocket of that server instead, which stays open, as its SDK does
    #[arg(long)]
    pub(super) ws: bool,
    /// How many publish, each a stream of its own: 1 to 50
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(super) publishers: u32,
    /// How many watch, all streams together: 1 to 5000
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub(super) viewers: u32,
    /// How long all of them watch, once they have come: 1 to 3600
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(super) secs: u64,
    /// How many viewers come in a second: 1/s to 1000/s
    #[arg(long, value_name = "N/s", default_value = "50/s")]
    pub(super) ramp: Ramp,
    /// Kilobits a second of each publisher's video: 50 to 50000
    #[arg(long, value_name = "N", default_value_t = 2500,
          value_parser = clap::value_parser!(u32).range(50..=50_000))]
    pub(super) kbps: u32,
    /// Publish no sound
    #[arg(long)]
    pub(super) no_audio: bool,
    /// The bearer token of viewers, and of publishers without --publish-token
    #[arg(long, value_name = "TOKEN", env = "FARCAST_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
    /// The bearer token of publishers
    #[arg(long, value_name = "TOKEN", env = "FARCAST_PUBLISH_TOKEN", hide_env_values = true)]
    pub(super) publish_token: Option<String>,
    /// Trust this authority too for https://, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// The server's process on this machine: measure its CPU and memory (Linux)
    #[arg(long, value_name = "PID")]
    pub(super) pid: Option<u32>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(super) json: bool,
    /// Load a server that is not on this machine; you have asked whoever it belongs to
    #[arg(long)]
    pub(super) i_own_this_server: bool,
}

/// How many come in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ramp(u32);

impl Ramp {
    /// When, after the first one, this one comes.
    pub(super) fn at(self, index: usize) -> Duration {
        Duration::from_secs_f64(index as f64 / f64::from(self.0))
    }
}

impl FromStr for Ramp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix("/s").unwrap_or(text).parse();
        let within = number.ok().filter(|number| (1..=1000).contains(number));
        within.map(Ramp).ok_or_else(|| {
            format!("\"{text}\" is not between 1/s and 1000/s; write it like \"50/s\"")
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Load {
        #[command(flatten)]
        flags: LoadFlags,
    }

    fn parse(more: &[&str]) -> Result<LoadFlags, String> {
        let always = ["load", "--whip", "http://[::1]/whip/a", "--whep", "http://[::1]/whep/a"];
        let load = Load::try_parse_from(always.iter().chain(more));
        load.map(|load| load.flags).map_err(|error| error.to_string())
    }

    #[test]
    fn every_number_has_its_bounds() {
        for (flag, good, bad) in [
            ("--viewers", ["1", "5000"], ["0", "5001"]),
            ("--publishers", ["1", "50"], ["0", "51"]),
            ("--secs", ["1", "3600"], ["0", "3601"]),
            ("--kbps", ["50", "50000"], ["49", "50001"]),
            ("--ramp", ["1/s", "1000"], ["0/s", "1001/s"]),
        ] {
            for value in good {
                assert!(parse(&[flag, value]).is_ok(), "{flag} {value}");
            }
            for value in bad {
                let why = parse(&[flag, value]).expect_err("it is out of bounds");
                assert!(why.contains(flag) && why.contains(value), "{why}");
            }
        }
        assert_eq!(parse(&[]).map(|flags| flags.ramp), Ok(Ramp(50)));
    }

    #[test]
    fn people_come_one_after_the_other() {
        let ramp: Ramp = "50/s".parse().expect("a ramp");
        assert_eq!(ramp.at(0), Duration::ZERO);
        assert_eq!(ramp.at(199), Duration::from_millis(3_980));
        assert!("50/m".parse::<Ramp>().is_err() && "".parse::<Ramp>().is_err());
    }
}
