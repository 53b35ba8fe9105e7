//! What can be said about a story that has been told: what people saw and what nodes reported.
//! Nothing in it comes from the inside of a node.

use std::net::SocketAddr;
use std::time::Duration;

use farcast_core::report::Report;

use crate::atlas::CityIndex;
use crate::browser::Browser;
use crate::net::Net;
use crate::plan::{Action, Plan};
use crate::script::{Attempt, Door};
use crate::seals::Twice;
use crate::viewer::Frame;

/// What is left out of latency after the first frame: a viewer may have to catch up.
pub const CATCH_UP: Duration = Duration::from_millis(500);

/// Round trips until media flows: TCP, the offer, ICE, two of DTLS 1.2.
const JOIN: u32 = 5;
/// Those of them that go to the node itself, and those that a TURN server takes beside.
const SIGNALLED: u32 = 2;
const TUNNEL: u32 = 4;

/// What was seen. Times are since the world's start.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Of each person of the plan.
    pub people: Vec<Seen>,
    /// What each node reported, and when.
    pub reports: Vec<Vec<(Duration, Report)>>,
    /// Packets that were sealed twice.
    pub sealed_twice: Vec<Twice>,
    /// What each node was like long after everybody had left.
    pub quiet: Vec<Quiet>,
}

/// What one person saw.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Their tries to connect.
    pub attempts: Vec<Attempt>,
    /// The pictures on their screen.
    pub frames: Vec<Frame>,
    /// The sounds that arrived.
    pub sounds: Vec<Frame>,
    /// Whom the balancer named.
    pub named: Vec<(Duration, String)>,
    /// When they were asked for keyframes.
    pub keyframes_asked: Vec<Duration>,
}

/// A node without guests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet {
    /// Whether it runs.
    pub alive: bool,
    /// How often it woke in a second for nothing but the time; `None` where nobody counts.
    pub wakes_per_second: Option<f64>,
}

impl Seen {
    /// What this browser's owner saw.
    pub fn by(browser: &Browser) -> Seen {
        Seen {
            attempts: browser.attempts().to_vec(),
            frames: browser.frames().to_vec(),
            sounds: browser.sounds().to_vec(),
            named: browser.named().to_vec(),
            keyframes_asked: browser.keyframes_asked().to_vec(),
        }
    }

    /// The pictures that each try to connect brought.
    pub fn watched(&self) -> impl Iterator<Item = (&Attempt, &[Frame])> {
        let ends = self.attempts.iter().skip(1).map(|next| next.frames_before);
        let ends = ends.chain([self.frames.len()]);
        self.attempts.iter().zip(ends).map(|(attempt, end)| {
            (attempt, self.frames.get(attempt.frames_before..end).unwrap_or_default())
        })
    }
}

/// The way from a camera to a screen.
#[derive(Debug, Clone)]
pub struct Route {
    /// The publisher, the nodes, the viewer.
    hosts: Vec<SocketAddr>,
    /// Whether the last one before the viewer is a TURN server.
    tunnel: bool,
    /// The links that it goes over, by their cities.
    links: Vec<(CityIndex, CityIndex)>,
    publisher: usize,
    viewer: usize,
    nodes: Vec<usize>,
    /// What the light path takes.
    pub floor: Duration,
    /// Whether nothing else delays a packet.
    pub clean: bool,
}

impl Route {
    /// How what this person watches comes to them over this node; `None` if it cannot.
    pub fn new(plan: &Plan, net: &Net, viewer: usize, node: SocketAddr) -> Option<Route> {
        let (publisher, first) = plan.publisher(viewer)?;
        let nodes = plan.chain(first, plan.node_at(node)?)?;
        let turn = nodes.last().and_then(|last| plan.nodes[*last].turn);
        let tunnel = turn.filter(|_| plan.people[viewer].script.firewalled);
        let middle = nodes.iter().chain(&tunnel);
        let middle = middle.map(|node| SocketAddr::new(plan.nodes[*node].ip, 0));
        let ends = [publisher, viewer].map(|person| plan.people[person].at);
        let hosts: Vec<_> = [ends[0]].into_iter().chain(middle).chain([ends[1]]).collect();
        let floor = hosts.windows(2).map(|leg| net.delay(leg[0], leg[1])).sum();
        let clean = hosts.windows(2).all(|leg| net.is_clean(leg[0], leg[1]));
        let links = hosts.windows(2).flat_map(|leg| net.links(leg[0], leg[1])).copied().collect();
        let tunnel = tunnel.is_some();
        Some(Route { hosts, tunnel, links, publisher, viewer, nodes, floor, clean })
    }

    /// The round trip between two of its hosts: from the end.
    fn round_trip(&self, net: &Net, from: usize, to: usize) -> Duration {
        net.delay(self.hosts[from], self.hosts[to]) + net.delay(self.hosts[to], self.hosts[from])
    }

    /// The node that the publisher is connected to.
    pub fn publishers_node(&self) -> usize {
        self.nodes[0]
    }

    /// How long the publisher and the nodes need to join one after the other.
    pub fn joins(&self, net: &Net) -> Duration {
        (0..self.hosts.len() - 2).map(|leg| self.round_trip(net, leg, leg + 1) * JOIN).sum()
    }

    /// How long somebody waits for the first picture, in round trips (counted for HTTP without TLS,
    /// and DTLS 1.2): with the balancer two, TCP and the question; with the node five, for TCP,
    /// the offer, ICE, and two of DTLS; then one up to the publisher and back to the node for a
    /// keyframe, and its next frame. A TURN server takes four more, for TCP, TLS, and two to
    /// allocate; then ICE and DTLS go over it, and the first two round trips around it.
    pub fn first_frame(&self, plan: &Plan, net: &Net) -> Duration {
        let last = self.hosts.len() - 1;
        let asked = match plan.people[self.viewer].script.door {
            Door::Balancer(at) => net.delay(self.hosts[last], at) + net.delay(at, self.hosts[last]),
            Door::Node(_) => Duration::ZERO,
        };
        let leg = |leg| self.round_trip(net, leg, leg + 1);
        let up = (0..last - 1).map(leg).sum::<Duration>();
        let join = match self.tunnel {
            false => leg(last - 1) * JOIN,
            true => {
                let around = self.round_trip(net, last - 2, last);
                around * SIGNALLED + leg(last - 1) * TUNNEL + (leg(last - 2) + leg(last - 1)) * 3
            }
        };
        asked * 2 + join + up + Duration::from_millis(34)
    }

    /// Whether something that happens is about this way.
    pub fn is_touched(&self, action: &Action) -> bool {
        let leg = |a, b| {
            self.hosts.windows(2).any(|leg| {
                let ips = [leg[0].ip(), leg[1].ip()];
                ips == [a, b] || ips == [b, a]
            })
        };
        match action {
            Action::Kill(node) | Action::Stop(node) | Action::Start(node) => {
                self.nodes.contains(node)
            }
            Action::Cut(a, b) | Action::Heal(a, b) => leg(*a, *b),
            Action::Roam(person) | Action::Squeeze(person, _) => {
                [self.publisher, self.viewer].contains(person)
            }
            Action::Change(one, other, _) => {
                self.links.contains(&(*one, *other)) || self.links.contains(&(*other, *one))
            }
        }
    }
}
