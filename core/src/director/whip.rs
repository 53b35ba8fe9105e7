//! Publishing, playing and changing sessions: what WHIP, WHEP and the SDK's messages share.

use std::time::Instant;

use crate::director::registry::{Claim, Record, Role};
use crate::director::signal::message;
use crate::director::signal::route::Precondition;
use crate::director::signal::token::Act;
use crate::director::{Desk, Director, Timer};
use crate::http::{Problem, Reply};
use crate::hub::words::{Command, Credentials, SessionId};
use crate::limits;
use crate::machine::ConnectionId;
use crate::media::sdp::{Description, Fragment};
use crate::media::track::{StreamName, Track};
use crate::ticket::{IceServer, Ticket, Via};

/// What an offer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Publish,
    Play,
}

impl Director {
    /// Somebody offers a stream.
    pub(super) fn publish(
        &mut self,
        via: Via,
        bearer: Option<&str>,
        stream: StreamName,
        offer: Description,
        from: Option<Claim>,
        desk: &mut Desk<'_>,
    ) -> Result<(), Problem> {
        let act = if from.is_some() { Act::Relay } else { Act::Publish };
        self.authorize(desk.now, bearer, Some(&stream), &[act])?;
        self.room()?;
        let (claim, replaces) = self.admit_publisher(desk.now, &stream, from)?;
        let epoch = claim.epoch;
        let (session, ticket) = self.enter(desk.now, Role::Publisher, &stream, Some(claim), via)?;
        desk.commands.push(Command::Publish { session, stream, epoch, replaces, offer, ticket });
        Ok(())
    }

    /// A hub took an offer, or could not use it: only then a publisher gets its stream's name.
    pub(super) fn offer_answered(&mut self, session: SessionId, accepted: bool) {
        if !accepted {
            self.forget(session);
            return;
        }
        let Some(record) = self.registry.get_mut(session) else { return };
        if let Some(claim) = record.claim.take() {
            let stream = record.stream.clone();
            self.streams.claim(&stream, session, claim);
        }
    }

    /// Somebody offers to receive a stream.
    pub(super) fn play(
        &mut self,
        via: Via,
        bearer: Option<&str>,
        stream: StreamName,
        offer: Description,
        desk: &mut Desk<'_>,
    ) -> Result<(), Problem> {
        self.authorize(desk.now, bearer, Some(&stream), &[Act::Play])?;
        self.room()?;
        if !self.streams.get(&stream).is_some_and(|stream| stream.live) {
            let detail = format!("nobody publishes {stream} here at the moment");
            return Err(Problem::new(404, "unknown stream", detail).retry_after(1));
        }
        let (session, ticket) = self.enter(desk.now, Role::Viewer, &stream, None, via)?;
        self.streams.watch(&stream, session);
        desk.commands.push(Command::Play { session, stream, offer, ticket });
        Ok(())
    }

    /// Names a session and remembers it.
    fn enter(
        &mut self,
        now: Instant,
        role: Role,
        stream: &StreamName,
        claim: Option<Claim>,
        mut via: Via,
    ) -> Result<(SessionId, Ticket), Problem> {
        let session = self.new_session();
        let resource = self.seed.word(22);
        let connection = match &mut via {
            Via::Http { location, .. } => {
                let protocol = if role == Role::Publisher { "whip" } else { "whep" };
                *location = format!("/{protocol}/{stream}/{resource}");
                None
            }
            Via::WebSocket { connection, .. } => {
                if !self.connections.hold(*connection, session) {
                    let detail = "this connection has too many sessions; open another one";
                    return Err(Problem::new(503, "no room", detail));
                }
                Some(*connection)
            }
        };
        let ice_server = self.ice_server(now, session, &via);
        let record = Record {
            role,
            stream: stream.clone(),
            resource: resource.clone(),
            generation: 1,
            connection,
            quiet: false,
            claim,
        };
        let etag = record.etag();
        self.registry.insert(session, record);
        Ok((session, Ticket { via, resource, etag, ice_server }))
    }

    /// The TURN servers that a session's client may use.
    pub(super) fn ice_server(
        &self,
        now: Instant,
        session: SessionId,
        via: &Via,
    ) -> Option<IceServer> {
        let asked = match via {
            Via::Http { host, .. } => host.clone(),
            Via::WebSocket { connection, .. } => self.connections.host(*connection),
        };
        let host = self.own_host(Some(&asked).filter(|asked| !asked.is_empty()).map(|h| &**h));
        let user = self.turn_user(session);
        Some(self.ice_servers.as_ref()?.credentials(self.calendar(now), &user, &host))
    }

    /// Whom a session's TURN credentials are made for. It can be read on the wire, so it is none
    /// of the session's unguessable names.
    pub(crate) fn turn_user(&self, SessionId(session): SessionId) -> String {
        format!("{}-{session}", self.instance)
    }

    /// Trickled candidates, or an ICE restart, over HTTP.
    pub(super) fn patch(
        &mut self,
        via: Via,
        resource: &str,
        precondition: &Precondition,
        fragment: Fragment,
        desk: &mut Desk<'_>,
    ) -> Result<(), Problem> {
        let session = self.find(resource)?;
        let etag = self.registry.get(session).map(Record::etag).unwrap_or_default();
        let has_credentials = fragment.ufrag.is_some() && fragment.password.is_some();
        match precondition {
            Precondition::Any if has_credentials => self.restart(via, resource, fragment, desk),
            Precondition::Tags(tags) if !tags.contains(&etag) => {
                let detail = format!("the ETag of this ICE session is \"{etag}\"; use that one");
                Err(Problem::new(412, "precondition failed", detail))
            }
            _ => {
                // Nothing to do: a lite agent learns where its peer is from the peer's checks.
                if let Via::Http { request, .. } = via {
                    super::signal::reply::http(request, Reply::empty(204), desk.out);
                }
                Ok(())
            }
        }
    }

