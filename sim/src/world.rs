//! The in-memory world: nodes and peers on wires with a delay, and a clock that jumps from one
//! deadline to the next. It does what a driver does, without sockets or threads.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use farcast_core::config::{Access, Addresses, Birth, Config, Edge};
use farcast_core::http::{Call, CallError, Method, Reply, Request};
use farcast_core::hub::session::crypto::Crypto;
use farcast_core::machine::{
    BindId, CallId, ConnectionId, Datagram, Input, Machine, Output, RequestId,
};
use farcast_core::node::Node;
use farcast_core::report::Report;

use crate::host::Host;
use crate::peer::{Peer, Wish};

/// Calendar time at a world's start: 2026-01-01.
const CALENDAR: Duration = Duration::from_secs(1_767_225_600);
/// The port of every node, UDP and HTTP.
const PORT: u16 = 8080;

/// A node's place in a world.
pub type NodeIndex = usize;
/// A peer's place in a world.
pub type PeerIndex = usize;

/// Everything there is.
pub struct World {
    now: Instant,
    nodes: Vec<Host>,
    peers: Vec<Peer>,
    events: BTreeMap<(Instant, u64), Arrival>,
    sequence: u64,
    delay: Duration,
    /// Whether the wires carry DTLS.
    dtls: bool,
    crypto: Crypto,
    seed: u8,
    replies: BTreeMap<RequestId, Reply>,
    said: BTreeMap<ConnectionId, Vec<serde_json::Value>>,
    next_id: u64,
}

enum Arrival {
    Datagram { from: SocketAddr, to: SocketAddr, payload: Vec<u8> },
    Called { caller: NodeIndex, call: CallId, request: Call },
    Answered { caller: NodeIndex, call: CallId, result: Result<Reply, CallError> },
    Bound { node: NodeIndex, bind: BindId, at: SocketAddr },
}

impl World {
    /// An empty world in which everything is `delay` away from everything.
    pub fn new(seed: u8, delay: Duration) -> Self {
        World {
            now: Instant::now(),
            nodes: Vec::new(),
            peers: Vec::new(),
            events: BTreeMap::new(),
            sequence: 0,
            delay,
            dtls: true,
            crypto: Crypto::generate().expect("the system has randomness"),
            seed,
            replies: BTreeMap::new(),
            said: BTreeMap::new(),
            next_id: 0,
        }
    }

    /// Adds a node with these edges.
    pub fn add_node(&mut self, name: &str, edges: &[NodeIndex], access: Access) -> NodeIndex {
        let index = self.nodes.len();
        let ip = IpAddr::from([10, 77, index as u8 + 1, 1]);
        let edges = edges.iter().map(|edge| Edge {
            name: self.nodes[*edge].config.name.clone(),
            url: format!("http://{}:{PORT}", self.nodes[*edge].ip),
            ..Edge::default()
        });
        let config = Config {
            name: name.to_owned(),
            access,
            addresses: Addresses { udp: vec![SocketAddr::new(ip, PORT)], ..Addresses::default() },
            http_port: Some(PORT),
            edges: edges.collect(),
            ..Config::default()
        };
        self.nodes.push(Host::new(ip, config));
        self.start(index);
        index
    }

    /// From now on no wire carries DTLS, as if a middlebox knew it by its first byte.
    pub fn block_dtls(&mut self) {
        self.dtls = false;
    }

    /// Gives a node one more edge and starts it anew.
    pub fn add_edge(&mut self, node: NodeIndex, edge: NodeIndex) {
        let (name, ip) = (self.nodes[edge].config.name.clone(), self.nodes[edge].ip);
        let url = format!("http://{ip}:{PORT}");
        self.nodes[node].config.edges.push(Edge { name, url, ..Edge::default() });
        self.start(node);
    }

    /// Starts a node, again if it was killed: it remembers nothing.
    pub fn start(&mut self, index: NodeIndex) {
        self.seed = self.seed.wrapping_add(1);
        let calendar = CALENDAR + Duration::from_secs(u64::from(self.seed));
        let birth = Birth { seed: [self.seed; 32], calendar, start: self.now };
        let host = &mut self.nodes[index];
        host.node = Some(Node::new(host.config.clone(), birth, self.crypto.clone()));
    }

