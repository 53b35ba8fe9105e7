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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BURST: u32 = limits::STRANGER_BURST;

    fn throttle() -> Throttle {
        Throttle::new([7; 32])
    }

    /// How many of many questions at once are answered.
    fn answered(throttle: &mut Throttle, now: Instant, source: &str) -> u32 {
        let source = source.parse().unwrap();
        (0..2 * BURST).filter(|_| throttle.allows(now, source)).count() as u32
    }

    #[test]
    fn a_block_gets_a_burst_and_then_a_rate() {
        let (mut throttle, now) = (throttle(), Instant::now());
        assert_eq!(answered(&mut throttle, now, "192.0.2.1"), BURST);
        let later = now + limits::STRANGER_PAUSE * 5;
        assert_eq!(answered(&mut throttle, later, "192.0.2.1"), 5);
        let much_later = later + Duration::from_secs(3600);
        assert_eq!(answered(&mut throttle, much_later, "192.0.2.1"), BURST);
    }

    #[test]
    fn neighbours_share_a_block_and_others_do_not() {
        let (mut throttle, now) = (throttle(), Instant::now());
        assert_eq!(answered(&mut throttle, now, "192.0.2.1"), BURST);
        assert_eq!(answered(&mut throttle, now, "192.0.2.255"), 0);
        assert_eq!(answered(&mut throttle, now, "::ffff:192.0.2.3"), 0);
        assert_eq!(answered(&mut throttle, now, "192.0.3.1"), BURST);
        assert_eq!(answered(&mut throttle, now, "2001:db8:0:ff::1"), BURST);
        assert_eq!(answered(&mut throttle, now, "2001:db8:0:11::2"), 0);
        assert_eq!(answered(&mut throttle, now, "2001:db8:0:100::1"), BURST);
    }

    #[test]
    fn a_million_sources_cost_no_memory_and_get_no_more_than_all_buckets_hold() {
        let (mut throttle, now) = (throttle(), Instant::now());
        let before = throttle.full.capacity();
        let sources = (0..1_000_000_u32).map(|n| IpAddr::V4((n << 8).into()));
        let answered = sources.cycle().take(3_000_000).filter(|ip| throttle.allows(now, *ip));
        assert_eq!(answered.count(), limits::STRANGERS * BURST as usize);
        assert_eq!(throttle.full.capacity(), before);
    }

    #[test]
    fn who_shares_a_bucket_depends_on_the_key() {
        let buckets = |key| {
            let throttle = Throttle::new(key);
            (0..64).map(|n| throttle.bucket([198, 51, n, 1].into())).collect::<Vec<_>>()
        };
        assert_ne!(buckets([7; 32]), buckets([8; 32]));
    }
}
