//! Relay links that find no way over UDP: they connect to the other node over TCP, and ICE checks
//! that way as well.

use std::net::SocketAddr;
use std::time::Instant;

use crate::hub::demux::SessionKey;
use crate::hub::session::route::Place;
use crate::hub::words::Event;
use crate::hub::{Hub, Timer};
use crate::limits;
use crate::machine::{Carrier, ConnectId, Output, StreamId};
use crate::outbox::Outbox;

impl Hub {
    /// The other node has answered: it may be reachable over TCP alone.
    pub(super) fn prepare_detour(&mut self, now: Instant, key: SessionKey) {
        if self.sessions.get(key).is_some_and(|member| member.session.has_detour()) {
            self.timers.set(Timer::Detour(key), now + limits::DETOUR);
        }
    }

    /// Connects to the next address over TCP, if there is no other way yet.
    pub(super) fn try_detour(&mut self, key: SessionKey, out: &mut Outbox) {
        let Some(member) = self.sessions.get_mut(key) else { return };
        let Some(to) = member.session.next_detour() else { return };
        let fits = |ip: &SocketAddr| !ip.ip().is_unspecified() && ip.is_ipv4() == to.is_ipv4();
        let from = member.bound.filter(fits).map(|bound| SocketAddr::new(bound.ip(), 0));
        let session = member.id;
        self.pipes.next_connect += 1;
        let connect = ConnectId(self.pipes.next_connect);
        self.pipes.connecting.insert(connect, (session, to));
        out.push(Output::Connect { connect, from, to });
    }

    /// The other node was reached over TCP, or not.
    pub(super) fn detoured(
        &mut self,
        now: Instant,
        connect: ConnectId,
        result: &Result<(StreamId, SocketAddr), String>,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        let Some((session, peer)) = self.pipes.connecting.remove(&connect) else { return };
        let key = self.by_id.get(&session).copied();
        match (key, result) {
            (Some(key), Ok((stream, local))) => {
                let place = Place { carrier: Carrier::Stream(*stream), peer };
                self.pipes.add(*stream, *local, place, key);
                self.demux.dedicate(*stream, key);
                self.sessions[key].session.take_detour(place, *local);
                self.advance(now, key, events, out);
            }
            (Some(key), Err(_)) => self.try_detour(key, out),
            (None, Ok((stream, _))) => out.push(Output::End { stream: *stream }),
            (None, Err(_)) => {}
        }
    }
}
