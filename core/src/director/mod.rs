//! The control plane of a node: it admits requests, names sessions, keeps relays and neighbours.
//! Media does not pass through it, and goes on without it.

mod admission;
mod balance;
mod connections;
mod ice_servers;
mod knock;
mod load;
mod registry;
pub(crate) mod relays;
mod requests;
pub mod signal;
mod streams;
mod whip;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::config::{Birth, Config};
use crate::director::balance::fleet::Fleet;
use crate::director::balance::round_robin::RoundRobin;
use crate::director::connections::Connections;
use crate::director::ice_servers::IceServers;
use crate::director::knock::{KnockId, Knocks};
use crate::director::registry::Registry;
use crate::director::relays::{LinkId, Relays};
use crate::director::streams::Streams;
use crate::hub::words::{Command, Event, SessionId};
use crate::machine::{BindId, CallId, ConnectionId, Load};
use crate::media::track::StreamName;
use crate::outbox::Outbox;
use crate::report::Report;
use crate::seed::Seed;
use crate::timers::Timers;

/// Decides for one node.
pub struct Director {
    config: Config,
    start: Instant,
    calendar: Duration,
    seed: Seed,
    /// Tells this life of the node from the one before: neighbours see that it restarted.
    instance: String,
    load: Load,
    stopping: bool,
    next_session: u64,
    next_call: u64,
    streams: Streams,
    registry: Registry,
    connections: Connections,
    ice_servers: Option<IceServers>,
    fleet: Fleet,
    round_robin: RoundRobin,
    relays: Relays,
    knocks: Knocks,
    timers: Timers<Timer>,
    /// The last report of how many there are of everything.
    population: Option<Report>,
}

/// Every reason to wake up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Ask an edge how it is.
    Poll(usize),
    /// Try a relay again.
    Relay(LinkId),
    /// A stream's publisher did not come back.
    Vacant(StreamName),
    /// A viewer did not play its stream's new codec.
    Outdated(SessionId),
    /// Knock again.
    Knock(KnockId),
}

/// What a room of the director leaves its errands in, lent from above.
pub(crate) struct Desk<'a> {
    pub(crate) now: Instant,
    pub(crate) commands: &'a mut Vec<Command>,
    pub(crate) out: &'a mut Outbox,
}

impl Director {
    /// A director that looks after its edges from its first instant on.
    pub fn new(config: Config, birth: Birth, mut seed: Seed) -> Self {
        let mut timers = Timers::new();
        for edge in 0..config.edges.len() {
            timers.set(Timer::Poll(edge), birth.start);
        }
        Director {
            start: birth.start,
            calendar: birth.calendar,
            instance: seed.word(12),
            seed,
            load: Load::default(),
            stopping: false,
            next_session: 0,
            next_call: 0,
            streams: Streams::default(),
            registry: Registry::default(),
            connections: Connections::default(),
            ice_servers: config.ice_servers.clone().map(IceServers::new),
            fleet: Fleet::new(&config.edges),
            round_robin: RoundRobin::default(),
            relays: Relays::default(),
            knocks: Knocks::default(),
            population: None,
            timers,
            config,
        }
    }

    /// When the director wants to hear of the time next.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what has become due.
    pub(crate) fn timeout(&mut self, desk: &mut Desk<'_>) {
        while let Some(timer) = self.timers.due(desk.now) {
            match timer {
                Timer::Poll(edge) => self.poll(edge, desk),
                Timer::Relay(link) => self.start_relay(link, desk),
                Timer::Vacant(stream) => self.abandon(&stream, desk),
                Timer::Outdated(session) => {
                    let why = "the stream came back in another codec";
                    desk.commands.push(Command::Close { session, why });
                }
                Timer::Knock(knock) => self.knock_again(knock, desk),
            }
        }
    }

    /// The machine was measured.
    pub(crate) fn measured(&mut self, load: Load) {
        self.load = load;
    }

    /// The node is about to stop: nobody gets in any more.
    pub(crate) fn stop(&mut self, desk: &mut Desk<'_>) {
        self.stopping = true;
        self.timers = Timers::new();
        self.connections.close_all("this node stops", desk.out);
        self.stop_knocking(desk);
    }

    /// A socket for a relay or a knock is there, or not.
    pub(crate) fn bound(
        &mut self,
        bind: BindId,
        result: Result<SocketAddr, String>,
        desk: &mut Desk<'_>,
    ) {
        if !self.knock_bound(bind, &result, desk) {
            self.relay_bound(LinkId(bind.0), result, desk);
        }
    }

