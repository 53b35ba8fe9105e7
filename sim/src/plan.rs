//! A story with a seed, made concrete: hosts with addresses, people with scripts, faults with
//! times. Both worlds are built from it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use farcast_core::config::{
    Access, Addresses, Config, Edge, IceServers, Network, RelayIp, Secret, Turn,
};
use farcast_core::seed::Seed;

use crate::atlas::{Atlas, CityIndex, Line};
use crate::camera::Film;
use crate::faults;
use crate::net::{Net, Place};
use crate::script::{Door, Script};
use crate::story::{EventSpec, NodeSpec, PublisherSpec, Story};

/// The port of every node, UDP and HTTP.
pub const PORT: u16 = 8080;
/// Calendar time at a world's start: 2026-01-01.
pub const CALENDAR: Duration = Duration::from_secs(1_767_225_600);
/// What TURN servers share.
const SECRET: &[u8] = b"shared by all nodes of a story";
/// The ports of relayed addresses: nodes take others for themselves.
const RELAYED: (u16, u16) = (60_000, 64_999);
/// Allocations of one user: nobody is kept out.
const CROWD: usize = 1_000;
/// The first port of a browser.
const BROWSER: u16 = 50_000;

/// A story made concrete.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The story.
    pub story: Story,
    /// Where it plays.
    pub atlas: Atlas,
    /// Its nodes.
    pub nodes: Vec<NodePlan>,
    /// Its people, publishers first.
    pub people: Vec<PersonPlan>,
    /// What happens, in order.
    pub events: Vec<(Duration, Action)>,
    /// Where everything else that is random comes from.
    pub seed: Seed,
}

/// A node.
#[derive(Debug, Clone)]
pub struct NodePlan {
    /// What people call it.
    pub name: String,
    /// Its IP.
    pub ip: IpAddr,
    /// What it is told at birth.
    pub config: Config,
    /// Where it is.
    pub place: Place,
    /// What its calendar says at the world's start.
    pub calendar: Duration,
    /// The nodes that it feeds.
    pub edges: Vec<usize>,
    /// The node whose TURN server its guests are told of.
    pub turn: Option<usize>,
}

/// Somebody.
#[derive(Debug, Clone)]
pub struct PersonPlan {
    /// What people call it, or the crowd that it is one of.
    pub name: String,
    /// Where its browser is.
    pub at: SocketAddr,
    /// Where it is.
    pub place: Place,
    /// What it does.
    pub script: Script,
    /// Where its randomness comes from.
    pub seed: Seed,
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A node is gone, without a word.
    Kill(usize),
    /// A node is told to end, and does a moment later.
    Stop(usize),
    /// A node starts again.
    Start(usize),
    /// Nothing passes any more between two hosts.
    Cut(IpAddr, IpAddr),
    /// They reach each other again.
    Heal(IpAddr, IpAddr),
    /// A person's address changes.
    Roam(usize),
    /// A link becomes another one.
    Change(CityIndex, CityIndex, Line),
    /// A person's byte streams bring so many kilobits a second from now on; `None`: as many as
    /// come.
    Squeeze(usize, Option<u32>),
}

