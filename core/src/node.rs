//! One core's share of a node: a hub, a TURN server and the director, composed. It carries values
//! between them and decides nothing; the driver and every simulated world run exactly this.

use std::net::SocketAddr;
use std::time::Instant;

use crate::config::{Birth, Config, OwnMedia};
use crate::cores::{CoreId, Message, Word};
use crate::director::signal::reply;
use crate::director::{Desk, Director};
use crate::hub::Hub;
use crate::hub::session::crypto::Crypto;
use crate::hub::session::path::Paths;
use crate::hub::words::{Command, Event};
use crate::machine::{Carrier, Datagram, Door, Input, Machine, Output};
use crate::outbox::{Outbox, Runs};
use crate::seed::Seed;
use crate::sorting::{self, Owner};
use crate::ticket::{Ticket, Via};
use crate::turn::{self, Inward, News, Turn};

/// A node, or what one of its cores has of it.
pub struct Node {
    cores: usize,
    /// On the first core.
    director: Option<Box<Director>>,
    hub: Hub,
    turn: Option<Turn>,
    /// The sockets that the hub and the TURN server share.
    shared: Vec<SocketAddr>,
    streams: sorting::Streams,
    /// On their way down; reused.
    commands: Vec<Command>,
    /// On their way up; reused.
    events: Vec<Event>,
    /// From TURN clients to the hub; reused.
    inward: Inward,
    /// From the hub to TURN clients; reused.
    relayed: Runs,
}

impl Node {
    /// A node that begins at its birth's instant; if it has several cores, what the first one has
    /// of it.
    pub fn new(config: Config, birth: Birth, crypto: Crypto) -> Self {
        Node::on_core(CoreId::FIRST, config, birth, crypto)
    }

    /// What one core has of a node. All are told the same but for the seed of their birth.
    pub fn on_core(core: CoreId, config: Config, birth: Birth, crypto: Crypto) -> Self {
        let mut seed = Seed::new(birth.seed);
        let hub = Hub::new(&config, core, crypto, seed.fork());
        let director_seed = seed.fork();
        let turn = config.turn.clone().map(|turn| {
            let own = own_media(&Paths::new(&config.addresses.udp, &config.addresses));
            Turn::new(turn, own, birth, seed.fork())
        });
        let is_first = core == CoreId::FIRST;
        Node {
            cores: config.cores.max(1),
            hub,
            turn,
            shared: config.addresses.udp.clone(),
            director: is_first.then(|| Box::new(Director::new(config, birth, director_seed))),
            streams: sorting::Streams::default(),
            commands: Vec::new(),
            events: Vec::new(),
            inward: Inward::default(),
            relayed: Runs::default(),
        }
    }

    fn take(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox) {
        let events = &mut self.events;
        match input {
            Input::Datagrams(datagrams) => self.sort(now, datagrams, out),
            Input::Told(word) => self.told(now, word, out),
            Input::Untold(word) => {
                if let Message::Hub { word, .. } = *word.0 {
                    self.hub.untold(word, events);
                }
            }
            Input::Bound { bind, .. } | Input::Listening { bind, .. }
                if sorting::of_bind(bind) == Owner::Turn =>
            {
                self.tell_turn(now, &input, out);
            }
            Input::Alternates(_) => self.tell_turn(now, &input, out),
            Input::Stopping => {
                self.direct(now, input, out);
                self.hub.stop(now, &mut self.events, out);
                self.pass_relayed(now, out);
                self.tell_turn(now, &Input::Stopping, out);
            }
            Input::Timeout => {
                self.direct(now, input, out);
                self.hub.timeout(now, &mut self.events, out);
                self.tell_turn(now, &Input::Timeout, out);
            }
            Input::Connected { connect, .. } if sorting::is_directors(connect) => {
                self.direct(now, input, out);
            }
            Input::Listening { .. }
            | Input::Unreachable { .. }
            | Input::Accepted { .. }
            | Input::Connected { .. }
            | Input::Bytes { .. }
            | Input::Unsent { .. }
            | Input::Ended { .. } => self.stream(now, &input, out),
            _ => self.direct(now, input, out),
        }
    }

