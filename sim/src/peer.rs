//! A browser's part in a simulation: publishes frames or receives them, as a full WebRTC peer. It
//! knows no network; a world carries its datagrams.

mod film;
mod missing;
mod received;
mod uplink;
mod ways;

pub use received::Received;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use farcast_core::hub::session::keys;
use farcast_core::seed::Seed;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpPacket;
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::camera::{Camera, Stamp};
use crate::handshake::Dtls;
use crate::wish::{Video, Wish};
use film::{rid, simulcast};
use missing::Missing;
use uplink::Uplink;

/// Where a track's numbers start: the peer's own session counts rollovers from 0 on.
const FIRST_SEQUENCE: u64 = 4_464;
/// How many packets can be repeated, and for how long.
const REPAIRS: (usize, Duration) = (1_024, Duration::from_secs(3));
/// str0m may name a deadline that is past, or a hundred years ahead.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// A browser's WebRTC connection.
pub struct Peer {
    rtc: Rtc,
    /// The world's start.
    start: Instant,
    address: SocketAddr,
    seed: Seed,
    pending: Option<SdpPendingOffer>,
    deadline: Instant,
    uplink: Uplink,
    missing: Missing,
    connected: bool,
    closed: bool,
    tracks: Vec<Track>,
    camera: Option<Camera>,
    received: Vec<Received>,
    keyframes_asked: Vec<Instant>,
    outgoing: VecDeque<(SocketAddr, Vec<u8>)>,
    /// For streams.
    framed: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Its address at a TURN server, and what shall leave from there.
    relayed: Option<SocketAddr>,
    to_relay: VecDeque<(SocketAddr, Vec<u8>)>,
}

/// What a peer is born with.
pub struct Birth {
    /// The time.
    pub now: Instant,
    /// The world's start: captured times count from here.
    pub start: Instant,
    /// Where it is.
    pub address: SocketAddr,
    /// Where its randomness comes from.
    pub seed: Seed,
    /// How it makes its keys.
    pub dtls: Dtls,
    /// What it films, if it publishes.
    pub camera: Option<Camera>,
}

struct Track {
    mid: Mid,
    pt: Option<Pt>,
    kind: MediaKind,
    /// The latest sequence number of each layer.
    sequences: Vec<u64>,
}

impl Peer {
    /// A peer in a world that begins now, with a camera of its own if it publishes; and its offer.
    pub fn new(now: Instant, address: SocketAddr, wish: Wish) -> (Peer, String) {
        let mut seed = Seed::new([7; 32]);
        let camera = wish.publishes.then(|| wish.camera(Duration::ZERO, seed.fork()));
        Peer::born(Birth { now, start: now, address, seed, dtls: Dtls::Real, camera }, wish)
    }

    /// A peer and its offer.
    pub fn born(birth: Birth, wish: Wish) -> (Peer, String) {
        let Birth { now, start, address, mut seed, dtls, mut camera } = birth;
        fastrand::seed(seed.bits());
        let (provider, certificate) = dtls.provider();
        let provider = keys::listening(&provider);
        let mut config = wish.config().set_crypto_provider(provider).set_dtls_cert(certificate);
        if let Some(camera) = camera.as_mut().filter(|camera| camera.adapts()) {
            config = uplink::watched(config, camera);
        }
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a plain address"));
        let direction = if wish.publishes { Direction::SendOnly } else { Direction::RecvOnly };
        let mut changes = rtc.sdp_api();
        let mut tracks = Vec::new();
        let kinds = [(wish.audio, MediaKind::Audio), (wish.video != Video::None, MediaKind::Video)];
        for (_, kind) in kinds.into_iter().filter(|(wanted, _)| *wanted) {
            let camera = camera.as_ref().filter(|_| kind == MediaKind::Video);
            let layers = camera.map_or(1, Camera::layers).max(1);
            let mid = changes.add_media(kind, direction, None, None, simulcast(layers));
            let sequences = vec![FIRST_SEQUENCE; layers.into()];
            tracks.push(Track { mid, pt: None, kind, sequences });
        }
        let (offer, pending) = changes.apply().expect("there is something to offer");
        let peer = Peer {
            rtc,
            start,
            address,
            seed,
            pending: Some(pending),
            deadline: now,
            uplink: Uplink::new(now),
            missing: Missing::default(),
            connected: false,
            closed: false,
            tracks,
            camera,
            received: Vec::new(),
            keyframes_asked: Vec::new(),
            outgoing: VecDeque::new(),
            framed: VecDeque::new(),
            relayed: None,
            to_relay: VecDeque::new(),
        };
        (peer, offer.to_sdp_string())
    }

    /// Takes the answer to its offer.
    pub fn accept(&mut self, now: Instant, answer: &str) {
        self.try_accept(now, answer).expect("the node's answer fits the offer");
    }

    /// The same for the answer of somebody who may not be a node of ours.
    pub fn try_accept(&mut self, now: Instant, answer: &str) -> Result<(), String> {
        let answer = SdpAnswer::from_sdp_string(answer).map_err(|error| error.to_string())?;
        let pending = self.pending.take().expect("one answer per offer");
        self.refresh();
        let accepted = self.rtc.sdp_api().accept_answer(pending, answer);
        accepted.map_err(|error| error.to_string())?;
        self.keep_repairs();
        self.advance(now);
        Ok(())
    }

