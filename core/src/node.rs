//! One core's share of a node: a hub and the director, composed. It carries values between them and
//! decides nothing; the driver and every simulated world run exactly this.

use std::time::Instant;

use crate::config::{Birth, Config};
use crate::director::signal::reply;
use crate::director::{Desk, Director};
use crate::hub::Hub;
use crate::hub::session::crypto::Crypto;
use crate::hub::words::{Command, Event};
use crate::machine::{Input, Machine};
use crate::outbox::Outbox;
use crate::seed::Seed;
use crate::ticket::{Ticket, Via};

/// A node.
pub struct Node {
    director: Director,
    hub: Hub,
    /// On their way down; reused.
    commands: Vec<Command>,
    /// On their way up; reused.
    events: Vec<Event>,
}

impl Node {
    /// A node that begins at its birth's instant.
    pub fn new(config: Config, birth: Birth, crypto: Crypto) -> Self {
        let mut seed = Seed::new(birth.seed);
        Node {
            hub: Hub::new(config.addresses.clone(), crypto, seed.fork()),
            director: Director::new(config, birth, seed.fork()),
            commands: Vec::new(),
            events: Vec::new(),
        }
    }

    fn take(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox) {
        let events = &mut self.events;
        let director = &mut self.director;
        let mut desk = Desk { now, commands: &mut self.commands, out };
        match input {
            Input::Datagrams(datagrams) => self.hub.datagrams(now, datagrams, events, desk.out),
            Input::Bound { bind, result } => director.bound(bind, result, &mut desk),
            Input::Asked { id, request } => director.asked(id, &request, &mut desk),
            Input::Opened { connection, .. } => director.opened(connection, &mut desk),
            Input::Said { connection, text } => director.said(connection, text, &mut desk),
            Input::Writable { connection, unsent } => director.writable(connection, unsent),
            Input::Left { connection, clean } => director.left(connection, clean, &mut desk),
            Input::Answered { call, result } => director.answered(call, result, &mut desk),
            Input::Measured(load) => director.measured(load),
            Input::Stopping => {
                director.stop(&mut desk);
                self.hub.stop(now, events, desk.out);
            }
            Input::Timeout => {
                director.timeout(&mut desk);
                self.hub.timeout(now, events, desk.out);
            }
        }
    }

    /// Carries values between the two until both are silent.
    fn settle(&mut self, now: Instant, out: &mut Outbox) {
        while !self.commands.is_empty() || !self.events.is_empty() {
            for command in std::mem::take(&mut self.commands) {
                self.hub.command(now, command, &mut self.events, out);
            }
            for event in std::mem::take(&mut self.events) {
                let mut desk = Desk { now, commands: &mut self.commands, out };
                answer(&mut self.director, &event, &mut desk);
                self.director.observe(event, &mut desk);
            }
        }
    }
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
        self.take(now, input, out);
        self.settle(now, out);
        self.director.report_population(out);
    }

    fn deadline(&self) -> Option<Instant> {
        match (self.director.deadline(), self.hub.deadline()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}
