//! What a test does with its own hands: a world in which everything is equally far apart, questions
//! that are answered at once, peers and WebSockets that come and go as it wants.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use farcast_core::config::{Access, Addresses, Config, Edge};
use farcast_core::http::{Method, Reply, Request};
use farcast_core::machine::{ConnectionId, Input, RequestId};
use farcast_core::seed::Seed;

use super::{NodeIndex, PeerIndex, World};
use crate::atlas::{Atlas, City, Line};
use crate::guest::Guest;
use crate::handshake::Dtls;
use crate::net::{Net, Place};
use crate::peer::{Birth, Peer};
use crate::plan::{CALENDAR, PORT};
use crate::wish::{Video, Wish};

impl World {
    /// An empty world in which everything is `delay` away from everything.
    pub fn new(seed: u8, delay: Duration) -> Self {
        let city = City { name: "here".to_owned(), at: None };
        let atlas = Atlas { cities: vec![city], links: Vec::new() };
        let mut seed = Seed::new([seed; 32]);
        let net = Net::new(&atlas, seed.fork()).expect("one city reaches itself");
        World { delay, ..World::on(net, seed, Dtls::Real) }
    }

    /// Adds a node with these edges.
    pub fn add_node(&mut self, name: &str, edges: &[NodeIndex], access: Access) -> NodeIndex {
        let ip = IpAddr::from([10, 77, self.nodes.len() as u8 + 1, 1]);
        let config = Config {
            name: name.to_owned(),
            access,
            addresses: Addresses { udp: vec![SocketAddr::new(ip, PORT)], ..Addresses::default() },
            http_port: Some(PORT),
            edges: edges.iter().map(|edge| self.edge(*edge)).collect(),
            ..Config::default()
        };
        let index = self.add_host(config, self.place(name), CALENDAR);
        self.start(index);
        index
    }

    /// Gives a node one more edge and starts it anew.
    pub fn add_edge(&mut self, node: NodeIndex, edge: NodeIndex) {
        let edge = self.edge(edge);
        self.configure(node, |config| config.edges.push(edge));
    }

    /// Changes what a node is told at birth and starts it anew.
    pub fn configure(&mut self, node: NodeIndex, change: impl FnOnce(&mut Config)) {
        change(&mut self.nodes[node].config);
        self.start(node);
    }

    /// Starts a node anew that takes ICE over TCP as well.
    pub fn listen(&mut self, node: NodeIndex) {
        let host = &mut self.nodes[node];
        host.config.addresses.tcp = vec![SocketAddr::new(host.ip, PORT)];
        self.start(node);
    }

    /// From now on no datagram reaches or leaves a node.
    pub fn block_udp_at(&mut self, node: NodeIndex) {
        self.without_udp.insert(self.nodes[node].ip);
    }

    /// From now on no datagram reaches or leaves a peer.
    pub fn block_udp(&mut self, peer: PeerIndex) {
        self.without_udp.insert(self.guests[peer].socket().ip());
    }

    /// A peer gives UDP up.
    pub fn forsake_udp(&mut self, index: PeerIndex) {
        let now = self.now;
        if let Guest::Peer(peer) = &mut self.guests[index] {
            peer.forsake_udp(now);
        }
        self.carry_for(index);
    }

    fn edge(&self, edge: NodeIndex) -> Edge {
        let host = &self.nodes[edge];
        let url = format!("http://{}:{PORT}", host.ip);
        Edge { name: host.config.name.clone(), url, ..Edge::default() }
    }

    /// From now on no wire carries DTLS, as if a middlebox knew it by its first byte.
    pub fn block_dtls(&mut self) {
        self.dtls = false;
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

    pub(super) fn ask_from(&mut self, node: NodeIndex, request: Request) -> Reply {
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
        let [high, low] = (self.new_id() as u16).to_be_bytes();
        let address = SocketAddr::from(([10, 78, high, low], 40_000));
        let place = self.place("peer");
        self.net.put(SocketAddr::new(address.ip(), 0), place);
        let (now, start, dtls) = (self.now, self.start, self.handshake);
        let camera = wish.publishes.then(|| wish.camera(self.time(), self.seed.fork()));
        let seed = self.seed.fork();
        Peer::born(Birth { now, start, address, seed, dtls, camera }, wish)
    }

    /// Adds a peer whose answer has been accepted.
    pub fn add_peer(&mut self, peer: Peer) -> PeerIndex {
        self.add_guest(Guest::Peer(Box::new(peer)))
    }

    /// Opens a WebSocket to a node.
    pub fn open(&mut self, node: NodeIndex) -> ConnectionId {
        let connection = ConnectionId(self.new_id());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let host = format!("{}:{PORT}", self.nodes[node].ip);
        self.feed(node, Input::Opened { connection, peer, host });
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

    /// A peer that was added by hand.
    pub fn peer(&self, index: PeerIndex) -> &Peer {
        match &self.guests[index] {
            Guest::Peer(peer) => peer,
            Guest::Browser(_) => panic!("guest {index} tells its own story"),
        }
    }

    /// A peer says goodbye.
    pub fn close_peer(&mut self, index: PeerIndex) {
        let now = self.now;
        if let Guest::Peer(peer) = &mut self.guests[index] {
            peer.close(now);
        }
        self.carry_for(index);
    }

    /// A peer is gone without a word: its machine sleeps.
    pub fn drop_peer(&mut self, index: PeerIndex) {
        let wish = Wish { publishes: false, audio: true, video: Video::None };
        let (asleep, _) = self.new_peer(wish);
        self.guests[index] = Guest::Peer(Box::new(asleep));
        self.carry_for(index);
    }

    fn place(&self, name: &str) -> Place {
        let rtt_ms = self.delay.as_secs_f64() * 1000.0;
        let last_mile = Some(Line { rtt_ms, ..Line::default() });
        Place { name: name.to_owned(), city: 0, last_mile }
    }
}
