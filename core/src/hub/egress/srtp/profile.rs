//! Protection profiles and their lengths in bytes. It knows no key.

/// What two peers agreed on in their DTLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// `SRTP_AEAD_AES_256_GCM` (RFC 7714 section 14.2).
    Aes256Gcm,
    /// `SRTP_AEAD_AES_128_GCM` (RFC 7714 section 14.2).
    Aes128Gcm,
    /// `SRTP_AES128_CM_HMAC_SHA1_80` (RFC 5764 section 4.1.2).
    Aes128CmSha1_80,
}

impl Profile {
    /// Of a master key and of a session key alike.
    pub const fn key_length(self) -> usize {
        match self {
            Profile::Aes256Gcm => 32,
            Profile::Aes128Gcm | Profile::Aes128CmSha1_80 => 16,
        }
    }

    /// Of a master salt and of a session salt alike.
    pub const fn salt_length(self) -> usize {
        match self {
            Profile::Aes256Gcm | Profile::Aes128Gcm => 12,
            Profile::Aes128CmSha1_80 => 14,
        }
    }

    /// Of the tag, in SRTP and in SRTCP alike.
    pub const fn tag_length(self) -> usize {
        match self {
            Profile::Aes256Gcm | Profile::Aes128Gcm => 16,
            Profile::Aes128CmSha1_80 => 10,
        }
    }

    /// Of what the DTLS handshake exports: keys and salts of both directions (RFC 5764 section
    /// 4.2).
    pub const fn exported_length(self) -> usize {
        2 * (self.key_length() + self.salt_length())
    }
}
