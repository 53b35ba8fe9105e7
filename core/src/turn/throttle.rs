//! How often strangers are answered, so that nobody turns our answers against a third. It knows no
//! message, and it never grows.

use std::net::IpAddr;
use std::time::Instant;

use aws_lc_rs::hmac;

use crate::limits;

/// A bucket of answers for each block of addresses. Blocks that fall into the same bucket share it;
/// which ones do, nobody can know who does not know the key.
pub(crate) struct Throttle {
    key: hmac::Key,
    /// When each bucket is full again; always, if not in the future.
    full: Vec<Option<Instant>>,
}

impl Throttle {
    /// Nobody else may know `key`.
    pub(crate) fn new(key: [u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        Throttle { key, full: vec![None; limits::STRANGERS] }
    }

    /// Whether a stranger at this address gets an answer now, which then counts.
    pub(crate) fn allows(&mut self, now: Instant, source: IpAddr) -> bool {
        let bucket = self.bucket(source);
        let full = self.full[bucket].map_or(now, |full| full.max(now)) + limits::STRANGER_PAUSE;
        let allows = full - now <= limits::STRANGER_PAUSE * limits::STRANGER_BURST;
        if allows {
            self.full[bucket] = Some(full);
        }
        allows
    }

    fn bucket(&self, source: IpAddr) -> usize {
        let tag = hmac::sign(&self.key, &block(source));
        let [b0, b1, b2, b3, ..] = *tag.as_ref() else { return 0 };
        u32::from_be_bytes([b0, b1, b2, b3]) as usize % self.full.len()
    }
}

/// What one network can send from: a /24, or a /56 as homes get it (RFC 6177 section 2).
fn block(source: IpAddr) -> [u8; 8] {
    match source.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            [a, b, c, 0, 0, 0, 0, 4]
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, ..] = ip.octets();
            [a, b, c, d, e, f, g, 6]
        }
    }
}