    /// A node is gone from one moment to the next.
    pub fn kill(&mut self, index: NodeIndex) {
        self.nodes[index].kill();
    }

    /// Asks a node over HTTP, as if from its own machine, and returns what it answers at once.
    pub fn ask(
        &mut self,
        node: NodeIndex,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let request = Request {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            body: body.into(),
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            secure: false,
        };
        self.ask_from(node, request)
    }

    fn ask_from(&mut self, node: NodeIndex, request: Request) -> Reply {
        let id = RequestId(self.new_id());
        self.feed(node, Input::Asked { id, request });
        self.replies.remove(&id).expect("every request is answered at once")
    }

    /// Adds a peer whose offer goes to `path` of a node; it is connected some time later.
    pub fn join(&mut self, node: NodeIndex, path: &str, wish: Wish) -> Result<PeerIndex, Reply> {
        let (mut peer, offer) = self.new_peer(wish);
        let headers = [("content-type", "application/sdp")];
        let reply = self.ask(node, Method::Post, path, &headers, &offer);
        if reply.status != 201 {
            return Err(reply);
        }
        let answer = String::from_utf8(reply.body).expect("SDP is text");
        peer.accept(self.now, &answer);
        Ok(self.add_peer(peer))
    }

    /// A peer that nobody has answered yet, and its offer.
    pub fn new_peer(&mut self, wish: Wish) -> (Peer, String) {
        let ip = [10, 78, (self.new_id() % 250) as u8, 1];
        let port = 40_000 + (self.new_id() % 20_000) as u16;
        Peer::new(self.now, SocketAddr::from((ip, port)), wish)
    }

    /// Adds a peer whose answer has been accepted.
    pub fn add_peer(&mut self, peer: Peer) -> PeerIndex {
        self.peers.push(peer);
        self.peers.len() - 1
    }

    /// Opens a WebSocket to a node.
    pub fn open(&mut self, node: NodeIndex) -> ConnectionId {
        let connection = ConnectionId(self.new_id());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        self.feed(node, Input::Opened { connection, peer });
        connection
    }

    /// Says something on a WebSocket.
    pub fn say(&mut self, node: NodeIndex, connection: ConnectionId, message: &serde_json::Value) {
        self.feed(node, Input::Said { connection, text: &message.to_string() });
    }

    /// Ends a WebSocket.
    pub fn leave(&mut self, node: NodeIndex, connection: ConnectionId, clean: bool) {
        self.feed(node, Input::Left { connection, clean });
    }

    /// Takes what a node has said on a WebSocket since the last time.
    pub fn heard(&mut self, connection: ConnectionId) -> Vec<serde_json::Value> {
        self.said.remove(&connection).unwrap_or_default()
    }

    /// A peer.
    pub fn peer(&self, index: PeerIndex) -> &Peer {
        &self.peers[index]
    }

    /// A peer says goodbye.
    pub fn close_peer(&mut self, index: PeerIndex) {
        let now = self.now;
        self.peers[index].close(now);
        self.carry_for(index);
    }

    /// A peer is gone without a word: its machine sleeps.
    pub fn drop_peer(&mut self, index: PeerIndex) {
        let address = SocketAddr::from(([10, 79, 0, 1], 1));
        let wish = Wish { publishes: false, audio: true, video: crate::peer::Video::None };
        self.peers[index] = Peer::new(self.now, address, wish).0;
    }

    /// What a node has reported.
    pub fn reports(&self, index: NodeIndex) -> &[Report] {
        &self.nodes[index].reports
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next_event().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    fn next_event(&self) -> Option<Instant> {
        let arrival = self.events.first_key_value().map(|((at, _), _)| *at);
        let nodes = self.nodes.iter().filter_map(|host| host.node.as_ref()?.deadline());
        let peers = self.peers.iter().map(Peer::deadline);
        arrival.into_iter().chain(nodes).chain(peers).min()
    }

    fn step(&mut self) {
        while let Some(entry) = self.events.first_entry().filter(|e| e.key().0 <= self.now) {
            let arrival = entry.remove();
            self.deliver(arrival);
        }
        for index in 0..self.nodes.len() {
            let deadline = self.nodes[index].node.as_ref().and_then(Machine::deadline);
            if deadline.is_some_and(|at| at <= self.now) {
                self.feed(index, Input::Timeout);
            }
        }
        for index in 0..self.peers.len() {
            if self.peers[index].deadline() <= self.now {
                self.peers[index].advance(self.now);
                self.carry_for(index);
            }
        }
    }

    fn deliver(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Datagram { from, to, payload } => self.deliver_datagram(from, to, &payload),
            Arrival::Called { caller, call, request } => {
                let result = self.call(caller, &request);
                self.schedule(Arrival::Answered { caller, call, result });
            }
            Arrival::Answered { caller, call, result } => {
                self.feed(caller, Input::Answered { call, result });
            }
            Arrival::Bound { node, bind, at } => {
                self.feed(node, Input::Bound { bind, result: Ok(at) });
            }
        }
    }

