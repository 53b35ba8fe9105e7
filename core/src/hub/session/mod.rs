//! One peer: ICE, DTLS and RTP of a publisher, a viewer or a relay link. The only room that says
//! str0m; it knows neither streams nor who else listens.

mod config;
mod convert;
pub mod crypto;
mod descriptor;
pub(crate) mod entropy;
pub(crate) mod filter;
mod handshake;
pub mod keys;
pub(crate) mod negotiate;
mod pacer;
pub mod path;
mod receiving;
pub(crate) mod route;
pub(crate) mod sending;
mod spatial;
mod valve;
mod way;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::change::SdpPendingOffer;
use str0m::ice::StunMessage;
use str0m::media::Mid;
use str0m::{IceConnectionState, Rtc};

use crate::config::{Egress, PlayoutDelay};
use crate::hub::egress::{Asker, Sink};
use crate::hub::session::crypto::Crypto;
use crate::hub::session::entropy::Entropy;
use crate::hub::session::path::Paths;
use crate::hub::session::receiving::Receiver;
use crate::hub::session::route::{Place, Route};
use crate::hub::session::sending::Sender;
use crate::hub::words::Credentials;
use crate::machine::Datagram;
use crate::media::packet::{Packet, SourceClock};
use crate::outbox::Outbox;

/// str0m may name a deadline a hundred years ahead, which not every runtime can sleep for.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Everything that was due is done when str0m names its next deadline; one that lies in the past
/// all the same must not keep the hub busy.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// What a session needs from its hub to be born.
pub(crate) struct Setup<'a> {
    pub(crate) now: Instant,
    pub(crate) crypto: &'a Crypto,
    pub(crate) credentials: Credentials,
    pub(crate) paths: Arc<Paths>,
    /// Of the TCP listeners; none for a session that makes an offer.
    pub(crate) listeners: Arc<Paths>,
    pub(crate) entropy: &'a mut Entropy,
    /// Who seals what goes to the peer.
    pub(crate) egress: Egress,
    /// What is told to the peer instead of what its line needs.
    pub(crate) playout: Option<PlayoutDelay>,
}

/// What a session tells its hub.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// ICE and DTLS are done; media may flow.
    Connected,
    /// A packet arrived. Layers are counted through all tracks of the stream.
    Packet { layer: usize, packet: Packet },
    /// A packet was asked for in vain, and will not come any more.
    Lost { layer: usize, sequence: u64 },
    /// The peer says how the clocks of a layer are related.
    Clock { layer: usize, clock: SourceClock },
    /// The peer needs a keyframe of what it gets on this lane.
    KeyframeWished { lane: usize },
    /// Media goes over a byte stream from now on, or does not any more.
    Carried { over_tcp: bool },
    /// It is over.
    Gone(&'static str),
}

/// One peer.
pub(crate) struct Session {
    /// Ten kilobytes that media on its way out does not touch: without them, the sessions of a
    /// crowd lie on fewer pages.
    rtc: Box<Rtc>,
    /// The offer that it answered, for ICE restarts; empty if it made the offer itself.
    offer: String,
    /// Our own offer that waits for its answer, and the sections of the tracks in it, in order.
    pending: Option<(SdpPendingOffer, Vec<Mid>)>,
    credentials: Credentials,
    paths: Arc<Paths>,
    listeners: Arc<Paths>,
    /// Where the peer was last heard, and on which address of ours.
    heard: Option<(Place, SocketAddr)>,
    heard_at: Instant,
    /// str0m keeps to what was nominated first, and knows neither NATs that change their mind nor
    /// streams that end: where media goes is decided here for a session that answered an offer.
    route: Route,
    /// Whether ICE has found a way.
    routed: bool,
    /// Where the peer takes connections over TCP, if it answered our offer; the last one first.
    detours: Vec<SocketAddr>,
    /// Of the layers that the peer sends, counted through all tracks.
    receives: Vec<Receiver>,
    /// Once there are keys, if we ask for what is missing ourselves.
    asker: Option<Asker>,
    /// Lent to whoever asks.
    missing: Vec<u64>,
    sends: Vec<Sender>,
    egress: Egress,
    /// Whether the peer takes header extensions of both forms.
    mixes: bool,
    playout: Option<PlayoutDelay>,
    /// Once there are keys, if we seal ourselves.
    sink: Option<Sink>,
    deadline: Instant,
    connected: bool,
}

