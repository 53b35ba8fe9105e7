//! A story as people write it: who is where, who watches what, and what goes wrong when.

use std::ops::RangeInclusive;

use serde::Deserialize;

use crate::atlas::{self, Atlas, City, Line, Link};
use crate::camera::Svc;
use crate::laws::Law;

/// Virtual seconds of the longest story.
const LONGEST: f64 = 3_600.0;
/// People in one story.
const CROWD: usize = 5_000;
/// Kilobits a second of one publisher's video.
const BITRATE: u32 = 100_000;
/// Layers of simulcast that browsers send.
const LAYERS: RangeInclusive<u8> = 1..=3;
/// Nodes in one story: each has a network of its own.
const NODES: usize = 200;
/// Faults that the seed of one story chooses.
const FAULTS: u32 = 1_000;

/// The stories that come with the program, by name.
pub const STORIES: &[(&str, &str)] = &[
    ("four-cities", include_str!("../stories/four-cities.toml")),
    ("squeeze", include_str!("../stories/squeeze.toml")),
    ("uplink", include_str!("../stories/uplink.toml")),
    ("lossy-both", include_str!("../stories/lossy-both.toml")),
    ("lossy-last-mile", include_str!("../stories/lossy-last-mile.toml")),
    ("ocean-cable-cut", include_str!("../stories/ocean-cable-cut.toml")),
    ("edge-dies", include_str!("../stories/edge-dies.toml")),
    ("origin-restarts", include_str!("../stories/origin-restarts.toml")),
    ("flash-crowd", include_str!("../stories/flash-crowd.toml")),
    ("slow-viewer", include_str!("../stories/slow-viewer.toml")),
    ("firewalled-viewer", include_str!("../stories/firewalled-viewer.toml")),
    ("publisher-roams", include_str!("../stories/publisher-roams.toml")),
    ("clock-skew", include_str!("../stories/clock-skew.toml")),
    ("random-faults", include_str!("../stories/random-faults.toml")),
];

/// A story.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// What people call it; a file's own name if it says nothing.
    #[serde(default)]
    pub name: String,
    /// What happens, in a sentence or two.
    #[serde(default)]
    pub about: String,
    /// The name of an atlas that comes with the program, unless the story has cities of its own.
    pub atlas: Option<String>,
    /// The cities of its own atlas.
    #[serde(rename = "city", default)]
    cities: Vec<City>,
    /// The links of its own atlas.
    #[serde(rename = "link", default)]
    links: Vec<Link>,
    /// How long it takes, in virtual seconds; then everybody leaves.
    #[serde(default = "half_a_minute")]
    pub seconds: f64,
    /// The nodes.
    #[serde(rename = "node", default)]
    pub nodes: Vec<NodeSpec>,
    /// Who publishes.
    #[serde(rename = "publisher", default)]
    pub publishers: Vec<PublisherSpec>,
    /// Who watches.
    #[serde(rename = "viewer", default)]
    pub viewers: Vec<ViewerSpec>,
    /// What goes wrong.
    #[serde(rename = "event", default)]
    pub events: Vec<EventSpec>,
    /// How many faults the seed adds.
    #[serde(default)]
    pub random_faults: u32,
    /// What its routes must keep beside the laws.
    #[serde(default)]
    pub limits: Limits,
    /// Laws that it cannot keep yet.
    #[serde(default)]
    pub expected_to_fail: Vec<Expected>,
}

/// A node.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    /// What people call it.
    pub name: String,
    /// Its city.
    pub city: String,
    /// The nodes that it feeds.
    #[serde(default)]
    pub edges: Vec<String>,
    /// The node whose TURN server its guests are told of.
    pub turn: Option<String>,
    /// By how many seconds its calendar is ahead.
    #[serde(default)]
    pub clock_ahead_s: i64,
}

/// Somebody who publishes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublisherSpec {
    /// What people call it.
    pub name: String,
    /// Their city.
    pub city: String,
    /// The node that they publish to; the first one if none is named.
    pub node: Option<String>,
    /// The stream.
    #[serde(default = "stream")]
    pub stream: String,
    /// Kilobits a second of video.
    #[serde(default = "bitrate")]
    pub video_kbps: u32,
    /// Layers, each with a quarter of the bits of the next one.
    #[serde(default = "one_layer")]
    pub layers: u8,
    /// Whether they come as one (SVC), and in which codec; else they are simulcast.
    #[serde(default)]
    pub svc: Option<Svc>,
    /// Whether video takes no more than their uplink, as browsers see to it.
    #[serde(default)]
    pub adapts: bool,
    /// When they begin.
    #[serde(default)]
    pub opens_s: f64,
    /// When they leave; at the end if it is not said.
    pub closes_s: Option<f64>,
    /// What lies between them and their city's network.
    pub last_mile: Option<Line>,
}

