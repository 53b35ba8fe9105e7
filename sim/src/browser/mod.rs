//! What a page in a browser does for somebody: it finds a node, offers, connects, and begins anew
//! when that is over. A machine that knows no network; its rules are those of the SDK.

mod signalling;
mod tunnel;

pub use tunnel::Errand;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use farcast_core::http::Call;
use farcast_core::machine::CallId;
use farcast_core::seed::Seed;
use str0m::media::MediaKind;

use crate::camera::Camera;
use crate::handshake::Dtls;
use crate::peer::{Peer, Received};
use crate::script::{Attempt, Script};
use crate::viewer::{Frame, Viewer};
use tunnel::Tunnel;

/// Nothing came for so long: a viewer asks the node whether it is there.
const STALL: Duration = Duration::from_secs(1);
/// Browsers call ICE disconnected when checks are not answered for so long.
const UNANSWERED: Duration = Duration::from_secs(5);
/// The first port that a browser may take (RFC 6335 section 6: dynamic).
const FIRST_PORT: u16 = 49_152;
/// The first and the longest pause before another try; half of each is random.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Somebody's browser.
pub struct Browser {
    script: Script,
    /// The world's start, on this machine's clock.
    start: Instant,
    dtls: Dtls,
    seed: Seed,
    /// Where the current connection thinks that it is.
    address: SocketAddr,
    /// Where its datagrams really leave from.
    socket: SocketAddr,
    state: State,
    camera: Option<Camera>,
    viewer: Viewer,
    sounds: Vec<Frame>,
    heard_at: Duration,
    /// Whether the node is being asked if it is there.
    probe: Option<CallId>,
    failures: u32,
    attempts: Vec<Attempt>,
    named: Vec<(Duration, String)>,
    keyframes_asked: Vec<Duration>,
    calls: VecDeque<(CallId, Call)>,
    last_call: u64,
    /// Where the node keeps the session, and its entity tag.
    location: Option<(String, String)>,
    /// Goodbyes of connections that are over.
    farewell: VecDeque<(SocketAddr, Vec<u8>)>,
    next_port: u16,
    tunnel: Option<Tunnel>,
    errands: VecDeque<Errand>,
}

enum State {
    /// Until then nothing happens.
    Waiting(Duration),
    Asking(CallId),
    Offering(CallId, Box<Peer>),
    Connecting(Box<Peer>, Duration),
    Live(Box<Peer>),
    Left,
}

impl Browser {
    /// A browser at this address whose page is not open yet. `start` is the world's start.
    pub fn new(script: Script, start: Instant, at: SocketAddr, mut seed: Seed, dtls: Dtls) -> Self {
        let camera = script.film.map(|film| Camera::new(film, script.opens, seed.fork()));
        Browser {
            state: State::Waiting(script.opens),
            script,
            start,
            dtls,
            seed,
            address: at,
            socket: at,
            camera,
            viewer: Viewer::default(),
            sounds: Vec::new(),
            heard_at: Duration::ZERO,
            probe: None,
            failures: 0,
            attempts: Vec::new(),
            named: Vec::new(),
            keyframes_asked: Vec::new(),
            calls: VecDeque::new(),
            last_call: 0,
            location: None,
            farewell: VecDeque::new(),
            next_port: at.port(),
            tunnel: None,
            errands: VecDeque::new(),
        }
    }

    /// What it was opened for.
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// Where its datagrams leave from and arrive.
    pub fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// Every try to connect.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// The pictures that were shown.
    pub fn frames(&self) -> &[Frame] {
        self.viewer.shown()
    }

    /// The sounds that arrived.
    pub fn sounds(&self) -> &[Frame] {
        &self.sounds
    }

    /// Whom balancers named, and when.
    pub fn named(&self) -> &[(Duration, String)] {
        &self.named
    }

    /// When it was asked for keyframes.
    pub fn keyframes_asked(&self) -> &[Duration] {
        &self.keyframes_asked
    }

    /// The network gives it another port, as mobile ones do now and then; it does not notice.
    pub fn roam(&mut self) {
        let port = self.new_port();
        self.socket.set_port(port);
    }

    /// Browsers take a port of their own for every connection.
    fn new_port(&mut self) -> u16 {
        self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
        self.next_port
    }

    /// When it wants to hear of the time.
    pub fn deadline(&self) -> Instant {
        let at = match &self.state {
            State::Waiting(at) => *at,
            State::Asking(_) | State::Offering(..) => Duration::MAX,
            State::Connecting(peer, until) => self.time(peer.deadline()).min(*until),
            State::Live(peer) => {
                let stuck = self.viewer.deadline().unwrap_or(Duration::MAX);
                self.time(peer.deadline()).min(self.silent_at()).min(stuck)
            }
            State::Left => return self.start + Duration::from_secs(1 << 30),
        };
        let keep = self.tunnel.as_ref().map_or(Duration::MAX, Tunnel::deadline);
        self.start + at.min(keep).min(self.script.closes)
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Instant) {
        let time = self.time(now);
        self.tunnel.iter_mut().for_each(|tunnel| tunnel.advance(time));
        match &mut self.state {
            State::Left => {}
            _ if time >= self.script.closes => self.leave(now),
            State::Waiting(at) if *at <= time => self.begin(now),
            State::Connecting(peer, _) | State::Live(peer) => {
                if peer.deadline() <= now {
                    peer.advance(now);
                }
                self.settle(now);
            }
            _ => {}
        }
    }

