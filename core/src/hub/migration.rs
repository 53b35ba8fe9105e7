//! Sessions live where the kernel delivers their peers' datagrams. All are made on the first core,
//! beside the director, and move when a peer's check arrives elsewhere; once media flows, they stay
//! if they can, and what arrives on a wrong core is passed on. It knows sessions as a whole, not
//! what is in them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::cores::{CoreId, Message, Word};
use crate::hub::between::{Between, Stray};
use crate::hub::demux::SessionKey;
use crate::hub::layers::Watch;
use crate::hub::session::route::Place;
use crate::hub::session::{self, Session};
use crate::hub::words::{Command, Event, SessionId};
use crate::hub::{Hub, Member, Role};
use crate::limits;
use crate::machine::{Carrier, Datagram, Output};
use crate::media::track::StreamName;
use crate::outbox::Outbox;

/// A session on its way to another core.
pub(crate) struct Migrant {
    id: SessionId,
    role: Role,
    stream: StreamName,
    session: Session,
    watches: Vec<Watch>,
    quiet: bool,
    /// Whether the stream, as it is now, is what its session was negotiated for.
    joined: bool,
}

impl std::fmt::Debug for Migrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Migrant({}, {})", self.id.0, self.role.as_str())
    }
}

/// What a hub knows of other cores' sessions. Looked up only.
#[derive(Debug, Default)]
pub(super) struct Abroad {
    /// On the first core: where every session is that has moved, and its ufrag.
    homes: HashMap<SessionId, (CoreId, String)>,
    by_ufrag: HashMap<String, SessionId>,
    /// Peers whose datagrams arrive here though their sessions live elsewhere; told by their own
    /// hubs, after an authentic check.
    places: HashMap<Place, (CoreId, Instant)>,
    budget: Budget,
}

/// Checks that may be passed on: strangers can make up as many as they like.
#[derive(Debug, Default)]
struct Budget {
    began: Option<Instant>,
    passed: u32,
}

impl Budget {
    fn take(&mut self, now: Instant) -> bool {
        let is_over = |began: Instant| now.saturating_duration_since(began) >= PERIOD;
        if self.began.is_none_or(is_over) {
            *self = Budget { began: Some(now), passed: 0 };
        }
        self.passed += 1;
        self.passed <= limits::CHECKS_PASSED_ON
    }
}

const PERIOD: Duration = Duration::from_secs(1);

impl Abroad {
    fn home_of(&self, session: SessionId) -> Option<CoreId> {
        self.homes.get(&session).map(|(core, _)| *core)
    }

    fn find(&self, ufrag: &str) -> Option<CoreId> {
        self.home_of(*self.by_ufrag.get(ufrag)?)
    }

    fn forget(&mut self, session: SessionId) {
        if let Some((_, ufrag)) = self.homes.remove(&session) {
            self.by_ufrag.remove(&ufrag);
        }
    }

    fn moved(&mut self, session: SessionId, core: CoreId, ufrag: String) {
        self.forget(session);
        self.by_ufrag.insert(ufrag.clone(), session);
        self.homes.insert(session, (core, ufrag));
    }

    fn learn(&mut self, now: Instant, place: Place, core: CoreId) {
        if self.places.len() >= limits::PLACES_ABROAD {
            self.places = HashMap::new();
        }
        self.places.insert(place, (core, now));
    }

    fn core_of(&mut self, now: Instant, place: Place) -> Option<CoreId> {
        let (core, told) = *self.places.get(&place)?;
        if now.saturating_duration_since(told) <= limits::PLACE_ABROAD {
            return Some(core);
        }
        self.places.remove(&place);
        None
    }
}

impl Hub {
    /// Passes a datagram on that no session of this hub wants; `false`: nobody wants it.
    pub(super) fn pass_on(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        out: &mut Outbox,
    ) -> bool {
        if self.cores == 1 {
            return false;
        }
        let stray = || Stray::new(self.core, datagram);
        if let Some(core) = session::checked(datagram.payload, |ufrag| self.whereabouts(ufrag)) {
            if !self.abroad.budget.take(now) {
                return false;
            }
            self.tell(core, Between::Check(stray()), out);
            return true;
        }
        let word = Between::Datagram(stray());
        let Some(core) = self.abroad.core_of(now, Place::of(datagram)) else { return false };
        self.tell(core, word, out);
        true
    }

    /// Who may know the session that answers to this ufrag; `None`: it is here, or gone.
    pub(super) fn whereabouts(&self, ufrag: &str) -> Option<CoreId> {
        match self.core {
            _ if self.demux.by_ufrag(ufrag).is_some() => None,
            CoreId::FIRST => self.abroad.find(ufrag),
            _ => Some(CoreId::FIRST),
        }
    }

    /// The core that a command for a session that is not here goes to.
    pub(super) fn home_of(&self, session: SessionId) -> Option<CoreId> {
        match self.core {
            _ if self.by_id.contains_key(&session) => None,
            CoreId::FIRST => self.abroad.home_of(session),
            _ => Some(CoreId::FIRST),
        }
    }

    /// Passes a command on to where its session is now.
    pub(super) fn pass_command(&self, core: CoreId, command: Command, out: &mut Outbox) {
        out.push(Output::Tell { core, word: Word::new(Message::Command(command)) });
    }

    /// A session has ended on another core.
    pub(crate) fn ended_abroad(&mut self, session: SessionId) {
        self.abroad.forget(session);
    }