    /// Gives the director, if it is on this core, a fact that concerns it.
    fn direct(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox) {
        let Some(director) = &mut self.director else { return };
        let mut desk = Desk { now, commands: &mut self.commands, out };
        match input {
            Input::Bound { bind, result } => director.bound(bind, result, &mut desk),
            Input::Connected { connect, result } => {
                director.connected(connect, result, &mut desk);
            }
            Input::Asked { id, request } => director.asked(id, &request, &mut desk),
            Input::Opened { connection, host, .. } => {
                director.opened(connection, host, &mut desk);
            }
            Input::Said { connection, text } => director.said(connection, text, &mut desk),
            Input::Writable { connection, unsent } => director.writable(connection, unsent),
            Input::Left { connection, clean } => director.left(connection, clean, &mut desk),
            Input::Answered { call, result } => director.answered(call, result, &mut desk),
            Input::Measured(load) => director.measured(load),
            Input::Stopping => director.stop(&mut desk),
            Input::Timeout => director.timeout(&mut desk),
            _ => {}
        }
    }

    /// Another core says something.
    fn told(&mut self, now: Instant, word: Word, out: &mut Outbox) {
        match *word.0 {
            Message::Command(command) => self.commands.push(command),
            Message::Event(event) => {
                if let Event::Ended { session, .. } = event {
                    self.hub.ended_abroad(session);
                }
                self.events.push(event);
            }
            Message::Revoke(user) => self.revoke(now, &user, out),
            Message::Hub { from, word } => self.hub.told(now, from, word, &mut self.events, out),
        }
    }

