//! Cities and the links between them, as people write them down. It carries nothing itself.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

/// Cities of one atlas: each may have a simulated host of its own.
const CITIES: usize = 250;

/// An atlas that comes with the program.
pub const FOUR_CITIES: &str = include_str!("../atlases/four-cities.toml");

/// A city's place in its atlas.
pub type CityIndex = usize;

/// A world to build in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Atlas {
    /// The cities.
    #[serde(rename = "city", default)]
    pub cities: Vec<City>,
    /// What lies between them; both ways.
    #[serde(rename = "link", default)]
    pub links: Vec<Link>,
}

/// A city.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct City {
    /// What people call it.
    pub name: String,
    /// Degrees north and degrees east, for maps.
    pub at: Option<[f64; 2]>,
}

/// A link between two cities.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "toml::Table")]
pub struct Link {
    /// Their names.
    pub between: [String; 2],
    /// What it is like.
    pub line: Line,
}

/// What a link or a last mile is like.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Line {
    /// What a ping takes, in milliseconds; half of it each way.
    pub rtt_ms: f64,
    /// A ping takes up to so many milliseconds longer, half of it each way. Packets that are close
    /// together are late together; none overtakes another.
    pub jitter_ms: f64,
    /// Packets lost each way, in percent.
    pub loss_percent: f64,
    /// How many packets are lost in a row, on average; 1: each for itself.
    pub burst: f64,
    /// Megabits a second each way; no limit if `None`.
    pub mbps: Option<f64>,
    /// How much waits for its turn, in milliseconds that the line takes for it; what has no room is
    /// lost: where the queue is full, large packets before small ones.
    pub queue_ms: f64,
    /// How much longer the way out is than the way back, in milliseconds: from the first city to
    /// the second, from a person to the network.
    pub longer_out_ms: f64,
}

impl Default for Line {
    fn default() -> Self {
        Line {
            rtt_ms: 0.0,
            jitter_ms: 0.0,
            loss_percent: 0.0,
            burst: 1.0,
            mbps: None,
            queue_ms: 200.0,
            longer_out_ms: 0.0,
        }
    }
}

/// One direction of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Way {
    /// What the light path takes.
    pub delay: Duration,
    /// Up to how much longer a packet takes.
    pub jitter: Duration,
    /// The share of packets that are lost, from 0 to 1.
    pub loss: f64,
    /// How many are lost in a row, on average.
    pub burst: f64,
    /// Bits a second, if there is a limit.
    pub rate: Option<f64>,
    /// How long a packet may wait for its turn.
    pub queue: Duration,
}

impl Way {
    /// A way that only takes time.
    pub fn plain(delay: Duration) -> Self {
        let (jitter, queue) = (Duration::ZERO, Duration::ZERO);
        Way { delay, jitter, loss: 0.0, burst: 1.0, rate: None, queue }
    }

    /// Whether every packet takes just the light path.
    pub fn is_clean(&self) -> bool {
        self.jitter.is_zero() && self.loss == 0.0 && self.rate.is_none()
    }
}

impl Line {
    /// The way out (from the first city, from a person) or the way back.
    pub fn way(&self, out: bool) -> Way {
        let sign = if out { 0.5 } else { -0.5 };
        Way {
            delay: milliseconds(self.rtt_ms / 2.0 + sign * self.longer_out_ms),
            jitter: milliseconds(self.jitter_ms / 2.0),
            loss: self.loss_percent / 100.0,
            burst: self.burst,
            rate: self.mbps.map(|mbps| mbps * 1e6),
            queue: milliseconds(self.queue_ms),
        }
    }

    /// Why there can be no such line.
    fn flaw(&self) -> Option<&'static str> {
        let sizes = [self.rtt_ms, self.jitter_ms, self.queue_ms];
        if !sizes.iter().all(|size| (0.0..=60_000.0).contains(size)) {
            return Some("rtt_ms, jitter_ms and queue_ms lie between 0 and 60000");
        }
        if !(0.0..=100.0).contains(&self.loss_percent) {
            return Some("loss_percent lies between 0 and 100");
        }
        if !(1.0..=1000.0).contains(&self.burst) {
            return Some("burst is a number of packets, from 1 to 1000");
        }
        let loss = self.loss_percent / 100.0;
        if self.burst > 1.0 && loss < 1.0 && loss > self.burst * (1.0 - loss) {
            return Some("so many packets are lost only in longer bursts");
        }
        if self.mbps.is_some_and(|mbps| !(0.001..=1e6).contains(&mbps)) {
            return Some("mbps lies between 0.001 and 1000000");
        }
        let too_long = self.longer_out_ms.is_nan() || self.longer_out_ms.abs() > self.rtt_ms;
        too_long.then_some("longer_out_ms can be no more than rtt_ms")
    }

    /// The line itself, if it can be.
    pub fn checked(self) -> Result<Self, String> {
        self.flaw().map_or(Ok(self), |flaw| Err(flaw.to_owned()))
    }
}

