//! The one place that deals with str0m's global randomness: it draws from thread-local `fastrand`,
//! which is reseeded from the machine's own stream before every call into str0m.

use crate::hub::words::Credentials;
use crate::seed::Seed;

/// The machine's stream of seeds for str0m.
#[derive(Debug)]
pub(crate) struct Entropy(Seed);

impl Entropy {
    pub(crate) fn new(seed: Seed) -> Self {
        Entropy(seed)
    }

    /// Makes what str0m draws next a function of the machine's seed alone.
    pub(crate) fn refresh(&mut self) {
        fastrand::seed(self.0.bits());
    }

    /// ICE credentials from the cryptographic stream: 8 characters that name the session, and a
    /// password of 24 (143 bits; RFC 8445 section 5.3 asks for 128).
    pub(crate) fn credentials(&mut self) -> Credentials {
        Credentials { ufrag: self.0.word(8), password: self.0.word(24) }
    }

    /// Where a viewer's sequence numbers start: below 2¹⁵, so that the first packets neither wrap
    /// nor need a rollover counter (RFC 3711 section 3.3.1).
    pub(crate) fn first_sequence(&mut self) -> u16 {
        self.0.below(1 << 15) as u16
    }
}
