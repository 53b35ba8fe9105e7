//! How many bits a camera's layers of simulcast get of what its line takes, by the rules of a
//! browser: the best layer is off first, and the smallest one only gets smaller. It knows neither
//! packets nor where the figure comes from.

use std::time::Duration;

/// Bit/s that are set aside for sound with its headers.
const SOUND: u64 = 80_000;
/// Bit/s that the smallest layer always gets: browsers do not stop a picture by themselves.
const LEAST: u64 = 50_000;
/// A layer that does not fit goes on with so many percent of its bits, and begins with so many.
const GOES_ON: u64 = 60;
const BEGINS: u64 = 80;
/// Each layer has a quarter of the pixels of the next one, and of its bits.
pub(crate) const LAYER: u64 = 4;
/// How long a picture may wait for those before it: with more, encoders leave it out.
const PATIENCE: Duration = Duration::from_millis(250);

/// The encoders of a camera, from the smallest layer to the best one.
#[derive(Debug)]
pub(crate) struct Encoders {
    /// Bit/s if all is well.
    full: Vec<u64>,
    /// Bit/s now; 0: off.
    rates: Vec<u64>,
    /// Bit/s of the line for video, as told last.
    line: Option<u64>,
    /// Bits that wait for it, as of when.
    waiting: (u64, Duration),
}

impl Encoders {
    /// Encoders that run in full; the best layer gets so many bit/s.
    pub(crate) fn new(best: u64, layers: u8) -> Self {
        let full: Vec<u64> =
            (0..u32::from(layers)).rev().map(|above| best / LAYER.pow(above)).collect();
        Encoders { rates: full.clone(), full, line: None, waiting: (0, Duration::ZERO) }
    }

    /// Bit/s of a layer; 0: it is off.
    pub(crate) fn rate(&self, layer: u8) -> u64 {
        self.rates.get(usize::from(layer)).copied().unwrap_or(0)
    }

    /// Bit/s of all layers in full, and of sound.
    pub(crate) fn all(&self) -> u64 {
        SOUND + self.full.iter().sum::<u64>()
    }

    /// Bit/s at which one more layer would begin; 0: none is off.
    pub(crate) fn next(&self) -> u64 {
        let off = self.rates.iter().position(|rate| *rate == 0);
        off.map_or(0, |layer| {
            SOUND + self.full[..layer].iter().sum::<u64>() + self.full[layer] * BEGINS / 100
        })
    }

    /// The line takes so many bit/s from now on. Returns a layer that begins: one at a time.
    pub(crate) fn afford(&mut self, bits: u64) -> Option<u8> {
        let mut left = bits.saturating_sub(SOUND).max(LEAST);
        self.line = Some(left);
        let mut begins = None;
        for (layer, (full, rate)) in (0..).zip(self.full.iter().zip(&mut self.rates)) {
            let percent = if *rate > 0 { GOES_ON } else { BEGINS };
            let fits = layer == 0 || left >= full * percent / 100;
            let now = if fits && begins.is_none() { left.min(*full) } else { 0 };
            left = if now == *full { left - now } else { 0 };
            begins = begins.or_else(|| (*rate == 0 && now > 0).then_some(layer));
            *rate = now;
        }
        begins
    }

    /// Whether this layer films at this moment.
    pub(crate) fn has_room(&mut self, now: Duration, layer: u8) -> bool {
        let bits = |line: u64, time: Duration| line * time.as_micros() as u64 / 1_000_000;
        let (before, at) = self.waiting;
        let sent = self.line.map_or(0, |line| bits(line, now.saturating_sub(at)));
        self.waiting = (before.saturating_sub(sent), now);
        let is_free = self.line.is_none_or(|line| self.waiting.0 <= bits(line, PATIENCE));
        is_free && self.rate(layer) > 0
    }

    /// It has filmed so many bits.
    pub(crate) fn spend(&mut self, bits: u64) {
        self.waiting.0 += self.line.map_or(0, |_| bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_layer_goes_first_and_the_smallest_one_shrinks() {
        let mut encoders = Encoders::new(1_600_000, 3);
        let mut rates = |bits| {
            let begins = encoders.afford(bits);
            ([0, 1, 2].map(|layer| encoders.rate(layer) / 1_000), begins)
        };
        assert_eq!(rates(2_200_000), ([100, 400, 1_600], None));
        assert_eq!(rates(1_580_000), ([100, 400, 1_000], None));
        assert_eq!(rates(1_480_000), ([100, 400, 0], None));
        assert_eq!(rates(1_800_000), ([100, 400, 0], None), "it needs more to begin");
        assert_eq!(rates(1_880_000), ([100, 400, 1_300], Some(2)));
        assert_eq!(rates(300_000), ([100, 0, 0], None));
        assert_eq!(rates(140_000), ([60, 0, 0], None));
        assert_eq!(rates(0), ([50, 0, 0], None));
        assert_eq!(rates(3_000_000), ([100, 400, 0], Some(1)), "one at a time");
        assert_eq!(rates(3_000_000), ([100, 400, 1_600], Some(2)));
        assert_eq!(encoders.all(), 2_180_000);
    }

    #[test]
    fn who_films_more_than_the_line_takes_leaves_pictures_out() {
        let mut encoders = Encoders::new(1_000_000, 1);
        let at = Duration::from_millis;
        encoders.spend(100_000_000);
        assert!(encoders.has_room(at(0), 0), "the line is not known");
        encoders.afford(480_000);
        encoders.spend(101_000);
        assert!(!encoders.has_room(at(0), 0), "more than 250 ms");
        assert!(encoders.has_room(at(10), 0));
        assert!(!encoders.has_room(at(10), 1), "there is no such layer");
    }

    #[test]
    fn without_simulcast_the_only_layer_shrinks() {
        let mut encoders = Encoders::new(1_000_000, 1);
        for (bits, rate) in [(2_000_000, 1_000_000), (500_000, 420_000), (0, 50_000)] {
            encoders.afford(bits);
            assert_eq!(encoders.rate(0), rate);
        }
    }
}
