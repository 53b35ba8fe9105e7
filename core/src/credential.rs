//! Time-limited credentials for TURN (draft-uberti-behave-turn-rest-00): a name that says until
//! when, and a password that whoever holds the secret can compute. It knows no clock.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::Secret;

/// What a client shows a TURN server.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// `expiry:name`, the expiry in seconds since the Unix epoch.
    pub username: String,
    /// Base64 of 20 bytes.
    pub password: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential({}, …)", self.username)
    }
}

/// A credential for `name` that is good until `expires`, in whole seconds since the Unix epoch.
pub fn mint(secret: &Secret, expires: Duration, name: &str) -> Credential {
    let username = format!("{}:{name}", expires.as_secs());
    let password = password(secret, username.as_bytes());
    Credential { username, password }
}

/// The password that belongs to a username, whatever that says.
pub fn password(secret: &Secret, username: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret.0);
    STANDARD.encode(hmac::sign(&key, username))
}

/// Until when a username is good, since the Unix epoch, and for which name. `None` if it does not
/// say.
pub fn read(username: &[u8]) -> Option<(Duration, &[u8])> {
    let colon = username.iter().position(|byte| *byte == b':')?;
    let (expiry, name) = (&username[..colon], &username[colon + 1..]);
    if !expiry.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = str::from_utf8(expiry).ok()?.parse().ok()?;
    Some((Duration::from_secs(seconds), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_what_other_servers_take() {
        let secret = Secret(b"north".to_vec());
        let credential = mint(&secret, Duration::from_millis(1_800_000_000_999), "viewer7");
        assert_eq!(credential.username, "1800000000:viewer7");
        // `printf 1800000000:viewer7 | openssl sha1 -hmac north -binary | base64`
        assert_eq!(credential.password, "3V4ycDfY/xmPN4bwChCbV4YbosY=");
        assert!(!format!("{credential:?}").contains(&credential.password));
    }

    #[test]
    fn a_username_says_until_when_it_is_good_and_for_whom() {
        let second = Duration::from_secs(1);
        assert_eq!(read(b"1:a"), Some((second, &b"a"[..])));
        assert_eq!(read(b"1:"), Some((second, &b""[..])));
        assert_eq!(read(b"1:a:b"), Some((second, &b"a:b"[..])));
        assert_eq!(read(b"0001:\xff"), Some((second, &b"\xff"[..])));
        for bad in ["", "1", ":", ":a", "+1:a", "-1:a", " 1:a", "1.5:a", "a:1"] {
            assert_eq!(read(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(read(b"18446744073709551616:a"), None, "more than there are seconds");
    }
}
