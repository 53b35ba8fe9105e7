//! Has the programs built anew when a page changes, and tells them when they were built; it builds
//! nothing itself.

use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    println!("cargo:rerun-if-changed=../web/pages");
    println!("cargo:rerun-if-changed=../web/sdk");
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo:rustc-env=FARCAST_BUILT={}", built());
}

/// Seconds since the Unix epoch; reproducible builds name them.
fn built() -> u64 {
    let named = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    named.unwrap_or_else(now)
}