impl Plan {
    /// Makes a story concrete.
    pub fn new(story: Story, seed: u64) -> Result<Plan, String> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let mut seed = Seed::new(bytes);
        let atlas = story.atlas()?;
        let nodes = nodes(&story, &atlas)?;
        let people = people(&story, &atlas, &nodes, &mut seed)?;
        let mut plan = Plan { story, atlas, nodes, people, events: Vec::new(), seed };
        let told = plan.story.events.iter().map(|event| {
            let action = plan.action(event)?;
            Ok((Duration::from_secs_f64(event.at_s), action))
        });
        plan.events = told.collect::<Result<_, String>>()?;
        let random = faults::random(&mut plan);
        plan.events.extend(random);
        plan.events.sort_by_key(|(at, _)| *at);
        Ok(plan)
    }

    /// The network that it plays on, with everybody in place.
    pub fn net(&self) -> Result<Net, String> {
        let mut net = Net::new(&self.atlas, self.seed.clone().fork())?;
        for node in &self.nodes {
            net.put(SocketAddr::new(node.ip, 0), node.place.clone());
        }
        for person in &self.people {
            net.put(SocketAddr::new(person.at.ip(), 0), person.place.clone());
        }
        Ok(net)
    }

    /// The story's length.
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(self.story.seconds)
    }

    /// The nodes that a stream walks from one node to another, both included; `None` if it never
    /// gets there.
    pub fn chain(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        let mut chains = vec![vec![from]];
        let mut known = BTreeSet::from([from]);
        for step in 0.. {
            let chain = chains.get(step)?.clone();
            let last = *chain.last()?;
            if last == to {
                return Some(chain);
            }
            for edge in &self.nodes[last].edges {
                if known.insert(*edge) {
                    chains.push([chain.clone(), vec![*edge]].concat());
                }
            }
        }
        None
    }

    /// The node at this address.
    pub fn node_at(&self, at: SocketAddr) -> Option<usize> {
        self.nodes.iter().position(|node| node.ip == at.ip())
    }

    /// Who publishes what this person watches, and to which node.
    pub fn publisher(&self, person: usize) -> Option<(usize, usize)> {
        let stream = &self.people[person].script.stream;
        let publishes = |script: &Script| script.film.is_some() && script.stream == *stream;
        let publisher = self.people.iter().position(|other| publishes(&other.script))?;
        Some((publisher, self.node_at(self.people[publisher].script.door.address())?))
    }

    fn action(&self, event: &EventSpec) -> Result<Action, String> {
        let EventSpec { at_s, kill, stop, start, cut, heal, roam, change, squeeze, release } =
            event;
        let node = |name: &String| find(&self.story.nodes, name);
        let ips = |[one, other]: &[String; 2]| Ok::<_, String>((self.ip(one)?, self.ip(other)?));
        let mut actions = Vec::new();
        actions.extend(kill.as_ref().map(|name| node(name).map(Action::Kill)));
        actions.extend(stop.as_ref().map(|name| node(name).map(Action::Stop)));
        actions.extend(start.as_ref().map(|name| node(name).map(Action::Start)));
        actions.extend(cut.as_ref().map(|pair| ips(pair).map(|(a, b)| Action::Cut(a, b))));
        actions.extend(heal.as_ref().map(|pair| ips(pair).map(|(a, b)| Action::Heal(a, b))));
        actions.extend(roam.as_ref().map(|name| self.person(name).map(Action::Roam)));
        actions.extend(change.as_ref().map(|link| {
            let [one, other] = [&link.between[0], &link.between[1]];
            Ok(Action::Change(self.atlas.city(one)?, self.atlas.city(other)?, link.line))
        }));
        let narrow = |name: &String, kbps| Ok(Action::Squeeze(self.person(name)?, kbps));
        actions.extend(squeeze.as_ref().map(|one| narrow(&one.person, Some(one.kbps))));
        actions.extend(release.as_ref().map(|name| narrow(name, None)));
        match actions.len() {
            1 => actions.remove(0),
            _ => Err(format!(
                "the event at {at_s} s needs one of kill, stop, start, cut, heal, roam, change, \
                 squeeze, release"
            )),
        }
    }

    fn person(&self, name: &str) -> Result<usize, String> {
        let found = self.people.iter().position(|person| person.name == name);
        found.ok_or_else(|| format!("there is nobody called {name}"))
    }

    fn ip(&self, name: &str) -> Result<IpAddr, String> {
        match find(&self.story.nodes, name) {
            Ok(node) => Ok(self.nodes[node].ip),
            Err(why) => self.person(name).map(|p| self.people[p].at.ip()).map_err(|_| why),
        }
    }
}

fn find(nodes: &[NodeSpec], name: &str) -> Result<usize, String> {
    nodes.iter().position(|node| node.name == name).ok_or_else(|| {
        let all: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        format!("there is no node called {name}; there are {}", all.join(", "))
    })
}

