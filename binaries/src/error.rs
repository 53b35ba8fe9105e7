//! Why a program does not do what it was started for; it does not know how programs end.

use std::fmt;

/// One clear sentence for the person at the terminal: what is wrong, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError(pub String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}
