//! AES in counter mode, bare: it makes session keys, and it encrypts. It does not know what a
//! counter is made of.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};

/// Bytes of a key of AES-128.
const AES_128_KEY: usize = 16;

/// A key and its schedule.
pub(super) struct Keystream(EncryptingKey);

impl Keystream {
    /// `None` if the key has neither 128 nor 256 bits.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        let algorithm = if key.len() == AES_128_KEY { &AES_128 } else { &AES_256 };
        let key = UnboundCipherKey::new(algorithm, key).ok()?;
        EncryptingKey::ctr(key).ok().map(Keystream)
    }

    /// Mixes the keystream that begins with this counter into `text`.
    pub(super) fn apply(&self, counter: [u8; 16], text: &mut [u8]) -> Option<()> {
        let context = EncryptionContext::Iv128(counter.into());
        self.0.less_safe_encrypt(text, context).ok().map(drop)
    }
}
