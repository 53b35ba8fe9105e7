//! How datagrams find their way: into str0m with the addresses that its candidates have, and out of
//! it to where the peer is.

use std::net::SocketAddr;
use std::time::Instant;

use str0m::Candidate;
use str0m::ice::StunMessage;
use str0m::net::{Protocol, Receive, TcpType, Transmit};

use crate::hub::session::crypto::Crypto;
use crate::hub::session::path::Paths;
use crate::hub::session::route::{Check, Place};
use crate::hub::session::{Session, SessionEvent};
use crate::limits;
use crate::machine::{Carrier, Datagram};
use crate::outbox::Outbox;

impl Place {
    /// Where a datagram came from.
    pub(crate) fn of(datagram: &Datagram<'_>) -> Self {
        Place { carrier: datagram.carrier, peer: datagram.peer }
    }

    fn is_stream(self) -> bool {
        matches!(self.carrier, Carrier::Stream(_))
    }

    /// Whether it ends some day, and may be somebody else's then: we hear of it.
    fn ends(self) -> bool {
        self.carrier != Carrier::Udp
    }
}

/// Our candidates: datagrams go before streams by their priorities (RFC 6544 section 4.2).
pub(super) fn candidates(paths: &Paths, listeners: &Paths) -> impl Iterator<Item = Candidate> {
    let udp = |address| Candidate::builder().udp().host(address).build().ok();
    let tcp =
        |address| Candidate::builder().tcp().host(address).tcptype(TcpType::Passive).build().ok();
    let datagrams = paths.announced().into_iter().filter_map(udp);
    datagrams.chain(listeners.announced().into_iter().filter_map(tcp))
}

/// Where the agent behind an answer takes connections over TCP (RFC 6544 section 4.5).
pub(super) fn passive(answer: &str) -> Vec<SocketAddr> {
    let read = |line: &str| {
        let candidate = Candidate::from_sdp_string(line.strip_prefix("a=")?).ok()?;
        let passive = candidate.tcptype() == Some(TcpType::Passive);
        (passive && candidate.proto() == Protocol::Tcp).then(|| candidate.addr())
    };
    let is_candidate = |line: &&str| line.starts_with("a=candidate:");
    let mut found: Vec<SocketAddr> = Vec::new();
    for address in answer.lines().filter(is_candidate).filter_map(read) {
        if !found.contains(&address) && found.len() < limits::DETOURS {
            found.push(address);
        }
    }
    found
}

/// What an ICE check says, if this is one.
fn check(datagram: &Datagram<'_>) -> Option<Check> {
    let message = StunMessage::parse(datagram.payload).ok()?;
    Some(Check {
        from: Place::of(datagram),
        local: datagram.local,
        nominates: message.use_candidate(),
        priority: message.prio().unwrap_or(0),
    })
}

impl Session {
    /// Whether this payload is an ICE check that carries this session's password.
    pub(crate) fn authenticates(&self, payload: &[u8], crypto: &Crypto) -> bool {
        let hmac = crypto.provider.sha1_hmac_provider;
        let password = self.credentials.password.as_bytes();
        StunMessage::parse(payload)
            .is_ok_and(|check| check.verify(password, |key, parts| hmac.sha1_hmac(key, parts)))
    }

    /// Heeds what an ICE check nominates, if we answered the peer's offer. `true`: the peer has
    /// moved, and what was sent to its old place may be lost.
    pub(crate) fn heed(&mut self, now: Instant, datagram: &Datagram<'_>, crypto: &Crypto) -> bool {
        let Some(check) = check(datagram) else { return false };
        self.answers()
            && self.route.would_heed(&check)
            && self.authenticates(datagram.payload, crypto)
            && self.route.heed(now, &check)
    }

    /// Whether the peer means to be where this authentic check comes from, and no longer where it
    /// is now.
    pub(crate) fn is_drawn(&self, now: Instant, datagram: &Datagram<'_>) -> bool {
        self.answers() && check(datagram).is_some_and(|check| self.route.is_drawn(now, &check))
    }

    pub(super) fn answers(&self) -> bool {
        !self.offer.is_empty()
    }

