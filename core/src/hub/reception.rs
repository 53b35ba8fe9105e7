//! What arrives, over whatever: each datagram goes to its session, and whoever sent it is known by
//! what it proves.

use std::time::Instant;

use crate::hub::demux::SessionKey;
use crate::hub::session::route::Place;
use crate::hub::session::{self, SessionEvent};
use crate::hub::words::Event;
use crate::hub::{Hub, Timer};
use crate::limits;
use crate::machine::Datagram;
use crate::outbox::Outbox;
use crate::report::Report;

impl Hub {
    /// Everything that one read of a socket brought.
    pub fn datagrams(
        &mut self,
        now: Instant,
        datagrams: &[Datagram<'_>],
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        let mut stray = 0;
        let mut heard = std::mem::take(&mut self.road.events);
        for datagram in datagrams {
            if !self.receive(now, datagram, &mut heard, events, out) {
                stray += 1;
            }
        }
        self.road.events = heard;
        if stray > 0 {
            out.report(Report::Stray { datagrams: stray });
        }
        self.fan_out(now, events, out);
    }

    /// Gives a datagram to its session; `false`: it has none.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        heard: &mut Vec<SessionEvent>,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) -> bool {
        let Some(key) = self.owner(now, datagram, out) else {
            return self.pass_on(now, datagram, out);
        };
        let Some(member) = self.sessions.get_mut(key) else { return false };
        let session = &mut member.session;
        if session.takes_feedback(datagram.payload) {
            self.feedback(now, key, datagram, out);
            return true;
        }
        session.receive(now, datagram, &mut self.entropy, heard, out);
        self.timers.hasten(Timer::Session(key), session.deadline());
        self.listen(now, key, heard, events, out);
        true
    }

    /// Whose datagram this is. An ICE check names its session, and only one that carries the
    /// session's password makes its sender's place known.
    fn owner(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        out: &mut Outbox,
    ) -> Option<SessionKey> {
        if let Some(key) = self.demux.exclusive(datagram) {
            return Some(key);
        }
        let known = self.demux.by_place(Place::of(datagram));
        // STUN is 0..=3 (RFC 7983 section 7).
        let is_stun = datagram.payload.first().is_some_and(|byte| *byte <= 3);
        if !is_stun {
            return known;
        }
        let key = session::checked(datagram.payload, |ufrag| self.demux.by_ufrag(ufrag))?;
        if known != Some(key) {
            // Somebody with a session of its own could spoof the address of another one's peer.
            if known.is_some_and(|owner| self.is_heard(now, owner)) {
                return None;
            }
            self.learn(key, datagram, out)?;
        }
        // Who has moved has missed something, and needs a keyframe.
        if self.sessions[key].session.heed(now, datagram, &self.crypto) {
            self.attach(now, key);
        }
        Some(key)
    }

    /// Remembers where an ICE check came from, if it is authentic.
    fn learn(&mut self, key: SessionKey, check: &Datagram<'_>, out: &mut Outbox) -> Option<()> {
        let session = &mut self.sessions.get_mut(key)?.session;
        if !session.authenticates(check.payload, &self.crypto) {
            return None;
        }
        let place = Place::of(check);
        let forgotten = session.route().learn(place);
        self.want(key, out);
        self.demux.learn(place, key);
        self.adopt(place, key);
        if let Some(forgotten) = forgotten {
            self.demux.unlearn(forgotten, key);
            self.end_place(forgotten, out);
        }
        Some(())
    }

    fn is_heard(&self, now: Instant, key: SessionKey) -> bool {
        let member = self.sessions.get(key);
        member.is_some_and(|m| now.duration_since(m.session.heard_at()) < limits::QUIET)
    }
}
