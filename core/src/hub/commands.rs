//! What the director wants done: sessions made, changed and ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::http::Problem;
use crate::hub::choice::Cap;
use crate::hub::demux::SessionKey;
use crate::hub::session::negotiate::Plan;
use crate::hub::session::path::Paths;
use crate::hub::session::{Session, Setup};
use crate::hub::words::{Command, Credentials, Event, SessionId};
use crate::hub::{Hub, Member, Role, Timer};
use crate::limits;
use crate::media::sdp::Description;
use crate::media::track::{Epoch, StreamName};
use crate::outbox::Outbox;
use crate::report::Report;

impl Hub {
    /// Does what the director wants.
    pub fn command(
        &mut self,
        now: Instant,
        command: Command,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        if let Some(core) = command.of_session().and_then(|session| self.home_of(session)) {
            return self.pass_command(core, command, out);
        }
        match command {
            Command::Publish { session, stream, epoch, replaces, offer, ticket } => {
                let result = self.publish(now, session, stream, epoch, &offer, out);
                if let Some(session) = replaces.filter(|_| result.is_ok()) {
                    let why = "another publisher took its place";
                    self.command(now, Command::Close { session, why }, events, out);
                }
                events.push(Event::Answered { session, ticket, result });
            }
            Command::Play { session, stream, offer, ticket } => {
                let result = self.play(now, session, stream, &offer, out);
                events.push(Event::Answered { session, ticket, result });
            }
            Command::Push { session, stream, bound } => {
                let result = self.push(now, session, stream, bound, out);
                events.push(Event::Offered { session, result });
            }
            Command::Accept { session, answer } => self.accept(now, session, &answer, events, out),
            Command::Restart { session, credentials, ticket } => {
                let result = self.restart(now, session, &credentials, events, out);
                events.push(Event::Restarted { ticket, result });
            }
            Command::Prefer { session, height, layer } => {
                if let Some(key) = self.key_of(Some(session)) {
                    self.prefer(now, key, Cap { height, layer });
                }
            }
            Command::Close { session, why } => {
                if let Some(key) = self.key_of(Some(session)) {
                    self.end(now, key, why, events, out);
                }
            }
        }
        self.fan_out(now, events, out);
    }

    fn publish(
        &mut self,
        now: Instant,
        id: SessionId,
        stream: StreamName,
        epoch: Epoch,
        offer: &Description,
        out: &mut Outbox,
    ) -> Result<String, Problem> {
        let (plan, tracks) = Plan::publish(offer)?;
        if tracks.len() > limits::TRACKS {
            let detail = format!("a stream holds at most {} tracks; send fewer", limits::TRACKS);
            return Err(Problem::new(422, "too many tracks", detail));
        }
        let (session, answer) =
            Session::answer(self.setup(now), offer, &plan).map_err(unusable_offer)?;
        self.admit(now, id, Role::Publisher { epoch, tracks }, stream, session, out);
        Ok(answer)
    }

    fn play(
        &mut self,
        now: Instant,
        id: SessionId,
        stream: StreamName,
        offer: &Description,
        out: &mut Outbox,
    ) -> Result<String, Problem> {
        let Some(tracks) = self.streams.tracks(&stream) else {
            let detail = format!("nobody publishes {stream} here at the moment");
            return Err(Problem::new(404, "unknown stream", detail).retry_after(1));
        };
        let plan = Plan::play(offer, tracks)?;
        let wanted = self.settings.iter().find(|settings| settings.name.matches(stream.as_str()));
        let playout = wanted.and_then(|settings| settings.playout_delay);
        let setup = Setup { playout, ..self.setup(now) };
        let (session, answer) = Session::answer(setup, offer, &plan).map_err(unusable_offer)?;
        let key = self.admit(now, id, Role::Viewer, stream.clone(), session, out);
        self.streams.join(&stream, key);
        Ok(answer)
    }