    /// A datagram as str0m shall see it.
    pub(super) fn receive_of<'a>(&self, datagram: &Datagram<'a>) -> Option<Receive<'a>> {
        let (proto, destination) = match datagram.carrier {
            Carrier::Udp | Carrier::Relay => {
                (Protocol::Udp, self.paths.announced_for(datagram.local)?)
            }
            // A stream that we made has an address of its own.
            Carrier::Stream(_) => {
                let announced = self.listeners.announced_for(datagram.local);
                (Protocol::Tcp, announced.unwrap_or(datagram.local))
            }
        };
        let contents = datagram.payload.try_into().ok()?;
        Some(Receive { proto, source: datagram.peer, destination, contents })
    }

    /// Sends what str0m wants sent.
    pub(super) fn transmit(
        &mut self,
        now: Instant,
        transmit: &Transmit,
        events: &mut Vec<SessionEvent>,
        out: &mut Outbox,
    ) {
        // STUN is 0..=3 (RFC 7983 section 7): a check is answered where it came from.
        let is_stun = transmit.contents.first().is_some_and(|byte| *byte <= 3);
        let way = match (is_stun, self.answers()) {
            (true, _) => self.answer_way(transmit).or_else(|| self.named_way(transmit)),
            (false, true) => self.route.target(),
            (false, false) => self.named_way(transmit),
        };
        let Some((place, local)) = way else { return };
        if place.ends() && !self.route.knows(place) {
            return;
        }
        if !is_stun && !self.answers() && self.route.follow(now, place, local) {
            events.push(SessionEvent::Carried { over_tcp: place.is_stream() });
        }
        // RTP and RTCP are 128..=191: what we seal ourselves is not str0m's to send.
        let is_media = matches!(transmit.contents.first(), Some(128..=191));
        if is_media && self.seals() {
            return;
        }
        if self.route.unsent() > limits::VIDEO_UNSENT && self.is_repair(&transmit.contents) {
            return;
        }
        out.carry(place.carrier, local, place.peer, &transmit.contents);
    }

    /// Back to where the last datagram came from, if that is meant.
    fn answer_way(&self, transmit: &Transmit) -> Option<(Place, SocketAddr)> {
        let over_stream = transmit.proto != Protocol::Udp;
        self.heard.filter(|(place, _)| {
            place.peer == transmit.destination && place.is_stream() == over_stream
        })
    }

    /// Where the addresses that str0m names lead.
    fn named_way(&self, transmit: &Transmit) -> Option<(Place, SocketAddr)> {
        let over_stream = transmit.proto != Protocol::Udp;
        let known = self.route.find(transmit.destination, over_stream);
        if over_stream {
            return Some((known?, transmit.source));
        }
        let direct = Place { carrier: Carrier::Udp, peer: transmit.destination };
        let heard = self.heard.map(|(_, local)| local);
        Some((known.unwrap_or(direct), self.paths.local_for(transmit.source, heard)))
    }

    /// Whether this is RTP (RFC 7983 section 7, RFC 5761 section 4) of none of our tracks: it
    /// repairs one.
    fn is_repair(&self, payload: &[u8]) -> bool {
        let [128..=191, second, ..] = payload else { return false };
        let kind = second & 0x7f;
        !(64..=95).contains(&kind) && !self.sends.iter().any(|sender| *sender.pt() == kind)
    }

    /// Where the peer takes connections over TCP, as long as no way to it is known: the next
    /// address to try.
    pub(crate) fn next_detour(&mut self) -> Option<SocketAddr> {
        if self.routed {
            self.detours.clear();
        }
        self.detours.pop()
    }

    /// Whether there is an address to try over TCP.
    pub(crate) fn has_detour(&self) -> bool {
        !self.detours.is_empty()
    }

    /// A stream of ours reaches the peer; [`Session::advance`] begins to check it.
    pub(crate) fn take_detour(&mut self, place: Place, local: SocketAddr) {
        let candidate = Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build();
        if let Ok(candidate) = candidate {
            self.route.learn(place);
            self.rtc.add_local_candidate(candidate);
        }
    }
}
