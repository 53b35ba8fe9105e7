//! The cryptography that a node is born with. Making it asks the operating system for randomness,
//! so a world makes it and hands it in.

use std::sync::Arc;

use str0m::config::{CryptoProvider, DtlsCert};

use crate::hub::session::keys;

/// DTLS and SRTP, and the one certificate that all sessions of a node share.
#[derive(Clone)]
pub struct Crypto {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) certificate: DtlsCert,
}

impl Crypto {
    /// Real cryptography with a fresh self-signed certificate; `None` if the operating system
    /// cannot give randomness.
    pub fn generate() -> Option<Self> {
        let provider = str0m::crypto::from_feature_flags();
        let certificate = provider.dtls_provider.generate_certificate()?;
        Some(Crypto::new(Arc::new(provider), certificate))
    }

    /// Cryptography that a world brings along, such as a simulation whose bytes shall depend on
    /// its seed alone.
    pub fn new(provider: Arc<CryptoProvider>, certificate: DtlsCert) -> Self {
        Crypto { provider: keys::listening(&provider), certificate }
    }
}

impl std::fmt::Debug for Crypto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Crypto(…)")
    }
}