    /// Gives every datagram of one read to its owner, in order.
    fn sort(&mut self, now: Instant, datagrams: &[Datagram<'_>], out: &mut Outbox) {
        let Some(first) = datagrams.first() else { return };
        if let Some(director) = self.director.as_mut().filter(|one| one.knocks_from(first.local)) {
            let mut desk = Desk { now, commands: &mut self.commands, out };
            return director.heard(datagrams, &mut desk);
        }
        let Some(turn) = &mut self.turn else {
            return self.hub.datagrams(now, datagrams, &mut self.events, out);
        };
        // One read is of one socket; those that somebody had bound are that one's alone.
        if turn.is_relayed(first.local) {
            let mut desk = turn::Desk { now, inward: &mut self.inward, out };
            return turn.from_peers(datagrams, &mut desk);
        }
        if !self.shared.iter().any(|shared| serves(*shared, first.local)) {
            return self.hub.datagrams(now, datagrams, &mut self.events, out);
        }
        let owner = sorting::of_datagram;
        for run in datagrams.chunk_by(|one, other| owner(one) == owner(other)) {
            match owner(&run[0]) {
                Owner::Hub => self.hub.datagrams(now, run, &mut self.events, out),
                Owner::Turn => {
                    let mut desk = turn::Desk { now, inward: &mut self.inward, out };
                    turn.from_clients(run, &mut desk);
                }
            }
        }
    }

    /// Gives a fact about a byte stream to the stream's owner.
    fn stream(&mut self, now: Instant, input: &Input<'_>, out: &mut Outbox) {
        let owner = match input {
            Input::Accepted { stream, door, .. } if !self.wants(*door) => {
                return out.push(Output::End { stream: *stream });
            }
            Input::Accepted { stream, door, .. } => Some(self.streams.accept(*stream, *door)),
            Input::Connected { connect, result } => {
                let owner = sorting::of_connect(*connect);
                if let Ok((stream, _)) = result {
                    self.streams.take(*stream, owner);
                }
                Some(owner)
            }
            Input::Bytes { stream, .. } | Input::Unsent { stream, .. } => {
                self.streams.owner(*stream)
            }
            Input::Ended { stream } => self.streams.forget(*stream),
            _ => Some(Owner::Turn),
        };
        match owner {
            Some(Owner::Hub) => self.hub.stream(now, input, &mut self.events, out),
            Some(Owner::Turn) => self.tell_turn(now, input, out),
            None => {}
        }
    }

    /// Whether anybody here speaks what a new stream speaks.
    fn wants(&self, door: Door) -> bool {
        door == Door::Ice || self.turn.is_some()
    }

    fn tell_turn(&mut self, now: Instant, input: &Input<'_>, out: &mut Outbox) {
        if let Some(turn) = &mut self.turn {
            turn.hear(input, &mut turn::Desk { now, inward: &mut self.inward, out });
        }
    }

    /// Carries values between the machines until all are silent.
    fn settle(&mut self, now: Instant, out: &mut Outbox) {
        loop {
            for command in std::mem::take(&mut self.commands) {
                self.hub.command(now, command, &mut self.events, out);
            }
            // Goodbyes of sessions that end go out before their allocations end.
            self.pass_relayed(now, out);
            for event in std::mem::take(&mut self.events) {
                self.pass_event(now, event, out);
            }
            self.pass_inward(now, out);
            self.pass_relayed(now, out);
            if self.commands.is_empty() && self.events.is_empty() && self.inward.is_empty() {
                return;
            }
        }
    }

    /// Tells the director what happened in a hub.
    fn pass_event(&mut self, now: Instant, event: Event, out: &mut Outbox) {
        let Some(director) = &mut self.director else {
            let word = Word::new(Message::Event(event));
            return out.push(Output::Tell { core: CoreId::FIRST, word });
        };
        let gone = match event {
            Event::Ended { session, .. } => Some(director.turn_user(session)),
            _ => None,
        };
        let mut desk = Desk { now, commands: &mut self.commands, out };
        answer(director, &event, &mut desk);
        director.observe(event, &mut desk);
        if let Some(user) = gone.filter(|_| self.turn.is_some()) {
            for core in (1..self.cores).map(CoreId) {
                let word = Word::new(Message::Revoke(user.clone()));
                out.push(Output::Tell { core, word });
            }
            self.revoke(now, &user, out);
        }
    }

    /// A session that is gone takes its allocations along.
    fn revoke(&mut self, now: Instant, user: &str, out: &mut Outbox) {
        if let Some(turn) = &mut self.turn {
            let mut desk = turn::Desk { now, inward: &mut self.inward, out };
            turn.revoke(user, &mut desk);
        }
    }

    /// What TURN clients sent to this node's own media, and what becomes of them.
    fn pass_inward(&mut self, now: Instant, out: &mut Outbox) {
        if self.inward.is_empty() {
            return;
        }
        let Inward { datagrams, news } = &self.inward;
        let datagrams: Vec<Datagram<'_>> = datagrams.arrivals(Carrier::Relay).collect();
        self.hub.datagrams(now, &datagrams, &mut self.events, out);
        for one in news {
            match *one {
                News::Waiting { relayed, bytes } => self.hub.note_waiting(relayed, bytes),
                News::Ended { relayed } => self.hub.lose_relayed(relayed),
            }
        }
        self.inward.clear();
    }

    /// What the hub sent to TURN clients.
    fn pass_relayed(&mut self, now: Instant, out: &mut Outbox) {
        let relayed = out.take_relayed(std::mem::take(&mut self.relayed));
        if let Some(turn) = &mut self.turn {
            let mut desk = turn::Desk { now, inward: &mut self.inward, out };
            turn.from_media(&relayed, &mut desk);
        }
        self.relayed = relayed;
        self.relayed.clear();
    }
}

/// Whether a socket bound at `bound` receives what is sent to `local`.
fn serves(bound: SocketAddr, local: SocketAddr) -> bool {
    let any = bound.ip().is_unspecified() && bound.is_ipv4() == local.is_ipv4();
    bound.port() == local.port() && (any || bound.ip() == local.ip())
}

/// What leads inside the process when a TURN client sends there.
fn own_media(paths: &Paths) -> Vec<OwnMedia> {
    let own = |path: &crate::hub::session::path::Path| OwnMedia {
        announced: path.announced,
        local: path.local,
    };
    paths.iter().map(own).collect()
}

/// A hub's answer goes to the asker at once, by the ticket that came with the question.
fn answer(director: &mut Director, event: &Event, desk: &mut Desk<'_>) {
    let (ticket, message) = match event {
        Event::Answered { ticket, result, .. } => {
            (ticket, reply::answered(ticket, result, desk.out))
        }
        Event::Restarted { ticket, result } => (ticket, reply::restarted(ticket, result, desk.out)),
        _ => return,
    };
    let Ticket { via: Via::WebSocket { connection, .. }, .. } = ticket else { return };
    if let Some(message) = message {
        director.deliver(*connection, &message, desk);
    }
}

impl Machine for Node {
    fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox) {
        match input {
            Input::Sent => self.hub.go_on(now, &mut self.events, out),
            input => self.take(now, input, out),
        }
        if self.hub.is_under_way() {
            return out.expect_more();
        }
        self.settle(now, out);
        if self.hub.has_more(now, out) {
            out.expect_more();
        }
        // No other fact says that a stream is gone which we end.
        for stream in out.ended() {
            self.streams.forget(stream);
        }
        if let Some(director) = &mut self.director {
            director.report_population(out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let director = self.director.as_ref().and_then(|director| director.deadline());
        let turn = self.turn.as_ref().and_then(Turn::deadline);
        [director, self.hub.deadline(), turn].into_iter().flatten().min()
    }
}
