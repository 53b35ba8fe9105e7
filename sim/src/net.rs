//! The network between hosts: who is in which city, behind which last mile, and when a datagram
//! from one arrives at the other. Every world carries its datagrams over one of these.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use farcast_core::seed::Seed;

use crate::atlas::{Atlas, CityIndex, Line, Roads};
use crate::trace::Trace;
use crate::wire::Wire;

/// Where a host is.
#[derive(Debug, Clone)]
pub struct Place {
    /// What traces call it.
    pub name: String,
    /// Its city.
    pub city: CityIndex,
    /// What lies between it and its city's network, if anything.
    pub last_mile: Option<Line>,
}

/// A network. All times are since the world's start.
///
/// A road of several wires is walked when a datagram is sent: where flows meet on a later wire that
/// has a rate, they take their turns in the order of sending.
#[derive(Debug)]
pub struct Net {
    roads: Roads,
    wires: BTreeMap<(CityIndex, CityIndex), Wire>,
    hosts: BTreeMap<SocketAddr, Host>,
    /// Where everybody is who has no place of their own.
    elsewhere: Option<Place>,
    /// Pairs of hosts between which nothing passes.
    cuts: BTreeSet<(SocketAddr, SocketAddr)>,
    seed: Seed,
    /// What was sent.
    pub trace: Trace,
}

#[derive(Debug)]
struct Host {
    place: Place,
    /// Up, down.
    mile: Option<[Wire; 2]>,
}

impl Net {
    /// A network without hosts; fails if the atlas cannot be.
    pub fn new(atlas: &Atlas, mut seed: Seed) -> Result<Net, String> {
        let roads = atlas.roads()?;
        let wire = |(pair, way): (&(_, _), &_)| (*pair, Wire::new(*way, seed.fork()));
        let wires = roads.lines.iter().map(wire).collect();
        Ok(Net {
            roads,
            wires,
            hosts: BTreeMap::new(),
            elsewhere: None,
            cuts: BTreeSet::new(),
            seed,
            trace: Trace::default(),
        })
    }

    /// Puts a host in its place; port 0 stands for all ports of an IP that have no place of their
    /// own.
    pub fn put(&mut self, at: SocketAddr, place: Place) {
        let mut wire = |out| place.last_mile.map(|line| Wire::new(line.way(out), self.seed.fork()));
        let mile = wire(true).zip(wire(false)).map(|(up, down)| [up, down]);
        self.hosts.insert(at, Host { place, mile });
    }

    /// Puts everybody who has no place of their own here; a last mile of theirs is left out.
    pub fn put_others(&mut self, place: Place) {
        self.elsewhere = Some(place);
    }

    /// Whether this address has a place of its own.
    pub fn knows(&self, at: SocketAddr) -> bool {
        self.key(at).is_some()
    }

    /// Nothing passes between two hosts from now on; strangers cannot be cut off.
    pub fn cut(&mut self, one: SocketAddr, other: SocketAddr) {
        let keys = self.key(one).zip(self.key(other));
        self.cuts.extend(keys.map(|(one, other)| ordered(one, other)));
    }

    /// The two hosts reach each other again.
    pub fn heal(&mut self, one: SocketAddr, other: SocketAddr) {
        if let Some((one, other)) = self.key(one).zip(self.key(other)) {
            self.cuts.remove(&ordered(one, other));
        }
    }

    /// Whether nothing passes between these.
    pub fn is_cut(&self, from: SocketAddr, to: SocketAddr) -> bool {
        let keys = self.key(from).zip(self.key(to));
        keys.is_some_and(|(from, to)| self.cuts.contains(&ordered(from, to)))
    }

    /// Makes a link between two cities another one from now on.
    pub fn change(&mut self, one: CityIndex, other: CityIndex, line: Line) {
        for (pair, out) in [((one, other), true), ((other, one), false)] {
            if let Some(wire) = self.wires.get_mut(&pair) {
                wire.change(line.way(out));
            }
        }
    }

    /// Lets a host's last mile carry so many megabits a second each way from now on; `None`: as
    /// many as before.
    pub fn squeeze(&mut self, at: SocketAddr, mbps: Option<f64>) {
        let Some(host) = self.key(at).and_then(|key| self.hosts.get_mut(&key)) else { return };
        let line = host.place.last_mile.unwrap_or_default();
        let line = Line { mbps: mbps.or(line.mbps), ..line };
        let mut wire = |out| Wire::new(line.way(out), self.seed.fork());
        let mile = host.mile.get_or_insert_with(|| [wire(true), wire(false)]);
        mile[0].change(line.way(true));
        mile[1].change(line.way(false));
    }

    /// When a datagram arrives that is sent now; `None` if it is lost.
    pub fn carry(
        &mut self,
        now: Duration,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) -> Option<Duration> {
        if self.trace.wants() {
            let names = [self.name(from), self.name(to)];
            self.trace.sent(now, names, payload);
        }
        self.trace.seals.note(now, from, to, payload);
        let keys = (self.key(from), self.key(to));
        if let (Some(from), Some(to)) = keys
            && self.cuts.contains(&ordered(from, to))
        {
            return None;
        }
        let (start, end) = (self.place(from)?.city, self.place(to)?.city);
        let mut at = now;
        if let Some([up, _]) = keys.0.and_then(|key| self.hosts.get_mut(&key)?.mile.as_mut()) {
            at = up.carry(at, payload.len())?;
        }
        for pair in self.roads.between(start, end) {
            at = self.wires.get_mut(pair)?.carry(at, payload.len())?;
        }
        if let Some([_, down]) = keys.1.and_then(|key| self.hosts.get_mut(&key)?.mile.as_mut()) {
            at = down.carry(at, payload.len())?;
        }
        Some(at)
    }