/// Somebody who watches, or a crowd of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewerSpec {
    /// What people call it.
    pub name: String,
    /// Their city.
    pub city: String,
    /// The node that serves them; the first node's balancer names one if it is not said.
    pub node: Option<String>,
    /// The stream.
    #[serde(default = "stream")]
    pub stream: String,
    /// When they come.
    #[serde(default = "soon")]
    pub opens_s: f64,
    /// When they leave; at the end if it is not said.
    pub closes_s: Option<f64>,
    /// How many they are.
    #[serde(default = "one")]
    pub count: usize,
    /// Within how many seconds the crowd comes.
    #[serde(default)]
    pub within_s: f64,
    /// What lies between each of them and their city's network.
    pub last_mile: Option<Line>,
    /// Whether a firewall lets nothing but TCP through: media goes over TURN and TLS.
    #[serde(default)]
    pub firewalled: bool,
}

/// Something that happens; one of its verbs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSpec {
    /// When.
    pub at_s: f64,
    /// This node is gone, without a word.
    pub kill: Option<String>,
    /// This node is told to end, and says goodbye to everybody.
    pub stop: Option<String>,
    /// This node starts again and remembers nothing.
    pub start: Option<String>,
    /// Nothing passes any more between these two.
    pub cut: Option<[String; 2]>,
    /// They reach each other again.
    pub heal: Option<[String; 2]>,
    /// The address of this person changes.
    pub roam: Option<String>,
    /// A link becomes another one.
    pub change: Option<Link>,
    /// This person's line is squeezed to so many kilobits a second: the last mile each way, or what
    /// the byte streams of somebody behind a firewall bring.
    pub squeeze: Option<Squeeze>,
    /// It is so no more.
    pub release: Option<String>,
}

/// How a line is squeezed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Squeeze {
    /// Whose.
    pub person: String,
    /// To how much.
    pub kbps: u32,
}

/// What the routes of a story must keep.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// 99 of 100 frames take no longer than the light path and so many milliseconds.
    pub p99_above_floor_ms: Option<f64>,
}

/// A law that a story cannot keep yet.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Which.
    pub law: Law,
    /// What is missing.
    pub missing: String,
    /// Whether every run must break it; with random faults, not every one does.
    #[serde(default = "yes")]
    pub always: bool,
}

fn half_a_minute() -> f64 {
    30.0
}

fn stream() -> String {
    "stream1".to_owned()
}

fn one_layer() -> u8 {
    1
}

fn bitrate() -> u32 {
    2_500
}

