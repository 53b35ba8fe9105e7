//! Nonces that say themselves whose they are and since when, so that nobody who only asks for one
//! costs memory (RFC 8489 section 9.2). It knows no user.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::limits;

/// Bytes of a nonce. More would make an answer to a stranger too long.
pub(crate) const LENGTH: usize = 16;
/// Bytes of its time, in seconds since birth: 136 years.
const TIME: usize = 4;
/// Bytes of its mark. Whoever guesses one has won nothing but an answer for a client whose
/// messages he cannot seal.
const MARK: usize = 8;

/// What a nonce is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// This client was given it lately.
    Fresh,
    /// This client was given it too long ago.
    Stale,
    /// This client was never given it by us.
    Foreign,
}

/// Makes nonces and knows them again. Whoever shares the key shares the nonces.
pub(crate) struct Nonces {
    key: hmac::Key,
}

impl Nonces {
    /// Nobody else may know `key`.
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Nonces { key: hmac::Key::new(hmac::HMAC_SHA256, &key) }
    }

    /// A nonce for one client: letters, digits, `-` and `_`. `now` counts since birth.
    pub(crate) fn issue(&self, now: Duration, client: SocketAddr) -> [u8; LENGTH] {
        self.nonce((now.as_secs() as u32).to_be_bytes(), client)
    }

    /// What the nonce of a client is worth. `now` counts since birth.
    pub(crate) fn check(&self, now: Duration, client: SocketAddr, nonce: &[u8]) -> Freshness {
        let mut plain = [0; TIME + MARK];
        if URL_SAFE_NO_PAD.decode_slice(nonce, &mut plain) != Ok(TIME + MARK) {
            return Freshness::Foreign;
        }
        let [t0, t1, t2, t3, ..] = plain;
        let time = [t0, t1, t2, t3];
        if constant_time::verify_slices_are_equal(&self.nonce(time, client), nonce).is_err() {
            return Freshness::Foreign;
        }
        // Another core that shares the key may be a moment ahead.
        let issued = Duration::from_secs(u32::from_be_bytes(time).into());
        if now.saturating_sub(issued) < limits::NONCE { Freshness::Fresh } else { Freshness::Stale }
    }

    fn nonce(&self, time: [u8; TIME], client: SocketAddr) -> [u8; LENGTH] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&time);
        context.update(&client.port().to_be_bytes());
        match client.ip() {
            IpAddr::V4(ip) => context.update(&ip.octets()),
            IpAddr::V6(ip) => context.update(&ip.octets()),
        }
        let mut plain = [0; TIME + MARK];
        plain[..TIME].copy_from_slice(&time);
        plain[TIME..].copy_from_slice(&context.sign().as_ref()[..MARK]);
        let mut nonce = [0; LENGTH];
        URL_SAFE_NO_PAD.encode_slice(plain, &mut nonce).expect("12 bytes are 16 digits");
        nonce
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> SocketAddr {
        "192.0.2.1:4000".parse().unwrap()
    }

    #[test]
    fn a_nonce_is_fresh_for_ten_minutes_and_then_stale() {
        let (nonces, born) = (Nonces::new([1; 32]), Duration::from_millis(77_777));
        let nonce = nonces.issue(born, client());
        let check = |later| nonces.check(born + later, client(), &nonce);
        assert_eq!(check(Duration::ZERO), Freshness::Fresh);
        assert_eq!(check(limits::NONCE - Duration::from_secs(1)), Freshness::Fresh);
        assert_eq!(check(limits::NONCE), Freshness::Stale);
        assert_eq!(check(limits::NONCE * 1000), Freshness::Stale);
        let earlier = born - Duration::from_secs(1);
        assert_eq!(nonces.check(earlier, client(), &nonce), Freshness::Fresh, "another core's");
    }

    #[test]
    fn a_nonce_is_for_one_client_and_one_server() {
        let (nonces, now) = (Nonces::new([1; 32]), Duration::from_secs(5));
        for client in ["192.0.2.1:4000", "[2001:db8::1]:4000"] {
            let nonce = nonces.issue(now, client.parse().unwrap());
            assert!(nonce.is_ascii());
            assert_eq!(nonces.check(now, client.parse().unwrap(), &nonce), Freshness::Fresh);
            for other in ["192.0.2.1:4001", "192.0.2.2:4000", "[2001:db8::2]:4000"] {
                assert_eq!(nonces.check(now, other.parse().unwrap(), &nonce), Freshness::Foreign);
            }
            let strange = Nonces::new([2; 32]);
            assert_eq!(strange.check(now, client.parse().unwrap(), &nonce), Freshness::Foreign);
        }
    }

    #[test]
    fn every_changed_nonce_is_foreign() {
        let (nonces, now) = (Nonces::new([1; 32]), Duration::from_secs(5));
        let nonce = nonces.issue(now, client());
        let foreign = |nonce: &[u8]| nonces.check(now, client(), nonce) == Freshness::Foreign;
        for at in 0..LENGTH {
            for byte in 0..=255 {
                let mut other = nonce;
                other[at] = byte;
                assert!(other == nonce || foreign(&other), "{other:?}");
            }
        }
        assert!(foreign(b""));
        assert!(foreign(&nonce[1..]));
        assert!(foreign(&nonce[..LENGTH - 1]));
        assert!(foreign(&[&nonce[..], b"A"].concat()));
        assert!(foreign(&[b'A'; 763]));
    }
}
