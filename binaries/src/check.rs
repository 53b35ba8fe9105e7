//! Tells whether a node would start with a file; it starts nothing and looks at no environment.

use std::net::IpAddr;
use std::path::Path;

use farcast_adapters::http::tls::{Tls, TlsError};
use farcast_adapters::http::trust::Trust;

use crate::config::Wishes;
use crate::error::StartError;
use crate::node::{ORIGIN, Settings};

/// Reads the file as a node would, with every file that it names; the answer is for people.
pub fn check(path: &Path, interfaces: &[IpAddr]) -> Result<String, StartError> {
    let wishes = Wishes::load(path)?;
    let shown = path.display();
    // Origin and edge differ in nothing that could be wrong.
    let settings = Settings::new(wishes, &ORIGIN, interfaces)
        .map_err(|StartError(why)| StartError(format!("{shown}: {why}")))?;
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