fn soon() -> f64 {
    3.0
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

impl Story {
    /// Reads a story.
    pub fn parse(text: &str) -> Result<Story, String> {
        let story: Story = toml::from_str(text).map_err(|error| error.to_string())?;
        story.check()?;
        Ok(story)
    }

    /// A story that comes with the program.
    pub fn named(name: &str) -> Result<Story, String> {
        let Some((_, text)) = STORIES.iter().find(|(known, _)| *known == name) else {
            let all: Vec<&str> = STORIES.iter().map(|(name, _)| *name).collect();
            let all = all.join(", ");
            return Err(format!("there is no story called {name}; there are {all}, or a file"));
        };
        Story::parse(text)
    }

    /// The first story that anybody wants to hear of an atlas: a node in every city, the first one
    /// feeds the others, somebody publishes there, and somebody in each city watches from each
    /// node.
    pub fn tour(name: &str, atlas: Atlas) -> Result<Story, String> {
        let Atlas { cities, links } = atlas;
        let names: Vec<String> = cities.iter().map(|city| city.name.clone()).collect();
        let first = names.first().ok_or("an atlas needs a [[city]]")?.clone();
        let node = |city: &String| NodeSpec {
            name: city.to_lowercase().replace(' ', "-"),
            city: city.clone(),
            edges: Vec::new(),
            turn: None,
            clock_ahead_s: 0,
        };
        let mut nodes: Vec<NodeSpec> = names.iter().map(node).collect();
        nodes[0].edges = nodes[1..].iter().map(|node| node.name.clone()).collect();
        let watch = |city: &String, node: &NodeSpec| ViewerSpec {
            name: city.clone(),
            city: city.clone(),
            node: Some(node.name.clone()),
            stream: stream(),
            opens_s: soon(),
            closes_s: None,
            count: 1,
            within_s: 0.0,
            last_mile: None,
            firewalled: false,
        };
        let viewers = names.iter().flat_map(|city| nodes.iter().map(move |node| watch(city, node)));
        let story = Story {
            name: name.to_owned(),
            about: format!("A tour of its cities; somebody in {first} publishes."),
            atlas: None,
            seconds: 15.0,
            publishers: vec![PublisherSpec {
                name: "publisher".to_owned(),
                city: first,
                node: None,
                stream: stream(),
                video_kbps: bitrate(),
                layers: one_layer(),
                svc: None,
                adapts: false,
                opens_s: 0.0,
                closes_s: None,
                last_mile: None,
            }],
            viewers: viewers.collect(),
            nodes,
            cities,
            links,
            events: Vec::new(),
            random_faults: 0,
            limits: Limits::default(),
            expected_to_fail: Vec::new(),
        };
        story.check()?;
        Ok(story)
    }

    /// Whether it has anybody in it; else it is an atlas.
    pub fn is_bare(&self) -> bool {
        self.nodes.is_empty() && self.publishers.is_empty() && self.viewers.is_empty()
    }

    /// The world that it plays in.
    pub fn atlas(&self) -> Result<Atlas, String> {
        let own = Atlas { cities: self.cities.clone(), links: self.links.clone() };
        match self.atlas.as_deref() {
            None if own.cities.is_empty() => {
                Err("it plays nowhere; add [[city]] and [[link]], or atlas = \"four-cities\""
                    .into())
            }
            None => own.roads().map(|_| own),
            Some("four-cities") => Atlas::parse(atlas::FOUR_CITIES),
            Some(name) => Err(format!("there is no atlas called {name}; there is four-cities")),
        }
    }

    fn check(&self) -> Result<(), String> {
        self.atlas()?;
        if self.is_bare() {
            return Ok(());
        }
        if !(1.0..=LONGEST).contains(&self.seconds) {
            return Err(format!("seconds lies between 1 and {LONGEST}"));
        }
        let viewers = self.viewers.iter().map(|viewers| viewers.count).sum::<usize>();
        if viewers + self.publishers.len() > CROWD || self.nodes.len() > NODES {
            return Err(format!("a story has at most {NODES} nodes and {CROWD} people"));
        }
        if self.random_faults > FAULTS {
            return Err(format!("random_faults lies between 0 and {FAULTS}"));
        }
        if self.publishers.iter().any(|publisher| publisher.video_kbps > BITRATE) {
            return Err(format!("video_kbps lies between 0 and {BITRATE}"));
        }
        if self.publishers.iter().any(|publisher| !LAYERS.contains(&publisher.layers)) {
            return Err(format!("layers lies between {} and {}", LAYERS.start(), LAYERS.end()));
        }
        if self.publishers.iter().any(|publisher| publisher.adapts && publisher.svc.is_some()) {
            return Err("adapts is for simulcast, or for a single layer; not for svc".into());
        }
        if self.nodes.is_empty() || self.publishers.is_empty() {
            return Err("a story needs a [[node]] and a [[publisher]]".into());
        }
        let lines = self.publishers.iter().filter_map(|publisher| publisher.last_mile);
        for line in lines.chain(self.viewers.iter().filter_map(|viewers| viewers.last_mile)) {
            line.checked().map_err(|why| format!("a last_mile: {why}"))?;
        }
        let squeezes = self.events.iter().filter_map(|event| event.squeeze.as_ref());
        if squeezes.into_iter().any(|squeeze| squeeze.kbps == 0) {
            return Err("a squeeze leaves at least one of kbps".into());
        }
        let times = self.viewers.iter().flat_map(|v| [v.opens_s, v.within_s]);
        let times = times.chain(self.publishers.iter().map(|publisher| publisher.opens_s));
        let times = times.chain(self.viewers.iter().filter_map(|viewers| viewers.closes_s));
        let times = times.chain(self.publishers.iter().filter_map(|publisher| publisher.closes_s));
        for time in times.chain(self.events.iter().map(|event| event.at_s)) {
            if !(0.0..=self.seconds).contains(&time) {
                return Err(format!("{time} s is not within the story's {} s", self.seconds));
            }
        }
        Ok(())
    }
}
