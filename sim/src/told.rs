//! A story that has been told, whichever world told it.

use std::time::Duration;

use crate::evidence::Evidence;

/// How long a world goes on when everybody has left: longer than any session may stay silent.
pub const QUIET: Duration = Duration::from_secs(20);

/// Hears how far a story has come, in time since the world's start.
pub type Progress<'a> = dyn Fn(Duration) + Sync + 'a;

/// What came of a story.
#[derive(Debug, Clone)]
pub struct Told {
    /// What was seen.
    pub evidence: Evidence,
    /// What was sent, if it was written down.
    pub trace: String,
}
