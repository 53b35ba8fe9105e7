//! The free ports of one relay IP. It knows no socket: a port that somebody else on the machine has
//! shows when binding it fails.

use std::time::Instant;

use super::message::Family;
use crate::config::RelayIp;
use crate::limits;
use crate::seed::Seed;
use crate::timers::Timers;

/// Free ports; drawing and giving back cost O(log n).
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) ip: RelayIp,
    first: u16,
    free: Vec<u16>,
    /// Where each port of the range stands in `free`.
    places: Vec<Option<u16>>,
    /// Ports that were somebody's lately, and until when they are nobody's. Nobody is woken for
    /// them: whoever draws looks.
    resting: Timers<u16>,
}

impl Ports {
    /// All ports from `first` to `last`.
    pub(super) fn new(ip: RelayIp, (first, last): (u16, u16)) -> Self {
        let free: Vec<u16> = (first..=last).collect();
        // A place is less than 65,536, for there are no more ports.
        let places = (0..free.len()).map(|place| Some(place as u16)).collect();
        Ports { ip, first, free, places, resting: Timers::new() }
    }

    pub(super) fn family(&self) -> Family {
        if self.ip.announced.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// Any port.
    pub(super) fn draw(&mut self, seed: &mut Seed, now: Instant) -> Option<u16> {
        self.wake(now);
        let port = self.look(seed).or_else(|| self.wake_next())?;
        self.take(port).then_some(port)
    }

    /// An even port, and if `pair`, the next one as well.
    pub(super) fn draw_even(&mut self, pair: bool, seed: &mut Seed, now: Instant) -> Option<u16> {
        self.wake(now);
        let mut tries = 0..limits::TURN_EVEN_TRIES;
        let free = tries.clone().find_map(|_| {
            let port = self.look(seed)?;
            self.take_even(port, pair)
        });
        free.or_else(|| {
            tries.find_map(|_| {
                let port = self.wake_next()?;
                self.take_even(port, pair)
            })
        })
    }

    /// Gives a port back that was nobody's relayed address.
    pub(super) fn give(&mut self, port: u16) {
        let Some(index) = self.index(port).filter(|index| self.places[*index].is_none()) else {
            return;
        };
        self.places[index] = Some(self.free.len() as u16);
        self.free.push(port);
    }

    /// Gives a port back that was somebody's: whoever still sends there shall reach nobody else.
    pub(super) fn rest(&mut self, port: u16, now: Instant) {
        self.resting.set(port, now + limits::TURN_PORT_REST);
    }

    /// Ports that have rested are free.
    fn wake(&mut self, now: Instant) {
        while let Some(port) = self.resting.due(now) {
            self.give(port);
        }
    }

    /// The port that has rested longest is free, though it should rest on.
    fn wake_next(&mut self) -> Option<u16> {
        let port = self.resting.due(self.resting.next()?)?;
        self.give(port);
        Some(port)
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

    /// Takes the even one of two neighbours, and if `pair`, the odd one as well.
    fn take_even(&mut self, port: u16, pair: bool) -> Option<u16> {
        let port = port & !1;
        let fits = self.is_free(port) && (!pair || self.is_free(port + 1));
        (fits && self.take(port) && (!pair || self.take(port + 1))).then_some(port)
    }

    fn index(&self, port: u16) -> Option<usize> {
        let index = usize::from(port.checked_sub(self.first)?);
        (index < self.places.len()).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    fn ports(range: (u16, u16)) -> Ports {
        let ip = [192, 0, 2, 1].into();
        Ports::new(RelayIp { bind: ip, announced: ip }, range)
    }

    #[test]
    fn every_port_is_drawn_once_and_again_when_it_was_given_back() {
        let (mut ports, mut seed) = (ports((65_500, 65_535)), Seed::new([1; 32]));
        let now = Instant::now();
        for _ in 0..3 {
            let drawn: Vec<u16> = std::iter::from_fn(|| ports.draw(&mut seed, now)).collect();
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
        let now = Instant::now();
        let mut drawn = [0, 0].map(|_| ports.draw_even(true, &mut seed, now));
        drawn.sort_unstable();
        assert_eq!(drawn, [Some(50_000), Some(50_002)]);
        assert_eq!(ports.draw_even(false, &mut seed, now), None);
        assert_eq!(ports.draw(&mut seed, now), Some(49_999));
    }

    #[test]
    fn a_port_that_was_somebodys_is_drawn_only_when_it_has_rested() {
        let (mut ports, mut seed) = (ports((50_000, 50_099)), Seed::new([1; 32]));
        let start = Instant::now();
        let first = ports.draw(&mut seed, start).unwrap();
        ports.rest(first, start);
        let early = start + limits::TURN_PORT_REST - Duration::from_millis(1);
        for _ in 0..1_000 {
            let port = ports.draw(&mut seed, early).unwrap();
            assert_ne!(port, first);
            ports.give(port);
        }
        let late = start + limits::TURN_PORT_REST;
        let drawn: Vec<u16> = std::iter::from_fn(|| ports.draw(&mut seed, late)).collect();
        assert!(drawn.len() == 100 && drawn.contains(&first));
    }

    #[test]
    fn if_all_ports_were_somebodys_the_one_that_has_rested_longest_is_drawn() {
        let (mut ports, mut seed) = (ports((50_000, 50_009)), Seed::new([1; 32]));
        let mut now = Instant::now();
        let drawn: Vec<u16> = std::iter::from_fn(|| ports.draw(&mut seed, now)).collect();
        for port in &drawn {
            now += Duration::from_millis(1);
            ports.rest(*port, now);
        }
        let again: Vec<u16> = std::iter::from_fn(|| ports.draw(&mut seed, now)).collect();
        assert_eq!(again, drawn);
        again.into_iter().for_each(|port| ports.rest(port, now));
        let pairs: BTreeSet<u16> =
            std::iter::from_fn(|| ports.draw_even(true, &mut seed, now)).collect();
        assert_eq!(pairs, BTreeSet::from([50_000, 50_002, 50_004, 50_006, 50_008]));
    }
}
