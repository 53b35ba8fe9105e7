//! Asks a source for what is missing. It knows neither what is missing nor why.

use super::rtcp::write;
use super::sink::{Exported, seal_control};
use super::srtp::{self, Sealer};
use crate::outbox::{Outbox, Way};

/// What we say to one source in our own name.
pub struct Asker {
    sealer: Sealer,
    ssrc: u32,
}

impl Asker {
    /// `ssrc` must be nobody else's who seals with these keys: of two control packets with the same
    /// index, it alone makes different nonces (RFC 3711 section 4.1.1, RFC 7714 section 9.1).
    /// `None` if the exported keys are none.
    pub fn open(exported: &Exported, ssrc: u32) -> Option<Self> {
        let Exported { profile, material, is_client } = exported;
        let (sealer, _) = srtp::from_exported(*profile, material, *is_client)?;
        Some(Asker { sealer, ssrc })
    }

    /// Asks for packets of the stream `media`, in rising order, so many times; who gets all of it
    /// sends once.
    pub fn nack(&mut self, media: u32, lost: &[u64], times: usize, way: &Way, out: &mut Outbox) {
        let Asker { sealer, ssrc } = self;
        for _ in 0..times {
            let lost = lost.iter().map(|sequence| *sequence as u16);
            out.compose(way, |slab| {
                seal_control(sealer, slab, |slab| write::nack(slab, *ssrc, media, lost))
            });
        }
    }
}