    /// Browsers repeat what is asked for, however much that is, unless they know how narrow their
    /// uplink is.
    fn keep_repairs(&mut self) {
        let share = self.adapts().then_some(uplink::REPAIRS);
        for track in &self.tracks {
            let layers = track.sequences.len() as u8;
            for layer in 0..layers {
                let name = (layers > 1).then(|| rid(layer));
                if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(track.mid, name) {
                    stream.set_rtx_cache(REPAIRS.0, REPAIRS.1, share);
                }
            }
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether ICE and DTLS are done.
    pub fn is_connected(&self) -> bool {
        self.connected && !self.closed
    }

    /// Whether the node said goodbye.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// What it got.
    pub fn received(&self) -> &[Received] {
        &self.received
    }

    /// What it got since it was last taken.
    pub fn take_received(&mut self) -> Vec<Received> {
        std::mem::take(&mut self.received)
    }

    /// When it was asked for keyframes since that was last taken.
    pub fn take_keyframes_asked(&mut self) -> Vec<Instant> {
        std::mem::take(&mut self.keyframes_asked)
    }

    /// Asks the node for a keyframe.
    pub fn ask_keyframe(&mut self, now: Instant) {
        let video = self.tracks.iter().find(|track| track.kind == MediaKind::Video);
        let Some(mid) = video.map(|track| track.mid) else { return };
        self.refresh();
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
        self.advance(now);
    }

    /// Its camera, for the connection that comes after this one.
    pub fn take_camera(&mut self) -> Option<Camera> {
        self.camera.take()
    }

    /// When it was asked for keyframes.
    pub fn keyframes_asked(&self) -> &[Instant] {
        &self.keyframes_asked
    }

    /// Says goodbye, as a page does that closes its connection.
    pub fn close(&mut self, now: Instant) {
        self.camera = None;
        self.refresh();
        if self.rtc.close().is_ok() {
            self.drain(now);
        }
    }

    /// When it wants to hear of the time.
    pub fn deadline(&self) -> Instant {
        let own = self.missing.deadline().map_or(self.deadline, |at| at.min(self.deadline));
        let camera = self.camera.as_ref().filter(|_| self.connected && !self.closed);
        let Some(shot) = camera.map(Camera::deadline) else { return own };
        self.start.checked_add(shot).map_or(own, |at| at.min(own))
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Instant) {
        if self.connected {
            self.film(now);
        }
        self.flush(now);
    }

    /// Takes a datagram.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, payload: &[u8]) {
        self.take_in(now, Protocol::Udp, (from, self.address), payload);
    }

    fn take_in(
        &mut self,
        now: Instant,
        proto: Protocol,
        (source, destination): (SocketAddr, SocketAddr),
        payload: &[u8],
    ) {
        let Ok(contents) = payload.try_into() else { return };
        let receive = Receive { proto, source, destination, contents };
        let now = self.moment(now);
        self.refresh();
        if self.rtc.handle_input(Input::Receive(now, receive)).is_err() {
            self.closed = true;
        }
        self.drain(now);
    }

    /// The next datagram that it wants carried, and where to.
    pub fn next_outgoing(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.outgoing.pop_front()
    }

    /// str0m draws from a generator of this thread: what it draws shall depend on the seed alone.
    fn refresh(&mut self) {
        fastrand::seed(self.seed.bits());
    }

    fn flush(&mut self, now: Instant) {
        self.refresh();
        loop {
            let waiting = self.outgoing.len();
            let now = self.moment(now);
            if self.rtc.handle_input(Input::Timeout(now)).is_err() {
                self.closed = true;
            }
            self.drain(now);
            // Where str0m looks at its uplink, it sends one packet at a time.
            if !self.adapts() || self.outgoing.len() == waiting {
                break;
            }
        }
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.deadline = at.clamp(now + SHORTEST_SLEEP, now + LONGEST_SLEEP);
                    break;
                }
                Ok(Output::Transmit(transmit)) => {
                    self.missing.note_path(&transmit);
                    let sent = (transmit.destination, transmit.contents.to_vec());
                    match transmit.proto {
                        _ if self.relayed == Some(transmit.source) => self.to_relay.push_back(sent),
                        Protocol::Udp => self.outgoing.push_back(sent),
                        _ => self.framed.push_back(sent),
                    }
                }
                Ok(Output::Event(event)) => self.note(now, event),
                Err(_) => {
                    self.closed = true;
                    self.deadline = now + LONGEST_SLEEP;
                    break;
                }
            }
        }
        self.take_keys();
        self.ask(now);
    }

    fn note(&mut self, now: Instant, event: Event) {
        match event {
            Event::Connected => {
                self.connected = true;
                self.begin_film(now);
            }
            Event::Closed => self.closed = true,
            Event::KeyframeRequest(request) => {
                self.keyframes_asked.push(now);
                let layer = request.rid.and_then(|rid| rid.parse().ok()).unwrap_or(0);
                self.camera.iter_mut().for_each(|camera| camera.want_keyframe(layer));
            }
            Event::PeerStats(stats) => self.afford(&stats),
            Event::RtpPacket(packet) => {
                self.arrived(now, &packet);
                self.take(now, &packet);
            }
            _ => {}
        }
    }

    fn take(&mut self, at: Instant, packet: &RtpPacket) {
        let values = &packet.header.ext_vals;
        let hundredths = |time: str0m::media::MediaTime| (time.as_seconds() * 100.0).round() as u64;
        let params = self.rtc.codec_config().find(|p| p.pt() == packet.header.payload_type);
        let Some(codec) = params.map(|params| params.spec().codec) else { return };
        let Some(stamp) = Stamp::read(&packet.payload) else { return };
        self.received.push(Received {
            at,
            kind: if codec.is_audio() { MediaKind::Audio } else { MediaKind::Video },
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            captured: stamp.captured,
            stamp,
            playout_delay: values
                .play_delay_min
                .zip(values.play_delay_max)
                .map(|(min, max)| (hundredths(min), hundredths(max))),
            capture_time: values.abs_capture_time.map(|time| time.capture_time),
            codec,
        });
    }
}