    fn push(
        &mut self,
        now: Instant,
        id: SessionId,
        stream: StreamName,
        bound: SocketAddr,
        out: &mut Outbox,
    ) -> Result<String, &'static str> {
        let tracks = self.streams.tracks(&stream).ok_or("the stream is gone")?.to_vec();
        let paths = Arc::new(Paths::new(&[bound], &self.addresses));
        let listeners = Arc::default();
        let setup = Setup { paths: paths.clone(), listeners, ..self.setup(now) };
        let (session, offer) =
            Session::offer(setup, &tracks).ok_or("the stream has no tracks to offer")?;
        let key = self.admit(now, id, Role::Relay, stream.clone(), session, out);
        self.sessions[key].bound = Some(bound);
        self.streams.join(&stream, key);
        self.want(key, out);
        self.demux.bind(bound, key);
        paths.locals().for_each(|local| self.demux.bind(local, key));
        Ok(offer)
    }

    fn accept(
        &mut self,
        now: Instant,
        id: SessionId,
        answer: &str,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) {
        let Some(key) = self.key_of(Some(id)) else { return };
        let member = &mut self.sessions[key];
        let tracks = self.streams.tracks(&member.stream).unwrap_or(&[]);
        match member.session.accept_answer(answer, tracks, &mut self.entropy) {
            Ok(()) => {
                self.prepare_detour(now, key);
                self.advance(now, key, events, out);
            }
            Err(why) => {
                out.report(Report::Bad { session: id.0, what: "answer", why });
                self.end(now, key, "the edge's answer does not fit our offer", events, out);
            }
        }
    }

    fn restart(
        &mut self,
        now: Instant,
        id: SessionId,
        theirs: &Credentials,
        events: &mut Vec<Event>,
        out: &mut Outbox,
    ) -> Result<String, Problem> {
        let gone = || Problem::new(404, "unknown session", "the session has ended meanwhile");
        let key = self.key_of(Some(id)).ok_or_else(gone)?;
        let ours = self.entropy.credentials();
        let session = &mut self.sessions[key].session;
        let before = session.ufrag().to_owned();
        session.restart(ours, theirs, &mut self.entropy).map_err(unusable_offer)?;
        let fragment = session.fragment();
        self.demux.forget_ufrag(&before);
        let ufrag = self.sessions[key].session.ufrag().to_owned();
        self.demux.admit(&ufrag, key);
        self.renamed(id, ufrag, out);
        self.advance(now, key, events, out);
        Ok(fragment)
    }

    fn key_of(&self, session: Option<SessionId>) -> Option<SessionKey> {
        self.by_id.get(&session?).copied()
    }

    fn setup(&mut self, now: Instant) -> Setup<'_> {
        let credentials = self.entropy.credentials();
        let (paths, listeners) = (self.paths.clone(), self.listeners.clone());
        let (crypto, entropy, egress) = (&self.crypto, &mut self.entropy, self.egress);
        Setup { now, crypto, credentials, paths, listeners, entropy, egress, playout: None }
    }

    fn admit(
        &mut self,
        now: Instant,
        id: SessionId,
        role: Role,
        stream: StreamName,
        session: Session,
        out: &mut Outbox,
    ) -> SessionKey {
        let (role_name, stream_name) = (role.as_str(), stream.to_string());
        out.report(Report::SessionOpened { session: id.0, role: role_name, stream: stream_name });
        self.settle(now, id, role, stream, session)
    }

    /// A session lives here from now on.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        id: SessionId,
        role: Role,
        stream: StreamName,
        session: Session,
    ) -> SessionKey {
        let (deadline, is_connected) = (session.deadline(), session.is_connected());
        let key = self.sessions.insert(Member {
            id,
            role,
            stream,
            session,
            bound: None,
            layers: 0..0,
            watches: Vec::new(),
            probing: None,
            quiet: false,
        });
        self.by_id.insert(id, key);
        self.demux.admit(self.sessions[key].session.ufrag(), key);
        self.timers.set(Timer::Session(key), deadline);
        if !is_connected {
            self.timers.set(Timer::Setup(key), now + limits::SETUP);
        }
        self.timers.set(Timer::Silence(key), now + limits::QUIET);
        key
    }
}

fn unusable_offer(why: String) -> Problem {
    let detail = format!("the SDP offer cannot be used: {why}");
    Problem::new(422, "malformed SDP", detail)
}
