//! The machine's only source of randomness: a cryptographic generator seeded at birth.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Alphanumeric characters, all of them ice-chars (RFC 8839 section 5.4) and safe in URLs.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A stream of random values, the same for the same seed.
#[derive(Debug, Clone)]
pub struct Seed(ChaCha12Rng);

impl Seed {
    /// Starts a stream.
    pub fn new(seed: [u8; 32]) -> Self {
        Seed(ChaCha12Rng::from_seed(seed))
    }

    /// A stream of its own for one room, so that what other rooms draw does not change it.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Seed::new(self.bytes())
    }

    /// 256 random bits, enough to be born with.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, which must not be 0; biased by less than 2⁻³².
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// `len` random letters and digits: 5.95 bits each.
    pub fn word(&mut self, len: usize) -> String {
        (0..len).map(|_| char::from(ALPHABET[self.below(62) as usize])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_words_and_another_one_others() {
        let word = |byte| Seed::new([byte; 32]).word(22);
        assert_eq!(word(1), word(1));
        assert_ne!(word(1), word(2));
    }

    #[test]
    fn a_fork_does_not_see_what_its_parent_draws_later() {
        let mut one = Seed::new([3; 32]);
        let mut two = Seed::new([3; 32]);
        let (mut left, mut right) = (one.fork(), two.fork());
        two.bits();
        assert_eq!(left.bits(), right.bits());
    }
}