impl Session {
    /// Takes a datagram of this session.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        datagram: &Datagram<'_>,
        entropy: &mut Entropy,
        events: &mut Vec<SessionEvent>,
        out: &mut Outbox,
    ) {
        let Some(receive) = self.receive_of(datagram) else { return };
        let place = Place::of(datagram);
        self.heard = Some((place, datagram.local));
        self.heard_at = now;
        self.route.heard(now, place, datagram.local);
        entropy.refresh();
        if self.rtc.handle_input(str0m::Input::Receive(now, receive)).is_err() {
            events.push(SessionEvent::Gone("a datagram broke the session"));
            return;
        }
        self.drain(now, events, out);
    }

    /// Lets time pass, and sends what was written.
    pub(crate) fn advance(
        &mut self,
        now: Instant,
        entropy: &mut Entropy,
        events: &mut Vec<SessionEvent>,
        out: &mut Outbox,
    ) {
        entropy.refresh();
        if self.rtc.handle_input(str0m::Input::Timeout(now)).is_err() {
            events.push(SessionEvent::Gone("the handshake failed"));
            return;
        }
        self.drain(now, events, out);
    }

    /// Says goodbye: RTCP BYE and DTLS close_notify.
    pub(crate) fn close(&mut self, now: Instant, entropy: &mut Entropy, out: &mut Outbox) {
        if let (Some(sink), Some(way)) = (&mut self.sink, sending::way(&self.route)) {
            sink.goodbye(&way, out);
        }
        entropy.refresh();
        if self.rtc.close().is_ok() {
            self.drain(now, &mut Vec::new(), out);
        }
    }

    pub(crate) fn ufrag(&self) -> &str {
        &self.credentials.ufrag
    }

    pub(crate) fn route(&mut self) -> &mut Route {
        &mut self.route
    }

    pub(crate) fn places(&self) -> impl DoubleEndedIterator<Item = Place> {
        self.route.places()
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }

    /// When str0m wants to hear of the time next.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn heard_at(&self) -> Instant {
        self.heard_at
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connected
    }

    /// str0m's one law: after every change, drain until it names a deadline.
    fn drain(&mut self, now: Instant, events: &mut Vec<SessionEvent>, out: &mut Outbox) {
        loop {
            match self.rtc.poll_output() {
                Ok(str0m::Output::Timeout(at)) => {
                    self.deadline = at.clamp(now + SHORTEST_SLEEP, now + LONGEST_SLEEP);
                    break;
                }
                Ok(str0m::Output::Transmit(transmit)) => {
                    self.transmit(now, &transmit, events, out);
                }
                Ok(str0m::Output::Event(event)) => self.translate(event, events),
                Err(_) => {
                    self.deadline = now + LONGEST_SLEEP;
                    events.push(SessionEvent::Gone("the handshake failed"));
                    break;
                }
            }
        }
        // Always taken, so that none is left for the session that is drained next.
        if let Some(exported) = keys::take() {
            self.open_sink(now, &exported);
            self.open_asker(&exported);
        }
        if self.connected && self.lacks_sink() {
            events.push(SessionEvent::Gone(
                "the handshake made no keys that media can be sealed with",
            ));
        }
        self.ask(now, events, out);
    }

    fn translate(&mut self, event: str0m::Event, events: &mut Vec<SessionEvent>) {
        match event {
            str0m::Event::Connected => {
                self.connected = true;
                events.push(SessionEvent::Connected);
            }
            str0m::Event::IceConnectionStateChange(state) => {
                use IceConnectionState::{Completed, Connected};
                self.routed = matches!(state, Connected | Completed);
            }
            str0m::Event::KeyframeRequest(request) => {
                let is_its = |sender: &Sender| sender.is_of(request.mid, request.rid);
                if let Some(lane) = self.sends.iter().position(is_its) {
                    events.push(SessionEvent::KeyframeWished { lane });
                }
            }
            str0m::Event::Closed => events.push(SessionEvent::Gone("the peer closed it")),
            other => self.translate_received(other, events),
        }
    }
}

/// Looks up the ufrag of ours that an ICE check is addressed to (RFC 8445 section 7.2.2), if the
/// payload is one.
pub(crate) fn checked<R>(payload: &[u8], look_up: impl FnOnce(&str) -> Option<R>) -> Option<R> {
    let message = StunMessage::parse(payload).ok()?;
    if !message.is_binding_request() {
        return None;
    }
    let (ours, _) = message.split_username()?;
    look_up(ours)
}
