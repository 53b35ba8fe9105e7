//! Session keys from a master key (RFC 3711 section 4.3). It does not know where a master key comes
//! from, nor what its session keys seal.

use super::keystream::Keystream;
use super::profile::Profile;

/// Bytes of the salt that the derivation works with; a shorter one ends in zeros (RFC 7714 section
/// 11).
pub(super) const SALT: usize = 14;
/// Bytes of the longest key.
pub(super) const KEY: usize = 32;
/// Bytes of a key of HMAC-SHA1 (RFC 3711 section 5.2).
pub(super) const AUTHENTICATION: usize = 20;
/// Where a label lies in what the salt is mixed with (RFC 3711 section 4.3.1; our key derivation
/// rate is 0).
const LABEL: usize = 7;

/// What one direction has from the handshake, in the lengths of its profile.
pub(super) struct Master<'a> {
    pub(super) profile: Profile,
    pub(super) key: &'a [u8],
    pub(super) salt: &'a [u8],
}

/// What session keys are for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Srtp,
    Srtcp,
}

/// The keys of one direction for one purpose.
pub(super) struct SessionKeys {
    pub(super) profile: Profile,
    /// As long as the profile's key, then zeros.
    pub(super) encryption: [u8; KEY],
    /// Unused where encryption authenticates as well.
    pub(super) authentication: [u8; AUTHENTICATION],
    /// As long as the profile's salt, then zeros.
    pub(super) salt: [u8; SALT],
}

impl Master<'_> {
    /// `None` if the key is none of AES.
    pub(super) fn session_keys(&self, purpose: Purpose) -> Option<SessionKeys> {
        // RFC 3711 section 4.3.2.
        let (encryption, authentication, salt) = match purpose {
            Purpose::Srtp => (0, 1, 2),
            Purpose::Srtcp => (3, 4, 5),
        };
        let mut keys = SessionKeys {
            profile: self.profile,
            encryption: [0; KEY],
            authentication: [0; AUTHENTICATION],
            salt: [0; SALT],
        };
        self.derive(encryption, &mut keys.encryption[..self.profile.key_length()])?;
        self.derive(authentication, &mut keys.authentication)?;
        self.derive(salt, &mut keys.salt[..self.profile.salt_length()])?;
        Some(keys)
    }

    /// The keystream of the master key under the salt and a label (RFC 3711 section 4.3.3; for keys
    /// of 256 bits, RFC 6188 section 3).
    fn derive(&self, label: u8, key: &mut [u8]) -> Option<()> {
        let mut counter = [0; 16];
        counter.get_mut(..self.salt.len())?.copy_from_slice(self.salt);
        counter[LABEL] ^= label;
        Keystream::new(self.key)?.apply(counter, key)
    }
}

impl SessionKeys {
    pub(super) fn encryption_key(&self) -> &[u8] {
        &self.encryption[..self.profile.key_length()]
    }
}