impl TryFrom<toml::Table> for Link {
    type Error = String;

    fn try_from(mut table: toml::Table) -> Result<Self, String> {
        let names = table.remove("between").ok_or("a link needs between = [\"A\", \"B\"]")?;
        let between: [String; 2] = names.try_into().map_err(|_| "between names two cities")?;
        let named = |why: String| format!("the link {} – {}: {why}", between[0], between[1]);
        let line = Line::deserialize(table).map_err(|error| named(error.message().to_owned()))?;
        if line.rtt_ms <= 0.0 {
            return Err(named("rtt_ms says how far it is".into()));
        }
        let line = line.checked().map_err(named)?;
        Ok(Link { between, line })
    }
}

/// The number of a city that people name, or an error that lists those that there are.
fn index(cities: &[City], name: &str) -> Result<CityIndex, String> {
    let same = |city: &City| city.name.to_lowercase() == name.to_lowercase();
    cities.iter().position(same).ok_or_else(|| {
        let all: Vec<&str> = cities.iter().map(|city| city.name.as_str()).collect();
        format!("there is no city called {name}; there are {}", all.join(", "))
    })
}

impl Atlas {
    /// Reads an atlas.
    pub fn parse(text: &str) -> Result<Atlas, String> {
        let atlas: Atlas = toml::from_str(text).map_err(|error| error.to_string())?;
        atlas.roads()?;
        Ok(atlas)
    }

    /// The city that people call so; case does not matter.
    pub fn city(&self, name: &str) -> Result<CityIndex, String> {
        index(&self.cities, name)
    }

    /// The road between any two cities: their link if they have one, else the shortest way over
    /// others. An error if some cannot reach each other.
    pub fn roads(&self) -> Result<Roads, String> {
        let count = self.cities.len();
        if count > CITIES {
            return Err(format!("an atlas has at most {CITIES} cities"));
        }
        let off = |city: &&City| {
            city.at.is_some_and(|[north, east]| !(north.abs() <= 90.0 && east.abs() <= 180.0))
        };
        if let Some(City { name, .. }) = self.cities.iter().find(off) {
            return Err(format!("{name} lies at = [degrees north to 90, degrees east to 180]"));
        }
        let mut lines = BTreeMap::new();
        for link in &self.links {
            let (a, b) = (self.city(&link.between[0])?, self.city(&link.between[1])?);
            let known = lines.insert((a, b), link.line.way(true)).is_some();
            if a == b || known || lines.insert((b, a), link.line.way(false)).is_some() {
                let [a, b] = &link.between;
                return Err(format!("two cities have one link: look at {a} – {b}"));
            }
        }
        let mut ways: BTreeMap<_, _> = lines.keys().map(|pair| (*pair, vec![*pair])).collect();
        let mut far: BTreeMap<_, _> = lines.iter().map(|(pair, way)| (*pair, way.delay)).collect();
        for via in 0..count {
            for pair in (0..count).flat_map(|a| (0..count).map(move |b| (a, b))) {
                let legs = far.get(&(pair.0, via)).zip(far.get(&(via, pair.1)));
                let Some(longer) = legs.map(|(one, two)| *one + *two) else { continue };
                let is_open = pair.0 != pair.1 && !lines.contains_key(&pair);
                if is_open && far.get(&pair).is_none_or(|known| longer < *known) {
                    far.insert(pair, longer);
                    let way = [&ways[&(pair.0, via)][..], &ways[&(via, pair.1)]].concat();
                    ways.insert(pair, way);
                }
            }
        }
        let apart = (0..count).flat_map(|a| (0..a).map(move |b| (a, b)));
        for (a, b) in apart {
            if !far.contains_key(&(a, b)) {
                let (a, b) = (&self.cities[a].name, &self.cities[b].name);
                return Err(format!("{a} cannot reach {b}; add a [[link]]"));
            }
        }
        Ok(Roads { lines, ways })
    }
}

