//! The neighbours of a node as their own answers show them: alive or not, their ports, the streams
//! that they hold.

use serde::Deserialize;

use crate::config::Edge;
use crate::limits;
use crate::media::track::StreamName;

/// All edges of a node, in the order of its configuration.
#[derive(Debug, Default)]
pub(crate) struct Fleet(Vec<Member>);

/// One edge.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// The URL that viewers are told.
    pub(crate) public_url: String,
    /// Whether it gets new viewers.
    pub(crate) alive: bool,
    missed: u32,
    /// What it last said of itself.
    pub(crate) load: LoadReport,
}

/// An edge's answer to `GET /v1/load`; unknown members are ignored, missing ones have defaults.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LoadReport {
    /// What it calls itself; we may call it otherwise.
    pub(crate) name: String,
    /// Tells one life of the edge from the next.
    pub(crate) instance: String,
    /// The port of its plain HTTP.
    pub(crate) ws: Option<u16>,
    /// The port of its HTTPS.
    pub(crate) wss: Option<u16>,
    /// Its streams.
    pub(crate) streams: Vec<HeldStream>,
}

/// A stream that an edge has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HeldStream {
    pub(crate) name: String,
    /// The node that its publisher is connected to.
    pub(crate) holder: String,
}

/// What a poll changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing that anybody must hear of.
    None,
    /// It answers again as it did before, or for the first time.
    Up,
    /// It answers, but is not the process that answered before.
    Restarted,
    /// It gets no new viewers from now on.
    Down,
}

impl Fleet {
    pub(crate) fn new(edges: &[Edge]) -> Self {
        Fleet(edges.iter().map(Member::new).collect())
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.0
    }

    /// An edge answered its poll.
    pub(crate) fn answered(&mut self, edge: usize, mut load: LoadReport) -> Change {
        load.streams.truncate(limits::STREAMS);
        let Some(member) = self.0.get_mut(edge) else { return Change::None };
        let known = &member.load.instance;
        let restarted = !known.is_empty() && *known != load.instance;
        let change = match (restarted, member.alive) {
            (true, _) => Change::Restarted,
            (false, false) => Change::Up,
            (false, true) => Change::None,
        };
        member.alive = true;
        member.missed = 0;
        member.load = load;
        change
    }

    /// An edge did not answer its poll, or not usefully.
    pub(crate) fn missed(&mut self, edge: usize) -> Change {
        let Some(member) = self.0.get_mut(edge) else { return Change::None };
        member.missed += 1;
        if member.missed < limits::POLLS_MISSED || !member.alive {
            return Change::None;
        }
        member.alive = false;
        member.load.streams.clear();
        Change::Down
    }

    /// The node that holds this name, if one of the edges knows of one that is not `us`.
    pub(crate) fn holder_of(&self, name: &StreamName, us: &str) -> Option<&str> {
        let streams = self.0.iter().flat_map(|member| &member.load.streams);
        let mut held = streams.filter(|stream| stream.name == name.as_str());
        held.find(|stream| stream.holder != us).map(|stream| stream.holder.as_str())
    }
}

impl Member {
    fn new(edge: &Edge) -> Self {
        Member {
            name: edge.name.clone(),
            public_url: edge.public_url.clone().unwrap_or_else(|| edge.url.clone()),
            alive: false,
            missed: 0,
            load: LoadReport::default(),
        }
    }
}
