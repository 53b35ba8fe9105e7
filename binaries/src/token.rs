//! `farcast token`: makes a bearer token with a node's key; it knows no node and keeps nothing.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use farcast_core::config::Key;
use farcast_core::director::signal::token::{self, Act, Claims};
use farcast_core::media::track::Pattern;

use crate::error::StartError;
use crate::secret::{Secret, Secrets};

/// The flags of `farcast token`.
#[derive(Debug, Args)]
pub struct TokenFlags {
    #[command(flatten)]
    signer: Signer,
    /// The stream that it is for; a * at the end stands for any ending
    #[arg(long, value_name = "NAME")]
    stream: Pattern,
    /// What it allows: publish, play, relay or admin
    #[arg(long)]
    act: Act,
    /// How long it is good: 90s, 30m, 2h, 7d
    #[arg(long = "for", value_name = "TIME")]
    lifetime: Lifetime,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Signer {
    /// The key file of the node; its first key signs
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The key itself; everybody on this machine can read it there, so rather use --key-file
    #[arg(long, value_name = "SECRET")]
    key: Option<Hidden>,
}

/// Text that shows neither in errors nor in `Debug`.
#[derive(Clone)]
struct Hidden(String);

/// How long a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lifetime(Duration);

impl TokenFlags {
    /// The token. `now` is the time since the Unix epoch.
    pub fn mint(&self, now: Duration) -> Result<String, StartError> {
        let exp = (now + self.lifetime.0).as_secs();
        let claims = Claims { sub: self.stream.clone(), act: self.act, exp };
        Ok(token::mint(&self.signer.key()?, &claims))
    }
}

impl Signer {
    fn key(&self) -> Result<Key, StartError> {
        let keys = match (&self.key_file, &self.key) {
            (Some(path), _) => Secrets::load(path)?.keys(),
            (None, Some(Hidden(text))) => {
                let secret =
                    Secret::parse(text).map_err(|why| StartError(format!("--key: {why}")))?;
                vec![secret.key()]
            }
            (None, None) => Vec::new(),
        };
        keys.into_iter().next().ok_or_else(|| {
            StartError("a token needs a key; name the node's with --key-file FILE".into())
        })
    }
}

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds =
            text.strip_suffix(|unit: char| unit.is_ascii_alphabetic()).and_then(|count| {
                let unit = match text.as_bytes()[count.len()] {
                    b's' => 1,
                    b'm' => 60,
                    b'h' => 3_600,
                    b'd' => 86_400,
                    _ => return None,
                };
                count.parse::<u64>().ok()?.checked_mul(unit)
            });
        match seconds {
            Some(seconds @ 1..=LONGEST) => Ok(Lifetime(Duration::from_secs(seconds))),
            Some(0) => Err("a token that is good for no time is good for nothing; write 2h".into()),
            Some(_) => Err(format!("{text} is too long; a token is good for 3650d at most")),
            None => Err(format!("\"{text}\" is no time; write 90s, 30m, 2h or 7d")),
        }
    }
}

impl FromStr for Hidden {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Hidden(text.to_owned()))
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(…)")
    }
}

/// Ten years, in seconds.
const LONGEST: u64 = 3_650 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_a_number_and_a_unit() {
        let seconds = |text: &str| text.parse::<Lifetime>().map(|time| time.0.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("30m"), Ok(1_800));
        assert_eq!(seconds("2h"), Ok(7_200));
        assert_eq!(seconds("3650d"), Ok(LONGEST));
        for bad in ["", "h", "2", "2w", "-2h", "2.5h", "0h", "3651d", "99999999999999999999d"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        assert_eq!(seconds("two"), Err("\"two\" is no time; write 90s, 30m, 2h or 7d".into()));
    }
}
