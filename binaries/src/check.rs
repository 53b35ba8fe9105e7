//! Tells whether a node or a TURN server would start with a file; it starts nothing and looks at no
//! environment.

use std::net::IpAddr;
use std::path::Path;

use farcast_adapters::http::tls::{Tls, TlsError};
use farcast_adapters::http::trust::Trust;

use crate::config::Wishes;
use crate::error::StartError;
use crate::node::{ORIGIN, Settings};
use crate::turn::alone;

/// Reads the file as its program would, with every file that it names; the answer is for people.
pub fn check(path: &Path, interfaces: &[IpAddr]) -> Result<String, StartError> {
    let settings = settings(path, interfaces)?;
    let shown = path.display();
    let loaded = |error: TlsError| StartError(format!("{shown}: {error}"));
    if let Some(files) = &settings.certificate {
        Tls::load(&files.chain, &files.key).map_err(loaded)?;
    }
    Trust::new(settings.ca.as_deref()).map_err(loaded)?;
    let mut report = format!("{shown} is good.\n");
    for warning in &settings.warnings {
        report += &format!("Mind: {warning}\n");
    }
    Ok(report)
}

/// What a node or a TURN server would be started with.
pub fn settings(path: &Path, interfaces: &[IpAddr]) -> Result<Settings, StartError> {
    let settings = match is_turn(path) {
        true => alone::settings(alone::Wishes::load(path)?, interfaces),
        // Origin and edge differ in nothing that could be wrong.
        false => Settings::new(Wishes::load(path)?, &ORIGIN, interfaces),
    };
    settings.map_err(|StartError(why)| StartError(format!("{}: {why}", path.display())))
}

/// Whether a file has words at its top that only a TURN server knows.
fn is_turn(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let table: toml::Table = toml::from_str(&text).unwrap_or_default();
    ["listen", "tls_listen"].iter().any(|word| table.contains_key(*word))
}