    pub(super) fn restart(
        &mut self,
        via: Via,
        resource: &str,
        fragment: Fragment,
        desk: &mut Desk<'_>,
    ) -> Result<(), Problem> {
        let session = self.find(resource)?;
        let given = fragment.ufrag.zip(fragment.password);
        let parsed = given.and_then(|(ufrag, password)| Credentials::parse(ufrag, password));
        let Some(credentials) = parsed else {
            let detail = "an ICE restart needs a=ice-ufrag and a=ice-pwd in the fragment, of 4 \
                          and 22 to 256 letters, digits, + or /";
            return Err(Problem::new(422, "malformed SDP", detail));
        };
        let Some(record) = self.registry.get(session) else { return Ok(()) };
        let (resource, etag) = (resource.to_owned(), record.next_etag());
        let ice_server = self.ice_server(desk.now, session, &via);
        let ticket = Ticket { via, resource, etag, ice_server };
        desk.commands.push(Command::Restart { session, credentials, ticket });
        Ok(())
    }

    /// A hub restarted a session's ICE: from now on its new entity tag counts.
    pub(super) fn restarted(&mut self, resource: &str) {
        let session = self.registry.find(resource);
        if let Some(record) = session.and_then(|session| self.registry.get_mut(session)) {
            record.generation += 1;
        }
    }

    pub(super) fn find(&self, resource: &str) -> Result<SessionId, Problem> {
        self.registry.find(resource).ok_or_else(|| {
            let detail = "there is no such session; it has ended, or never was";
            Problem::new(404, "unknown session", detail)
        })
    }

    /// A stream has a connected publisher: whoever waits hears of it, and the edges get it.
    pub(super) fn published(
        &mut self,
        session: SessionId,
        tracks: Vec<Track>,
        desk: &mut Desk<'_>,
    ) {
        let Some(record) = self.registry.get(session) else { return };
        let name = record.stream.clone();
        let Some(before) = self.streams.publish(&name, session, tracks.clone()) else { return };
        self.timers.clear(Timer::Vacant(name.clone()));
        for viewer in self.viewers(&name) {
            if before == tracks {
                self.tell_viewer(viewer, desk, |resource| message::status(resource, "playing"));
            } else {
                self.renegotiate(viewer, &name, desk);
            }
        }
        let message = message::published(name.as_str());
        for connection in self.connections.awaken(&name) {
            self.connections.tell(connection, &message, desk.out);
        }
        self.relay(&name, desk);
    }

    /// A viewer's session does not fit the stream any more. The SDK plays anew and stops the old
    /// session when the new picture is there; for WHEP, the session ends.
    fn renegotiate(&mut self, viewer: SessionId, name: &StreamName, desk: &mut Desk<'_>) {
        let told = self
            .tell_viewer(viewer, desk, |resource| message::renegotiate(resource, name.as_str()));
        self.streams.release(name, viewer);
        if told {
            self.timers.set(Timer::Outdated(viewer), desk.now + limits::VACANT);
        } else {
            let why = "the stream came back in another codec";
            desk.commands.push(Command::Close { session: viewer, why });
        }
    }

    /// A stream lost its publisher: its viewers wait a while for the next one.
    pub(super) fn vacated(&mut self, name: &StreamName, desk: &mut Desk<'_>) {
        self.stop_relays(name, desk);
        if self.stopping {
            return;
        }
        for viewer in self.viewers(name) {
            self.tell_viewer(viewer, desk, |resource| message::status(resource, "waiting"));
        }
        if self.streams.get(name).is_some() {
            self.timers.set(Timer::Vacant(name.clone()), desk.now + limits::VACANT);
        }
    }

    /// Nobody came: the viewers' sessions end, a few at a time, and those who can be told wait for
    /// the stream. Whoever is just connecting is waited for.
    pub(super) fn abandon(&mut self, name: &StreamName, desk: &mut Desk<'_>) {
        let Some(stream) = self.streams.get(name).filter(|stream| !stream.live) else { return };
        let (count, pause) = match stream.publisher {
            Some(_) => (0, limits::POLL),
            None => (limits::CLOSE_AT_ONCE, limits::CLOSE_PAUSE),
        };
        for viewer in self.viewers(name).into_iter().take(count) {
            if let Some(connection) = self.registry.get(viewer).and_then(|r| r.connection) {
                self.connections.wait(connection, name);
            }
            let why = "the publisher did not come back";
            desk.commands.push(Command::Close { session: viewer, why });
        }
        self.timers.set(Timer::Vacant(name.clone()), desk.now + pause);
    }

    fn viewers(&self, name: &StreamName) -> Vec<SessionId> {
        let stream = self.streams.get(name);
        stream.map(|stream| stream.viewers.iter().copied().collect()).unwrap_or_default()
    }

    /// Tells a viewer something about its session; `false` if it cannot be told.
    pub(super) fn tell_viewer(
        &mut self,
        viewer: SessionId,
        desk: &mut Desk<'_>,
        message: impl FnOnce(&str) -> serde_json::Value,
    ) -> bool {
        let Some(record) = self.registry.get(viewer) else { return false };
        let Some(connection) = record.connection else { return false };
        self.connections.tell(connection, &message(&record.resource), desk.out);
        true
    }

    /// Delivers what signalling made of a hub's answer.
    pub(crate) fn deliver(
        &mut self,
        connection: ConnectionId,
        message: &serde_json::Value,
        desk: &mut Desk<'_>,
    ) {
        self.connections.tell(connection, message, desk.out);
    }
}
