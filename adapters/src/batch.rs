//! Where one read of a UDP socket leaves its datagrams.

/// A read's datagrams.
#[derive(Debug, Default)]
pub struct Batch {}