    /// What the light path from one host to another takes.
    pub fn delay(&self, from: SocketAddr, to: SocketAddr) -> Duration {
        let city = |at| self.place(at).map(|place| place.city);
        let road = city(from).zip(city(to)).map(|(from, to)| self.roads.delay(from, to));
        let mile = |at, way: usize| {
            let host = self.key(at).and_then(|key| self.hosts.get(&key)?.mile.as_ref());
            host.map_or(Duration::ZERO, |mile| mile[way].way().delay)
        };
        mile(from, 0) + road.unwrap_or_default() + mile(to, 1)
    }

    /// The links between two hosts, by their cities.
    pub fn links(&self, from: SocketAddr, to: SocketAddr) -> &[(CityIndex, CityIndex)] {
        let city = |at| self.place(at).map(|place| place.city);
        city(from).zip(city(to)).map_or(&[], |(from, to)| self.roads.between(from, to))
    }

    /// Whether nothing but the light path delays a datagram between these.
    pub fn is_clean(&self, from: SocketAddr, to: SocketAddr) -> bool {
        let city = |at| self.place(at).map(|place| place.city);
        let Some((start, end)) = city(from).zip(city(to)) else { return false };
        let road = self.roads.between(start, end);
        let mile = |at, way: usize| {
            let host = self.key(at).and_then(|key| self.hosts.get(&key)?.mile.as_ref());
            host.is_none_or(|mile| mile[way].way().is_clean())
        };
        mile(from, 0)
            && mile(to, 1)
            && road.iter().all(|pair| self.wires.get(pair).is_some_and(|w| w.way().is_clean()))
    }

    /// What traces call an address.
    pub fn name(&self, at: SocketAddr) -> String {
        match self.place(at) {
            Some(place) => format!("{}:{}", place.name, at.port()),
            None => at.to_string(),
        }
    }

    fn place(&self, at: SocketAddr) -> Option<&Place> {
        let own = self.key(at).and_then(|key| self.hosts.get(&key));
        own.map(|host| &host.place).or(self.elsewhere.as_ref())
    }

    fn key(&self, at: SocketAddr) -> Option<SocketAddr> {
        let whole = SocketAddr::new(at.ip(), 0);
        [at, whole].into_iter().find(|key| self.hosts.contains_key(key))
    }
}

fn ordered(one: SocketAddr, other: SocketAddr) -> (SocketAddr, SocketAddr) {
    (one.min(other), one.max(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atlas::FOUR_CITIES;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn place(atlas: &Atlas, city: &str, last_mile: Option<Line>) -> Place {
        Place { name: city.to_owned(), city: atlas.city(city).expect("there"), last_mile }
    }

    fn net() -> (Net, Atlas) {
        let atlas = Atlas::parse(FOUR_CITIES).expect("it comes with the program");
        let mut net = Net::new(&atlas, Seed::new([1; 32])).expect("it can be");
        net.put(at("10.0.0.1:0"), place(&atlas, "Frankfurt", None));
        let mile = Line { rtt_ms: 40.0, longer_out_ms: 10.0, ..Line::default() };
        net.put(at("10.0.0.2:7"), place(&atlas, "Singapore", Some(mile)));
        (net, atlas)
    }

    #[test]
    fn a_datagram_takes_the_last_mile_and_the_link() {
        let (mut net, _) = net();
        let (node, peer) = (at("10.0.0.1:8080"), at("10.0.0.2:7"));
        let up = Duration::from_micros(91_500 + 25_000);
        let down = Duration::from_micros(91_500 + 15_000);
        assert_eq!(net.carry(Duration::ZERO, peer, node, &[0; 9]), Some(up));
        assert_eq!(net.carry(Duration::ZERO, node, peer, &[0; 9]), Some(down));
        assert_eq!((net.delay(peer, node), net.delay(node, peer)), (up, down));
        assert!(net.is_clean(peer, node));
        assert_eq!(net.name(node), "Frankfurt:8080");
    }

    #[test]
    fn who_has_no_place_is_elsewhere_or_nowhere() {
        let (mut net, atlas) = net();
        let (node, stranger) = (at("10.0.0.1:8080"), at("10.0.0.2:8"));
        assert_eq!(net.carry(Duration::ZERO, stranger, node, &[0; 9]), None);
        net.put_others(place(&atlas, "Novosibirsk", None));
        let arrival = net.carry(Duration::ZERO, stranger, node, &[0; 9]);
        assert_eq!(arrival, Some(Duration::from_millis(45)));
        assert!(!net.knows(stranger) && net.knows(node));
    }

    #[test]
    fn a_cut_stops_everything_between_two_hosts_until_it_heals() {
        let (mut net, atlas) = net();
        let (node, peer) = (at("10.0.0.1:8080"), at("10.0.0.2:7"));
        net.cut(peer, node);
        assert_eq!(net.carry(Duration::ZERO, peer, node, &[0; 9]), None);
        assert_eq!(net.carry(Duration::ZERO, node, peer, &[0; 9]), None);
        assert!(net.is_cut(node, peer));
        net.heal(node, peer);
        assert!(net.carry(Duration::ZERO, peer, node, &[0; 9]).is_some());
        let city = |name| atlas.city(name).expect("there");
        let lossy = Line { rtt_ms: 183.0, loss_percent: 100.0, ..Line::default() };
        net.change(city("Singapore"), city("Frankfurt"), lossy);
        assert_eq!(net.carry(Duration::ZERO, node, peer, &[0; 9]), None);
        assert!(!net.is_clean(node, peer));
    }
}
