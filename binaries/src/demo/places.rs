//! Where the nodes of a demo are in the world, how far that is, and what the light path takes; it
//! opens no socket.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use clap::Args;
use farcast_core::seed::Seed;
use farcast_sim::atlas::{Atlas, CityIndex, FOUR_CITIES, Roads};
use farcast_sim::net::{Net, Place};
use farcast_sim::wired::{Below, Globe, Home};

use crate::error::StartError;
use crate::run;

/// The flags about distances.
#[derive(Debug, Default, Args)]
pub struct PlaceFlags {
    /// Put the distances of an atlas between everybody: four-cities, or a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    atlas: Option<String>,
    /// Where the browsers of this machine are [default: the first city of the atlas]
    #[arg(long, value_name = "CITY", requires = "atlas")]
    viewer: Option<String>,
    /// Where the origin is [default: the second city]
    #[arg(long, value_name = "CITY", requires = "atlas")]
    origin: Option<String>,
    /// Where edge1 is, and once more for edge2 [default: the third and the fourth city]
    #[arg(long, value_name = "CITY", requires = "atlas")]
    edge: Vec<String>,
}

/// A demo with distances.
pub struct Places {
    /// How people call the atlas.
    pub atlas: String,
    cities: Atlas,
    roads: Roads,
    viewer: CityIndex,
    /// In the order of the nodes: the origin first.
    nodes: Vec<CityIndex>,
}

/// From the camera over the origin and a node to the viewer.
#[derive(Debug, PartialEq)]
pub struct Route {
    /// What the light path takes.
    pub floor: Duration,
    /// The round trips of its legs.
    pub rtt: Duration,
}

impl PlaceFlags {
    /// An atlas, and everybody where it has them.
    #[cfg(test)]
    pub(super) fn named(atlas: &str) -> Self {
        PlaceFlags { atlas: Some(atlas.to_owned()), ..PlaceFlags::default() }
    }

    /// Where who is, if anybody is anywhere.
    pub fn places(&self) -> Result<Option<Places>, StartError> {
        let Some(atlas) = &self.atlas else { return Ok(None) };
        let cities = load(atlas)?;
        let roads = cities.roads().map_err(StartError)?;
        if self.edge.len() > EDGES {
            return Err(StartError("the demo has two edges; name no more with --edge".into()));
        }
        let place = |flag: &str, who: &str, wish: Option<&String>, default: CityIndex| match wish {
            Some(name) => {
                cities.city(name).map_err(|why| StartError(format!("{flag} {name}: {why}")))
            }
            None if default < cities.cities.len() => Ok(default),
            None => Err(StartError(format!(
                "the atlas {atlas} has too few cities to choose one for {who}; say where it is \
                 with {flag} CITY"
            ))),
        };
        let viewer = place("--viewer", "the viewer", self.viewer.as_ref(), 0)?;
        let mut nodes = vec![place("--origin", "the origin", self.origin.as_ref(), 1)?];
        for edge in 0..EDGES {
            let who = format!("edge{}", edge + 1);
            nodes.push(place("--edge", &who, self.edge.get(edge), 2 + edge)?);
        }
        Ok(Some(Places { atlas: atlas.clone(), cities, roads, viewer, nodes }))
    }
}

fn load(atlas: &str) -> Result<Atlas, StartError> {
    if atlas == BUILT_IN {
        return Atlas::parse(FOUR_CITIES).map_err(StartError);
    }
    let text = fs::read_to_string(atlas).map_err(|error| {
        StartError(format!(
            "cannot read the atlas {atlas}: {error}; take the one that is built in, {BUILT_IN}, or \
             name a TOML file like sim/atlases/four-cities.toml"
        ))
    })?;
    Atlas::parse(&text).map_err(|why| {
        let why = why.trim_end();
        StartError(format!("the atlas {atlas} cannot be: {why}"))
    })
}

impl Places {
    /// Where the browsers are.
    pub fn viewer(&self) -> &str {
        &self.cities.cities[self.viewer].name
    }

    /// Where a node is.
    pub fn city(&self, node: usize) -> &str {
        &self.cities.cities[self.nodes[node]].name
    }

    /// The way over a node.
    pub fn route(&self, node: usize) -> Route {
        let stops = [self.viewer, self.nodes[0], self.nodes[node], self.viewer];
        let there = |pair: &[CityIndex]| self.roads.delay(pair[0], pair[1]);
        let back = |pair: &[CityIndex]| self.roads.delay(pair[1], pair[0]);
        let floor = stops.windows(2).map(there).sum();
        Route { floor, rtt: floor + stops.windows(2).map(back).sum::<Duration>() }
    }

