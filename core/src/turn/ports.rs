//! The free ports of one relay IP. It knows no socket: a port that somebody else on the machine has
//! shows when binding it fails.

use super::message::Family;
use crate::config::RelayIp;
use crate::limits;
use crate::seed::Seed;

/// Free ports; drawing and giving back cost O(1).
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) ip: RelayIp,
    first: u16,
    free: Vec<u16>,
    /// Where each port of the range stands in `free`.
    places: Vec<Option<u16>>,
}

impl Ports {
    /// All ports from `first` to `last`.
    pub(super) fn new(ip: RelayIp, (first, last): (u16, u16)) -> Self {
        let free: Vec<u16> = (first..=last).collect();
        // A place is less than 65,536, for there are no more ports.
        let places = (0..free.len()).map(|place| Some(place as u16)).collect();
        Ports { ip, first, free, places }
    }

    pub(super) fn family(&self) -> Family {
        if self.ip.announced.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// Any port.
    pub(super) fn draw(&mut self, seed: &mut Seed) -> Option<u16> {
        let port = self.look(seed)?;
        self.take(port).then_some(port)
    }

    /// An even port, and if `pair`, the next one as well.
    pub(super) fn draw_even(&mut self, pair: bool, seed: &mut Seed) -> Option<u16> {
        for _ in 0..limits::TURN_EVEN_TRIES {
            let port = self.look(seed)? & !1;
            if self.is_free(port) && (!pair || self.is_free(port + 1)) {
                self.take(port);
                if pair {
                    self.take(port + 1);
                }
                return Some(port);
            }
        }
        None
    }

    /// Gives a port back.
    pub(super) fn give(&mut self, port: u16) {
        let Some(index) = self.index(port).filter(|index| self.places[*index].is_none()) else {
            return;
        };
        self.places[index] = Some(self.free.len() as u16);
        self.free.push(port);
    }

    fn look(&self, seed: &mut Seed) -> Option<u16> {
        let bound = u32::try_from(self.free.len()).ok().filter(|free| *free > 0)?;
        self.free.get(seed.below(bound) as usize).copied()
    }

    fn is_free(&self, port: u16) -> bool {
        self.index(port).is_some_and(|index| self.places[index].is_some())
    }

    fn take(&mut self, port: u16) -> bool {
        let Some(place) = self.index(port).and_then(|index| self.places[index].take()) else {
            return false;
        };
        self.free.swap_remove(usize::from(place));
        if let Some(moved) = self.free.get(usize::from(place)) {
            self.places[usize::from(moved - self.first)] = Some(place);
        }
        true
    }

    fn index(&self, port: u16) -> Option<usize> {
        let index = usize::from(port.checked_sub(self.first)?);
        (index < self.places.len()).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ports(range: (u16, u16)) -> Ports {
        let ip = [192, 0, 2, 1].into();
        Ports::new(RelayIp { bind: ip, announced: ip }, range)
    }

    #[test]
    fn every_port_is_drawn_once_and_again_when_it_was_given_back() {
        let (mut ports, mut seed) = (ports((65_500, 65_535)), Seed::new([1; 32]));
        for _ in 0..3 {
            let drawn: Vec<u16> = std::iter::from_fn(|| ports.draw(&mut seed)).collect();
            assert!(!drawn.is_sorted(), "ports come in no order");
            let all: BTreeSet<u16> = (65_500..=65_535).collect();
            assert_eq!(drawn.iter().copied().collect::<BTreeSet<u16>>(), all);
            drawn.into_iter().for_each(|port| {
                ports.give(port);
                ports.give(port);
            });
        }
    }

    #[test]
    fn an_even_port_comes_with_the_next_one() {
        let (mut ports, mut seed) = (ports((49_999, 50_003)), Seed::new([1; 32]));
        let mut drawn = [0, 0].map(|_| ports.draw_even(true, &mut seed));
        drawn.sort_unstable();
        assert_eq!(drawn, [Some(50_000), Some(50_002)]);
        assert_eq!(ports.draw_even(false, &mut seed), None);
        assert_eq!(ports.draw(&mut seed), Some(49_999));
    }
}