fn nodes(story: &Story, atlas: &Atlas) -> Result<Vec<NodePlan>, String> {
    let ip = |index: usize| IpAddr::from([10, 77, index as u8 + 1, 1]);
    let node = |(index, spec): (usize, &NodeSpec)| {
        let edges: Vec<usize> =
            spec.edges.iter().map(|edge| find(&story.nodes, edge)).collect::<Result<_, _>>()?;
        let edge = |edge: &usize| Edge {
            name: story.nodes[*edge].name.clone(),
            url: format!("http://{}:{PORT}", ip(*edge)),
            ..Edge::default()
        };
        let turn = spec.turn.as_ref().map(|name| find(&story.nodes, name)).transpose()?;
        let is_turn = story.nodes.iter().any(|other| other.turn.as_ref() == Some(&spec.name));
        let udp = vec![SocketAddr::new(ip(index), PORT)];
        let tcp = if is_turn { udp.clone() } else { Vec::new() };
        let config = Config {
            name: spec.name.clone(),
            access: Access::Open,
            addresses: Addresses { udp, tcp, ..Addresses::default() },
            http_port: Some(PORT),
            public_host: Some(ip(index).to_string()),
            edges: edges.iter().map(edge).collect(),
            turn: is_turn.then(|| turn_server(ip(index))),
            ice_servers: turn.map(|server| ice_servers(ip(server))),
            ..Config::default()
        };
        let ahead = Duration::from_secs(spec.clock_ahead_s.unsigned_abs());
        let calendar = match spec.clock_ahead_s < 0 {
            true => CALENDAR.saturating_sub(ahead),
            false => CALENDAR + ahead,
        };
        let (city, name) = (atlas.city(&spec.city)?, spec.name.clone());
        let place = Place { name: name.clone(), city, last_mile: None };
        Ok(NodePlan { name, ip: ip(index), config, place, calendar, edges, turn })
    };
    story.nodes.iter().enumerate().map(node).collect()
}

fn turn_server(ip: IpAddr) -> Turn {
    Turn {
        realm: "farcast".to_owned(),
        secrets: vec![Secret(SECRET.to_vec())],
        relays: vec![RelayIp { bind: ip, announced: ip }],
        ports: Some(RELAYED),
        // To everybody else these networks are private.
        allow: vec![Network { ip: IpAddr::from([10, 77, 0, 0]), prefix: 16 }],
        machine: vec![ip],
        per_user: CROWD,
        ..Turn::default()
    }
}

fn ice_servers(ip: IpAddr) -> IceServers {
    let urls = vec![format!("turns:{ip}:{PORT}?transport=tcp")];
    IceServers { secret: Secret(SECRET.to_vec()), urls }
}

fn people(
    story: &Story,
    atlas: &Atlas,
    nodes: &[NodePlan],
    seed: &mut Seed,
) -> Result<Vec<PersonPlan>, String> {
    let door = |name: &Option<String>| match name {
        Some(name) => find(&story.nodes, name).map(|node| SocketAddr::new(nodes[node].ip, PORT)),
        None => Ok(SocketAddr::new(nodes[0].ip, PORT)),
    };
    let end = Duration::from_secs_f64(story.seconds);
    let closes = |at: Option<f64>| at.map_or(end, |at| end.min(Duration::from_secs_f64(at)));
    let mut people = Vec::new();
    let mut add = |name: &str, city: &str, last_mile, script| {
        let [high, low] = (people.len() as u16 + 1).to_be_bytes();
        let at = SocketAddr::from(([10, 78, high, low], BROWSER));
        let place = Place { name: name.to_owned(), city: atlas.city(city)?, last_mile };
        let seed = seed.fork();
        people.push(PersonPlan { name: name.to_owned(), at, place, script, seed });
        Ok::<_, String>(())
    };
    for spec in &story.publishers {
        let PublisherSpec { video_kbps, layers, svc, adapts, .. } = *spec;
        let script = Script {
            film: Some(Film { video_kbps, layers, svc, audio: true, adapts }),
            stream: spec.stream.clone(),
            door: Door::Node(door(&spec.node)?),
            firewalled: false,
            opens: Duration::from_secs_f64(spec.opens_s),
            closes: closes(spec.closes_s),
        };
        add(&spec.name, &spec.city, spec.last_mile, script)?;
    }
    for spec in &story.viewers {
        for number in 0..spec.count {
            let at = door(&spec.node)?;
            let door = if spec.node.is_some() { Door::Node(at) } else { Door::Balancer(at) };
            let wait = spec.within_s * number as f64 / spec.count as f64;
            let script = Script {
                film: None,
                stream: spec.stream.clone(),
                door,
                firewalled: spec.firewalled,
                opens: Duration::from_secs_f64(spec.opens_s + wait),
                closes: closes(spec.closes_s),
            };
            add(&spec.name, &spec.city, spec.last_mile, script)?;
        }
    }
    Ok(people)
}