/// Which links lie between any two cities.
#[derive(Debug, Clone, Default)]
pub struct Roads {
    /// Every link, in both directions.
    pub lines: BTreeMap<(CityIndex, CityIndex), Way>,
    /// From each city to each other one.
    ways: BTreeMap<(CityIndex, CityIndex), Vec<(CityIndex, CityIndex)>>,
}

impl Roads {
    /// The links from one city to another, in order; none within a city.
    pub fn between(&self, from: CityIndex, to: CityIndex) -> &[(CityIndex, CityIndex)] {
        self.ways.get(&(from, to)).map(Vec::as_slice).unwrap_or_default()
    }

    /// What the light path from one city to another takes.
    pub fn delay(&self, from: CityIndex, to: CityIndex) -> Duration {
        let links = self.between(from, to);
        links.iter().filter_map(|pair| Some(self.lines.get(pair)?.delay)).sum()
    }
}

/// A number of milliseconds that people wrote, to the microsecond.
pub fn milliseconds(ms: f64) -> Duration {
    Duration::from_micros((ms.clamp(0.0, 1e9) * 1000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atlas() -> Atlas {
        Atlas::parse(FOUR_CITIES).expect("it comes with the program")
    }

    #[test]
    fn the_floors_of_the_reference_world() {
        let atlas = atlas();
        let roads = atlas.roads().expect("every city reaches every other");
        let [home, origin, one, two] = ["novosibirsk", "Frankfurt", "New York", "Singapore"]
            .map(|name| atlas.city(name).expect("it is there"));
        let floor = |edge| {
            let legs = [(home, origin), (origin, edge), (edge, home)];
            legs.iter().map(|(from, to)| roads.delay(*from, *to)).sum::<Duration>()
        };
        assert_eq!(floor(one), Duration::from_millis(172));
        assert_eq!(floor(two), Duration::from_micros(289_500));
        assert_eq!(floor(origin), Duration::from_millis(90));
    }

    #[test]
    fn cities_without_a_link_reach_each_other_over_others_and_a_link_is_never_left() {
        let text = "city = [{name='A'}, {name='B'}, {name='C'}, {name='D'}]\n\
            link = [{between=['A','B'], rtt_ms=10}, {between=['B','C'], rtt_ms=10},\
            {between=['C','D'], rtt_ms=10}, {between=['A','C'], rtt_ms=90}]";
        let roads = Atlas::parse(text).expect("all are reached").roads().expect("as before");
        assert_eq!(roads.between(0, 2), [(0, 2)]);
        assert_eq!(roads.between(1, 3), [(1, 2), (2, 3)]);
        assert_eq!(roads.delay(3, 1), Duration::from_millis(10));
        assert!(roads.between(1, 1).is_empty());
    }

    #[test]
    fn a_way_out_can_be_longer_than_the_way_back() {
        let line = Line { rtt_ms: 100.0, longer_out_ms: 20.0, ..Line::default() };
        assert_eq!(line.way(true).delay, Duration::from_millis(60));
        assert_eq!(line.way(false).delay, Duration::from_millis(40));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let cities = "city = [{name='A'}, {name='B'}, {name='C'}]\n";
        for (links, reason) in [
            ("{between=['A','B'], rtt_ms=10}", "A; add a [[link]]"),
            ("{between=['A','X'], rtt_ms=10}", "there are A, B, C"),
            ("{between=['A'], rtt_ms=10}", "two cities"),
            ("{rtt_ms=10}", "needs between"),
            ("{between=['A','B']}", "how far"),
            ("{between=['A','B'], rtt_ms=-5}", "how far"),
            ("{between=['A','B'], rtt_ms=5, loss_percent=101}", "between 0 and 100"),
            ("{between=['A','B'], rtt_ms=5, loss=1}", "unknown field `loss`"),
            ("{between=['A','B'], rtt_ms=5, longer_out_ms=6}", "no more than rtt_ms"),
            ("{between=['A','B'], rtt_ms=5, mbps=0}", "mbps"),
            ("{between=['A','B'], rtt_ms=5, burst=0.5}", "burst"),
            ("{between=['A','B'], rtt_ms=5, burst=2, loss_percent=90}", "longer bursts"),
            ("{between=['A','B'], rtt_ms=5}, {between=['B','A'], rtt_ms=5}", "one link"),
            ("{between=['A','A'], rtt_ms=5}", "one link"),
        ] {
            let error = Atlas::parse(&format!("{cities}link = [{links}]")).expect_err(links);
            assert!(error.contains(reason), "{links}: {error}");
        }
    }
}