    /// A hub tells what happened.
    pub(crate) fn observe(&mut self, event: Event, desk: &mut Desk<'_>) {
        match event {
            Event::Answered { session, result, .. } => {
                self.offer_answered(session, result.is_ok());
            }
            Event::Offered { session, result } => self.relay_offered(session, result, desk),
            Event::Restarted { ticket, result: Ok(_) } => self.restarted(&ticket.resource),
            Event::Restarted { .. } => {}
            Event::Connected { session } => self.session_connected(session, desk),
            Event::Carried { session, over_tcp } => self.relay_carried(session, over_tcp, desk),
            Event::Published { session, tracks } => self.published(session, tracks, desk),
            Event::Seen { session, quality } => {
                let message = |resource: &str| signal::message::quality(resource, quality);
                self.tell_viewer(session, desk, message);
            }
            Event::Quiet { session, quiet } => self.session_quiet(session, quiet, desk),
            Event::Ended { session, why } => self.session_ended(session, why, desk),
        }
    }

    fn session_connected(&mut self, session: SessionId, desk: &mut Desk<'_>) {
        let Some(record) = self.registry.get(session) else { return };
        let (resource, connection) = (record.resource.clone(), record.connection);
        if let Some(connection) = connection {
            let message = signal::message::connected(&resource);
            self.connections.tell(connection, &message, desk.out);
        }
        self.relay_connected(session, desk);
    }

    fn session_quiet(&mut self, session: SessionId, quiet: bool, desk: &mut Desk<'_>) {
        if let Some(record) = self.registry.get_mut(session) {
            record.quiet = quiet;
        }
        if quiet && self.relays.is_up(session) {
            desk.commands.push(Command::Close { session, why: "the edge fell silent" });
        }
    }

    fn session_ended(&mut self, session: SessionId, why: &'static str, desk: &mut Desk<'_>) {
        self.relay_ended(session, why, desk);
        let Some(record) = self.forget(session) else { return };
        if let Some(connection) = record.connection {
            let message = signal::message::ended(&record.resource, why);
            self.connections.tell(connection, &message, desk.out);
        }
        if self.streams.unpublish(&record.stream, session) {
            self.vacated(&record.stream, desk);
        }
    }

    /// Takes a session out of every table; the hub has none of it any more.
    fn forget(&mut self, session: SessionId) -> Option<registry::Record> {
        let record = self.registry.remove(session)?;
        self.timers.clear(Timer::Outdated(session));
        if let Some(connection) = record.connection {
            self.connections.release(connection, session);
        }
        self.streams.release(&record.stream, session);
        Some(record)
    }

    /// Calendar time, since the Unix epoch.
    fn calendar(&self, now: Instant) -> Duration {
        self.calendar + now.saturating_duration_since(self.start)
    }

    fn new_session(&mut self) -> SessionId {
        self.next_session += 1;
        SessionId(self.next_session)
    }

    fn new_call(&mut self) -> CallId {
        self.next_call += 1;
        CallId(self.next_call)
    }

    /// Tells how many there are of everything, if that has changed.
    pub(crate) fn report_population(&mut self, out: &mut Outbox) {
        let (publishers, viewers, relays) = self.registry.population();
        let connections = self.connections.len() as u64;
        let streams = self.streams.live() as u64;
        let report = Report::Population { publishers, viewers, relays, connections, streams };
        if self.population.as_ref() != Some(&report) {
            self.population = Some(report.clone());
            out.report(report);
        }
    }

    /// A WebSocket is open.
    pub(crate) fn opened(&mut self, connection: ConnectionId, host: String, desk: &mut Desk<'_>) {
        if self.stopping || self.connections.len() >= crate::limits::CONNECTIONS {
            let reason = "this node takes no more connections; ask the balancer for another one";
            desk.out.push(crate::machine::Output::Close { connection, reason });
            return;
        }
        self.connections.open(connection, host);
        let hello = signal::message::hello(&self.config.name);
        self.connections.tell(connection, &hello, desk.out);
    }

    /// A WebSocket took some of what was written.
    pub(crate) fn writable(&mut self, connection: ConnectionId, unsent: usize) {
        self.connections.writable(connection, unsent);
    }

    /// A WebSocket is gone. A goodbye ends its sessions; a break does not: media goes on until the
    /// client is back or falls silent.
    pub(crate) fn left(&mut self, connection: ConnectionId, clean: bool, desk: &mut Desk<'_>) {
        for session in self.connections.left(connection) {
            if let Some(record) = self.registry.get_mut(session) {
                record.connection = None;
            }
            if clean {
                desk.commands.push(Command::Close { session, why: "the client said goodbye" });
            }
        }
    }
}
