//! Writes one packet into the outbox's slab, sealed. It knows neither lanes nor what packets are
//! for.

use std::time::Instant;

use super::header::Header;
use super::srtp::{LineId, Sealer};
use crate::hub::estimate::Estimator;
use crate::outbox::Train;

/// What packets to one peer are written with.
pub(super) struct Pen<'s> {
    pub(super) now: Instant,
    pub(super) sealer: &'s mut Sealer,
    /// `None`: the peer does not tell what arrives.
    pub(super) estimator: Option<&'s mut Estimator>,
    /// Whether the packet is there to find out what the peer's line takes.
    pub(super) probes: bool,
    /// How long a frame may wait until it is shown.
    pub(super) playout: [u8; 3],
    /// What the packet shall be as long as.
    pub(super) train: Train,
    pub(super) slab: &'s mut Vec<u8>,
}

/// What a packet holds behind its header.
pub(super) struct Body<'p> {
    pub(super) prefix: &'p [u8],
    pub(super) payload: &'p [u8],
}

impl Pen<'_> {
    /// Writes a packet behind what is in the slab, with its descriptor, or its payload if there is
    /// none, as `shown` changes it; nothing if it cannot be sealed.
    pub(super) fn put(
        &mut self,
        (line, index): (LineId, u64),
        mut header: Header<'_>,
        body: Body<'_>,
        shown: impl FnOnce(&mut [u8]),
    ) -> bool {
        let start = self.slab.len();
        let length = header.finish();
        let bytes = length + body.prefix.len() + body.payload.len() + self.sealer.overhead();
        let padding = match header.ends_frame() {
            true => 0,
            false => self.train.padding(bytes, header.least() + self.sealer.overhead()),
        };
        let bytes = bytes + padding;
        if let Some(estimator) = self.estimator.as_deref_mut().filter(|_| header.is_counted()) {
            header.count(match self.probes {
                false => estimator.sent(self.now, bytes),
                true => estimator.sent_probe(self.now, bytes),
            });
        }
        header.pad(padding);
        let descriptor = header.write(self.slab);
        self.slab.extend_from_slice(body.prefix);
        let payload = self.slab.len();
        self.slab.extend_from_slice(body.payload);
        let numbers = descriptor.unwrap_or(payload..self.slab.len());
        shown(&mut self.slab[numbers]);
        self.pad(padding);
        self.slab.resize(start + bytes, 0);
        let sealed = self.sealer.seal(line, index, length, &mut self.slab[start..]);
        if !sealed {
            self.slab.truncate(start);
        }
        sealed
    }

    /// Writes padding, whose last byte says how much it is (RFC 3550 section 5.1).
    fn pad(&mut self, padding: usize) {
        self.slab.resize(self.slab.len() + padding, 0);
        if let Some(last) = self.slab.last_mut().filter(|_| padding > 0) {
            *last = padding as u8;
        }
    }
}