    /// Takes a datagram.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, payload: &[u8]) {
        if let State::Connecting(peer, _) | State::Live(peer) = &mut self.state {
            peer.receive(now, from, payload);
            if !self.is_viewer() {
                self.heard_at = self.time(now);
            }
            self.settle(now);
        }
    }

    /// The next datagram that it wants carried, and where to.
    pub fn next_outgoing(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        match &mut self.state {
            State::Connecting(peer, _) | State::Live(peer) => {
                self.farewell.pop_front().or_else(|| peer.next_outgoing())
            }
            _ => self.farewell.pop_front(),
        }
    }

    /// Its connection to the TURN server is there.
    pub fn tunnelled(&mut self, now: Instant) {
        let time = self.time(now);
        self.tunnel.iter_mut().for_each(|tunnel| tunnel.opened(time));
        self.settle(now);
    }

    /// That connection is gone, or was refused.
    pub fn untunnelled(&mut self) {
        self.tunnel = None;
    }

    /// Takes what its TURN server says.
    pub fn take_bytes(&mut self, now: Instant, bytes: &[u8]) {
        let Some(tunnel) = &mut self.tunnel else { return };
        let was_open = tunnel.relayed().is_some();
        let came = tunnel.receive(bytes);
        let relayed = tunnel.relayed();
        if let State::Connecting(peer, _) | State::Live(peer) = &mut self.state {
            if let Some(at) = relayed.filter(|_| !was_open) {
                peer.take_relayed(now, at);
            }
            came.iter().for_each(|(from, payload)| peer.receive_relayed(now, *from, payload));
            self.settle(now);
        }
    }

    /// The next thing that it wants done for its tunnel.
    pub fn next_errand(&mut self) -> Option<Errand> {
        if let (Some(tunnel), State::Connecting(peer, _) | State::Live(peer)) =
            (&mut self.tunnel, &mut self.state)
        {
            while let Some((to, payload)) = peer.next_relayed() {
                tunnel.send(to, &payload);
            }
            tunnel.write(&mut self.errands);
        }
        self.errands.pop_front()
    }

    /// The next call that it wants made.
    pub fn next_call(&mut self) -> Option<(CallId, Call)> {
        self.calls.pop_front()
    }

    fn leave(&mut self, now: Instant) {
        self.end(now, "the page was closed");
        self.give_up(now);
    }

    /// Takes what the connection brought, and ends it if it is over.
    fn settle(&mut self, now: Instant) {
        let time = self.time(now);
        let (State::Connecting(peer, _) | State::Live(peer)) = &mut self.state else { return };
        for packet in peer.take_received() {
            self.heard_at = time;
            match packet.kind {
                MediaKind::Video => {
                    let Received { sequence, timestamp, stamp, marker, .. } = packet;
                    self.viewer.take(time, sequence, timestamp, stamp, marker);
                }
                MediaKind::Audio => {
                    let (shown, complete) = (time, time);
                    let captured = packet.captured;
                    self.sounds.push(Frame { captured, shown, complete, parts: 1 });
                }
            }
        }
        if self.viewer.wants_keyframe(time) {
            peer.ask_keyframe(now);
        }
        let asked = peer.take_keyframes_asked().into_iter();
        self.keyframes_asked.extend(asked.map(|at| at.saturating_duration_since(self.start)));
        self.note_progress(now);
        self.end_what_is_over(now);
    }

    fn note_progress(&mut self, now: Instant) {
        let time = self.time(now);
        if let State::Connecting(peer, _) = &mut self.state
            && peer.is_connected()
            && let State::Connecting(peer, _) = std::mem::replace(&mut self.state, State::Left)
        {
            self.state = State::Live(peer);
            self.heard_at = time;
            self.attempts.iter_mut().last().into_iter().for_each(|a| a.connected = Some(time));
            if !self.is_viewer() {
                self.failures = 0;
            }
        }
        let shown = self.frames().len();
        if let Some(attempt) = self.attempts.last_mut()
            && attempt.first_frame.is_none()
            && shown > attempt.frames_before
        {
            attempt.first_frame = Some(time);
            self.failures = 0;
        }
    }

    fn end_what_is_over(&mut self, now: Instant) {
        let time = self.time(now);
        let silent = self.silent_at() <= time;
        if silent
            && self.is_viewer()
            && let (State::Live(_), Some((url, etag))) = (&self.state, self.location.clone())
        {
            self.probe = Some(self.probe(url, etag));
            return;
        }
        let why = match &self.state {
            State::Connecting(peer, _) | State::Live(peer) if peer.is_closed() => "it was closed",
            State::Connecting(_, until) if *until <= time => "it did not connect",
            State::Live(_) if silent => "nothing came",
            _ => return,
        };
        self.give_up(now);
        self.fail(now, why);
    }

    fn fail(&mut self, now: Instant, why: &'static str) {
        self.end(now, why);
        let step = BACKOFF.0 * 2_u32.pow(self.failures.min(5));
        let half = step.min(BACKOFF.1) / 2;
        let pause = half + half.mul_f64(f64::from(self.seed.below(1000)) / 1000.0);
        self.failures += 1;
        self.state = State::Waiting(self.time(now) + pause);
    }

    fn end(&mut self, now: Instant, why: &'static str) {
        let time = self.time(now);
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.ended.get_or_insert((time, why));
        }
    }

    /// When the silence has lasted too long.
    fn silent_at(&self) -> Duration {
        match (self.is_viewer(), self.probe) {
            (true, None) => self.heard_at + STALL,
            (true, Some(_)) => Duration::MAX,
            (false, _) => self.heard_at + UNANSWERED,
        }
    }

    fn is_viewer(&self) -> bool {
        self.script.film.is_none()
    }

    fn time(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }
}