    fn deliver_datagram(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        // RFC 7983 section 7.
        let is_dtls = payload.first().is_some_and(|byte| (20..=63).contains(byte));
        if is_dtls && !self.dtls {
            return;
        }
        if let Some(index) = self.nodes.iter().position(|host| host.ip == to.ip()) {
            let host = &self.nodes[index];
            if to.port() == PORT || host.is_bound(to) {
                let datagram = Datagram { peer: from, local: to, payload };
                self.feed(index, Input::Datagrams(&[datagram]));
            }
        } else if let Some(index) = self.peers.iter().position(|peer| peer.address() == to) {
            self.peers[index].receive(self.now, from, payload);
            self.carry_for(index);
        }
    }

    fn call(&mut self, caller: NodeIndex, request: &Call) -> Result<Reply, CallError> {
        let rest = request.url.strip_prefix("http://").unwrap_or(&request.url);
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let alive =
            |host: &&Host| host.node.is_some() && authority == format!("{}:{PORT}", host.ip);
        let Some(host) = self.nodes.iter().find(alive) else {
            return Err(CallError(format!("connection refused by {authority}")));
        };
        let index = self.nodes.iter().position(|other| other.ip == host.ip).expect("just found");
        let request = Request {
            method: request.method,
            path: format!("/{path}"),
            query: String::new(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            peer: SocketAddr::new(self.nodes[caller].ip, 1),
            secure: false,
        };
        Ok(self.ask_from(index, request))
    }

    fn feed(&mut self, index: NodeIndex, input: Input<'_>) {
        let host = &mut self.nodes[index];
        let Some(node) = &mut host.node else { return };
        let mut outbox = std::mem::take(&mut host.outbox);
        node.handle(self.now, input, &mut outbox);
        for transmit in outbox.transmits() {
            for payload in transmit.datagrams() {
                let (from, to) = (transmit.local, transmit.peer);
                let payload = payload.to_vec();
                self.schedule(Arrival::Datagram { from, to, payload });
            }
        }
        let errands: Vec<Output> = outbox.errands().collect();
        outbox.clear();
        self.nodes[index].outbox = outbox;
        for errand in errands {
            self.run_errand(index, errand);
        }
    }

    fn run_errand(&mut self, index: NodeIndex, errand: Output) {
        let host = &mut self.nodes[index];
        match errand {
            Output::Bind { bind, near } => {
                let at = host.bind(near.ip());
                let arrival = Arrival::Bound { node: index, bind, at };
                self.events.insert((self.now, self.sequence), arrival);
                self.sequence += 1;
            }
            Output::Unbind { local } => host.unbind(local),
            Output::Reply { id, reply } => {
                self.replies.insert(id, reply);
            }
            Output::Write { connection, text } => {
                let message = serde_json::from_str(&text).expect("nodes write JSON");
                self.said.entry(connection).or_default().push(message);
            }
            Output::Close { .. } => {}
            Output::Call { call, request } => {
                self.schedule(Arrival::Called { caller: index, call, request });
            }
            Output::Report(report) => host.reports.push(report),
        }
    }

    fn carry_for(&mut self, index: PeerIndex) {
        while let Some((to, payload)) = self.peers[index].next_outgoing() {
            let from = self.peers[index].address();
            self.schedule(Arrival::Datagram { from, to, payload });
        }
    }

    fn schedule(&mut self, arrival: Arrival) {
        self.events.insert((self.now + self.delay, self.sequence), arrival);
        self.sequence += 1;
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}
