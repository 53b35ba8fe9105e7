//! Byte streams that carry framed datagrams (RFC 4571): who is behind each, what comes out of it,
//! and when it ends. It does not look at what the datagrams say.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use crate::hub::demux::SessionKey;
use crate::hub::framing::Deframer;
use crate::hub::session::{self, route::Place};
use crate::hub::words::{Event, SessionId};
use crate::hub::{Hub, Timer};
use crate::limits;
use crate::machine::{Carrier, ConnectId, Datagram, Input, Output, StreamId};
use crate::outbox::Outbox;

/// All byte streams of a hub.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    /// Looked up only.
    by_stream: HashMap<StreamId, Pipe>,
    /// How many have no session yet.
    strangers: usize,
    /// Connections that are being made for relay links, and whom to; looked up only.
    pub(super) connecting: HashMap<ConnectId, (SessionId, SocketAddr)>,
    pub(super) next_connect: u64,
}

#[derive(Debug)]
struct Pipe {
    local: SocketAddr,
    peer: SocketAddr,
    deframer: Deframer,
    session: Option<SessionKey>,
}

impl Pipes {
    /// A stream that we made for a session.
    pub(super) fn add(
        &mut self,
        stream: StreamId,
        local: SocketAddr,
        place: Place,
        key: SessionKey,
    ) {
        let (peer, session) = (place.peer, Some(key));
        self.by_stream.insert(stream, Pipe { local, peer, deframer: Deframer::default(), session });
    }

    /// A stream is gone. Returns whose it was, if it was there.
    fn remove(&mut self, stream: StreamId) -> Option<(Place, Option<SessionKey>)> {
        let pipe = self.by_stream.remove(&stream)?;
        self.strangers -= usize::from(pipe.session.is_none());
        Some((Place { carrier: Carrier::Stream(stream), peer: pipe.peer }, pipe.session))
    }
}

impl Hub {
    /// A fact about a byte stream that is ours.
    pub(crate) fn stream(
        &mut self,
        now: Instant,
        input: &Input<'_>,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        match input {
            Input::Accepted { stream, local, peer, .. } => {
                self.accept_stream(now, *stream, *local, *peer, out);
            }
            Input::Connected { connect, result } => {
                self.detoured(now, *connect, result, events, out);
            }
            Input::Bytes { stream, bytes } => self.read(now, *stream, bytes, events, out),
            Input::Unsent { stream, bytes } => {
                let Some(pipe) = self.pipes.by_stream.get(stream) else { return };
                let place = Place { carrier: Carrier::Stream(*stream), peer: pipe.peer };
                if let Some(member) = pipe.session.and_then(|key| self.sessions.get_mut(key)) {
                    member.session.route().waits(place, *bytes);
                }
            }
            Input::Ended { stream } => self.lose_stream(*stream),
            _ => {}
        }
    }

    fn accept_stream(
        &mut self,
        now: Instant,
        stream: StreamId,
        local: SocketAddr,
        peer: SocketAddr,
        out: &mut Outbox,
    ) {
        if self.pipes.strangers >= limits::STREAM_STRANGERS {
            return out.push(Output::End { stream });
        }
        self.pipes.strangers += 1;
        let pipe = Pipe { local, peer, deframer: Deframer::default(), session: None };
        self.pipes.by_stream.insert(stream, pipe);
        self.timers.set(Timer::Stranger(stream), now + limits::STREAM_STRANGER);
    }

    /// Everything that one read of a stream brought.
    fn read(
        &mut self,
        now: Instant,
        stream: StreamId,
        bytes: &[u8],
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        let Some(pipe) = self.pipes.by_stream.get_mut(&stream) else { return };
        let (local, peer) = (pipe.local, pipe.peer);
        let mut deframer = std::mem::take(&mut pipe.deframer);
        let mut heard = std::mem::take(&mut self.road.events);
        let mut frames = deframer.read(bytes);
        loop {
            let payload = match frames.take() {
                Ok(Some(payload)) => payload,
                Ok(None) => break,
                Err(_) => {
                    self.end_stream(stream, out);
                    break;
                }
            };
            let carrier = Carrier::Stream(stream);
            let datagram = Datagram { carrier, peer, local, payload };
            self.receive(now, &datagram, &mut heard, events, out);
            // Whoever does not begin with a check of one of ours is nobody's; a goodbye may have
            // ended the session. One that is on its way here from another core has its time.
            if self.pipes.by_stream.get(&stream).is_none_or(|pipe| pipe.session.is_none()) {
                if session::checked(payload, |ufrag| self.whereabouts(ufrag)).is_none() {
                    self.end_stream(stream, out);
                }
                break;
            }
        }
        self.road.events = heard;
        if let Some(pipe) = self.pipes.by_stream.get_mut(&stream) {
            pipe.deframer = deframer;
        }
        self.fan_out(now, events, out);
    }

    /// A stream has shown whose it is.
    pub(super) fn adopt(&mut self, place: Place, key: SessionKey) {
        let Carrier::Stream(stream) = place.carrier else { return };
        let Some(pipe) = self.pipes.by_stream.get_mut(&stream) else { return };
        if let Some(before) = pipe.session.replace(key) {
            // Its first session has ended silently, or it would be that one's still.
            if let Some(member) = self.sessions.get_mut(before).filter(|_| before != key) {
                member.session.route().lose(place);
            }
            return;
        }
        self.pipes.strangers -= 1;
        self.timers.clear(Timer::Stranger(stream));
    }

    /// The other end has ended a stream.
    fn lose_stream(&mut self, stream: StreamId) {
        let Some((place, session)) = self.pipes.remove(stream) else { return };
        self.timers.clear(Timer::Stranger(stream));
        if let Some(key) = session {
            self.lose_place(place, key);
        }
    }

    /// A session's peer is not reached there any more.
    pub(super) fn lose_place(&mut self, place: Place, key: SessionKey) {
        self.demux.unlearn(place, key);
        if let Some(member) = self.sessions.get_mut(key) {
            member.session.route().lose(place);
        }
    }

    /// Ends a stream, whoever is behind it.
    pub(super) fn end_stream(&mut self, stream: StreamId, out: &mut Outbox) {
        if self.pipes.by_stream.contains_key(&stream) {
            self.lose_stream(stream);
            out.push(Output::End { stream });
        }
    }

    /// Nobody is reached there any more.
    pub(super) fn end_place(&mut self, place: Place, out: &mut Outbox) {
        if let Carrier::Stream(stream) = place.carrier {
            self.end_stream(stream, out);
        }
    }
}