    /// The world in which the nodes of these names are, begun now.
    pub fn homes<'n>(&self, names: impl Iterator<Item = &'n str>) -> Result<Vec<Home>, StartError> {
        let seed = Seed::new(run::randomness()?);
        let mut net = Net::new(&self.cities, seed).map_err(StartError)?;
        let place = |name: &str, city| Place { name: name.to_owned(), city, last_mile: None };
        net.put_others(place("browser", self.viewer));
        let mut ips = Vec::new();
        for ((name, city), host) in names.zip(&self.nodes).zip(1..) {
            // For documents (RFC 6676), and multicast: no browser ever sends from there.
            let ip = IpAddr::from([233, 252, 0, host]);
            net.put(SocketAddr::new(ip, 0), place(name, *city));
            ips.push(ip);
        }
        let globe = Globe::new(net);
        let below = Below::real(Instant::now());
        let home = |ip| Home { globe: globe.clone(), ip, below: below.clone() };
        Ok(ips.into_iter().map(home).collect())
    }
}

/// A duration in milliseconds, as people write it.
pub fn milliseconds(time: Duration) -> String {
    (time.as_micros() as f64 / 1000.0).to_string()
}

/// The atlas that comes with the program.
const BUILT_IN: &str = "four-cities";
/// Edges of the demo.
const EDGES: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(list: &[&str]) -> PlaceFlags {
        let owned = |text: &&str| (*text).to_owned();
        let of = |flag: &str| -> Vec<String> {
            let pairs = list.chunks(2).filter(|pair| pair[0] == flag);
            pairs.map(|pair| owned(&pair[1])).collect()
        };
        let one = |flag| of(flag).pop();
        PlaceFlags {
            atlas: Some(one("--atlas").unwrap_or(BUILT_IN.into())),
            viewer: one("--viewer"),
            origin: one("--origin"),
            edge: of("--edge"),
        }
    }

    fn places(list: &[&str]) -> Result<Places, String> {
        flags(list).places().map(Option::unwrap).map_err(|error| error.to_string())
    }

    #[test]
    fn the_reference_world_has_the_figures_of_the_article() {
        let places = places(&[]).unwrap();
        assert_eq!(places.viewer(), "Novosibirsk");
        assert_eq!([0, 1, 2].map(|node| places.city(node)), ["Frankfurt", "New York", "Singapore"]);
        let figures = [0, 1, 2].map(|node| {
            let Route { floor, rtt } = places.route(node);
            [milliseconds(floor), milliseconds(rtt)]
        });
        assert_eq!(figures, [["90", "180"], ["172", "344"], ["289.5", "579"]]);
    }

    #[test]
    fn everybody_can_be_elsewhere_and_far_is_what_roads_say() {
        let list = ["--viewer", "singapore", "--origin", "SINGAPORE", "--edge", "Frankfurt"];
        let places = places(&list).unwrap();
        assert_eq!((places.viewer(), places.city(0)), ("Singapore", "Singapore"));
        assert_eq!((places.city(1), places.city(2)), ("Frankfurt", "Singapore"));
        let rtt = Duration::from_millis(2 * 183);
        assert_eq!(places.route(1), Route { floor: rtt / 2, rtt });
        assert_eq!(places.route(0), Route { floor: Duration::ZERO, rtt: Duration::ZERO });
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_way_out() {
        for (list, sentence) in [
            (
                &["--viewer", "Atlantis"][..],
                "--viewer Atlantis: there is no city called Atlantis; \
              there are Novosibirsk, Frankfurt, New York, Singapore",
            ),
            (&["--edge", "Frankfurt", "--edge", "Rome"], "--edge Rome: there is no city"),
            (&["--edge", "a", "--edge", "b", "--edge", "c"], "has two edges"),
            (
                &["--atlas", "five-cities"],
                "cannot read the atlas five-cities: No such file or \
              directory (os error 2); take the one that is built in, four-cities, or name",
            ),
        ] {
            let error = places(list).err().unwrap();
            assert!(error.contains(sentence), "{error}");
        }
    }

    #[test]
    fn nodes_have_homes_that_the_net_knows() {
        let places = places(&[]).unwrap();
        let homes = places.homes(["origin", "edge1", "edge2"].into_iter()).unwrap();
        let at = |node: usize| SocketAddr::new(homes[node].ip, 0);
        let net = homes[2].globe.net();
        assert_eq!(net.delay(at(0), at(2)), Duration::from_micros(91_500));
        let browser = SocketAddr::from(([127, 0, 0, 1], 5_000));
        assert_eq!(net.delay(browser, at(1)), Duration::from_millis(85));
        assert_eq!(net.name(at(1)), "edge1:0");
    }
}