    /// A session has another ufrag than before.
    pub(super) fn renamed(&mut self, session: SessionId, ufrag: String, out: &mut Outbox) {
        match (self.core, self.abroad.home_of(session)) {
            (CoreId::FIRST, Some(core)) => self.abroad.moved(session, core, ufrag),
            (CoreId::FIRST, None) => {}
            _ => self.tell(CoreId::FIRST, Between::Renamed { session, ufrag }, out),
        }
    }

    /// What another hub of this node says.
    pub(crate) fn told(
        &mut self,
        now: Instant,
        from: CoreId,
        word: Between,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        match word {
            Between::Check(stray) => self.checked_abroad(now, stray, events, out),
            Between::Datagram(stray) => self.take_stray(now, &stray, events, out),
            Between::Lives { place, core } => self.abroad.learn(now, place, core),
            Between::Move { to, migrant, check } if to == self.core => {
                self.abroad.forget(migrant.id);
                self.immigrate(now, *migrant, out);
                self.take_stray(now, &check, events, out);
            }
            Between::Move { to, migrant, check } => self.send_off(to, migrant, check, out),
            Between::Renamed { session, ufrag } => self.renamed(session, ufrag, out),
            Between::Life(life) => self.announced(now, life, out),
            Between::Want { layers } => self.wanted(now, from, layers, out),
            Between::Unwant { layers } => self.unwanted(from, layers),
            Between::Packets { track, packets, past } => self.crossed(track, &packets, past),
            Between::Clock { track, clock } => self.road.tells_time(track, clock),
            Between::Wish { track } => self.road.wish(track),
        }
        self.fan_out(now, events, out);
    }

    /// Another core had no room for a word of ours: a session that was to move there is lost.
    pub(crate) fn untold(&mut self, word: Between, events: &mut Vec<Event>) {
        if let Between::Move { migrant, .. } = word {
            self.abroad.forget(migrant.id);
            events.push(Event::Ended { session: migrant.id, why: "this node is too busy" });
        }
    }

    /// A check of a session of ours, perhaps, has arrived on another core.
    fn checked_abroad(
        &mut self,
        now: Instant,
        stray: Stray,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        let datagram = stray.datagram();
        let Some(key) = session::checked(datagram.payload, |ufrag| self.demux.by_ufrag(ufrag))
        else {
            let home = session::checked(datagram.payload, |ufrag| self.abroad.find(ufrag));
            if let Some(core) = home {
                self.tell(core, Between::Check(stray), out);
            }
            return;
        };
        let session = &self.sessions[key].session;
        if !session.authenticates(datagram.payload, &self.crypto) {
            return;
        }
        // Its answer can leave from here only if no stream and no allocation of another core's
        // carries it.
        let can_stay = datagram.carrier == Carrier::Udp;
        let is_settled = session.is_connected() && can_stay;
        if stray.at != self.core && !is_settled && session.is_drawn(now, &datagram) {
            return self.emigrate(now, key, stray, out);
        }
        if stray.at == self.core || can_stay {
            let (place, core) = (Place::of(&datagram), self.core);
            if stray.at != core {
                self.tell(stray.at, Between::Lives { place, core }, out);
            }
            self.take_stray(now, &stray, events, out);
        }
    }

    fn take_stray(
        &mut self,
        now: Instant,
        stray: &Stray,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        let mut heard = std::mem::take(&mut self.road.events);
        self.receive(now, &stray.datagram(), &mut heard, events, out);
        self.road.events = heard;
    }

    /// A session goes where a check has arrived.
    fn emigrate(&mut self, now: Instant, key: SessionKey, check: Stray, out: &mut Outbox) {
        let member = &self.sessions[key];
        let joined = self.streams.has(&member.stream, key);
        let Some(mut member) = self.depart(key, out) else { return };
        // Streams and allocations stay with the core that has them.
        let ways: Vec<Place> = member.session.places().collect();
        for place in ways {
            match place.carrier {
                Carrier::Udp => self.abroad.learn(now, place, check.at),
                _ => member.session.route().lose(place),
            }
        }
        member.watches.iter_mut().for_each(Watch::begin_anew);
        let Member { id, role, stream, session, watches, quiet, .. } = member;
        let migrant = Migrant { id, role, stream, session, watches, quiet, joined };
        self.send_off(check.at, Box::new(migrant), check, out);
    }

    /// The first core knows where everybody is, so every move goes through it.
    fn send_off(&mut self, to: CoreId, migrant: Box<Migrant>, check: Stray, out: &mut Outbox) {
        let mut next = CoreId::FIRST;
        if self.core == CoreId::FIRST {
            self.abroad.moved(migrant.id, to, migrant.session.ufrag().to_owned());
            next = to;
        }
        self.tell(next, Between::Move { to, migrant, check }, out);
    }

    fn immigrate(&mut self, now: Instant, migrant: Migrant, out: &mut Outbox) {
        let Migrant { id, role, stream, session, watches, quiet, joined } = migrant;
        let is_connected = session.is_connected();
        let ways: Vec<Place> = session.places().collect();
        let key = self.settle(now, id, role.clone(), stream.clone(), session);
        let member = &mut self.sessions[key];
        (member.watches, member.quiet) = (watches, quiet);
        ways.into_iter().for_each(|place| self.demux.learn(place, key));
        match role {
            Role::Publisher { tracks, .. } if is_connected => {
                self.publish_here(now, key, tracks, out);
            }
            Role::Publisher { .. } => {}
            Role::Viewer | Role::Relay => {
                if joined {
                    self.streams.join(&stream, key);
                    self.want(key, out);
                }
                self.attach(now, key);
            }
        }
    }
}
