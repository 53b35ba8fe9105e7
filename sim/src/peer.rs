//! A browser's part in a simulation: publishes frames or receives them, as a full WebRTC peer. It
//! knows no network; a world carries its datagrams.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{AbsCaptureTime, Extension, ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// Frames of a camera in a second.
const FRAME_RATE: u32 = 30;
/// Between two frames.
const FRAME: Duration = Duration::from_nanos(1_000_000_000 / FRAME_RATE as u64);
/// Packets of 1,200 bytes in a frame: 2.3 Mbit/s.
const PACKETS_PER_FRAME: u32 = 8;
/// A packet's payload in bytes; what browsers make.
const PAYLOAD: usize = 1_200;

/// Where a track's numbers start: the peer's own session counts rollovers from 0 on.
const FIRST_SEQUENCE: u64 = 4_464;

/// A browser.
pub struct Peer {
    rtc: Rtc,
    address: SocketAddr,
    pending: Option<SdpPendingOffer>,
    deadline: Instant,
    connected: bool,
    closed: bool,
    camera: Option<Camera>,
    received: Vec<Received>,
    keyframes_asked: Vec<Instant>,
    outgoing: VecDeque<(SocketAddr, Vec<u8>)>,
}

struct Camera {
    tracks: Vec<Sending>,
    next: Instant,
    frame: u32,
    start: Instant,
}

struct Sending {
    mid: Mid,
    pt: Option<Pt>,
    kind: MediaKind,
    sequence: u64,
}

/// A packet that a viewer got.
#[derive(Debug, Clone)]
pub struct Received {
    /// When.
    pub at: Instant,
    /// Audio or video.
    pub kind: MediaKind,
    /// Its extended sequence number.
    pub sequence: u64,
    /// Its RTP time.
    pub timestamp: u32,
    /// Since the camera's start: when it was captured.
    pub captured: Duration,
    /// The playout delay that it asks for, in hundredths of a second (minimum, maximum).
    pub playout_delay: Option<(u64, u64)>,
    /// The publisher's clock at its capture, as its header extension carries it.
    pub capture_time: Option<SystemTime>,
    /// The codec, by its payload type.
    pub codec: String,
}

/// The video codec of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Video {
    None,
    Vp8,
    H264,
    Vp9,
    Av1,
    /// Whatever the stream has.
    All,
}

/// What a peer sends or receives.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Whether it publishes; else it plays.
    pub publishes: bool,
    /// Opus or nothing.
    pub audio: bool,
    /// Which video.
    pub video: Video,
}

impl Peer {
    /// A peer that makes an offer.
    pub fn new(now: Instant, address: SocketAddr, wish: Wish) -> (Peer, String) {
        let mut rtc = config(wish).build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a plain address"));
        let direction = if wish.publishes { Direction::SendOnly } else { Direction::RecvOnly };
        let mut changes = rtc.sdp_api();
        let mut tracks = Vec::new();
        let kinds = [(wish.audio, MediaKind::Audio), (wish.video != Video::None, MediaKind::Video)];
        for (_, kind) in kinds.into_iter().filter(|(wanted, _)| *wanted) {
            let mid = changes.add_media(kind, direction, None, None, None);
            tracks.push(Sending { mid, pt: None, kind, sequence: FIRST_SEQUENCE });
        }
        let (offer, pending) = changes.apply().expect("there is something to offer");
        let start = now;
        let camera = wish.publishes.then_some(Camera { tracks, next: now, frame: 0, start });
        let peer = Peer {
            rtc,
            address,
            pending: Some(pending),
            deadline: now,
            connected: false,
            closed: false,
            camera,
            received: Vec::new(),
            keyframes_asked: Vec::new(),
            outgoing: VecDeque::new(),
        };
        (peer, offer.to_sdp_string())
    }

    /// Takes the answer to its offer.
    pub fn accept(&mut self, now: Instant, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).expect("the node writes readable SDP");
        let pending = self.pending.take().expect("one answer per offer");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("the answer fits the offer");
        self.advance(now);
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

    /// Forgets what it got, for runs too long to keep it.
    pub fn forget_received(&mut self) {
        self.received.clear();
    }

    /// When it was asked for keyframes.
    pub fn keyframes_asked(&self) -> &[Instant] {
        &self.keyframes_asked
    }

    /// Says goodbye, as a page does that closes its connection.
    pub fn close(&mut self, now: Instant) {
        self.camera = None;
        if self.rtc.close().is_ok() {
            self.drain(now);
        }
    }

    /// When it wants to hear of the time.
    pub fn deadline(&self) -> Instant {
        let frame = self.camera.as_ref().filter(|_| self.connected).map(|camera| camera.next);
        frame.map_or(self.deadline, |at| at.min(self.deadline))
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Instant) {
        if self.connected {
            self.film(now);
        }
        if self.rtc.handle_input(Input::Timeout(now)).is_err() {
            self.closed = true;
        }
        self.drain(now);
    }

    /// Takes a datagram.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, payload: &[u8]) {
        let Ok(contents) = payload.try_into() else { return };
        let (proto, destination) = (Protocol::Udp, self.address);
        let receive = Receive { proto, source: from, destination, contents };
        if self.rtc.handle_input(Input::Receive(now, receive)).is_err() {
            self.closed = true;
        }
        self.drain(now);
    }

    /// The next datagram that it wants carried, and where to.
    pub fn next_outgoing(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.outgoing.pop_front()
    }

    fn film(&mut self, now: Instant) {
        let Some(camera) = self.camera.as_mut().filter(|camera| camera.next <= now) else { return };
        camera.next = now + FRAME;
        camera.frame += 1;
        let captured = now - camera.start;
        for track in &mut camera.tracks {
            let (packets, clock) = match track.kind {
                MediaKind::Audio => (1, 48_000),
                MediaKind::Video => (PACKETS_PER_FRAME, 90_000),
            };
            let Some(media) = self.rtc.media(track.mid) else { continue };
            let pt = *track.pt.get_or_insert_with(|| media.remote_pts()[0]);
            let time = (captured.as_micros() * clock / 1_000_000) as u32;
            let mut api = self.rtc.direct_api();
            let Some(stream) = api.stream_tx_by_mid(track.mid, None) else { continue };
            for packet in 0..packets {
                track.sequence += 1;
                let mut payload = vec![0; PAYLOAD];
                payload[..8].copy_from_slice(&(captured.as_micros() as u64).to_be_bytes());
                let write = RtpWrite::new(pt, track.sequence.into(), time, now, payload)
                    .marker(packet + 1 == packets)
                    .ext_vals(capture_time(captured))
                    .nackable(track.kind == MediaKind::Video);
                stream.write_rtp(write);
            }
        }
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.deadline = at.min(now + Duration::from_secs(3600));
                    break;
                }
                Ok(Output::Transmit(transmit)) => {
                    self.outgoing.push_back((transmit.destination, transmit.contents.to_vec()));
                }
                Ok(Output::Event(event)) => self.note(now, event),
                Err(_) => {
                    self.closed = true;
                    self.deadline = now + Duration::from_secs(3600);
                    break;
                }
            }
        }
    }

    fn note(&mut self, now: Instant, event: Event) {
        match event {
            Event::Connected => {
                self.connected = true;
                if let Some(camera) = &mut self.camera {
                    camera.next = now;
                }
            }
            Event::Closed => self.closed = true,
            Event::KeyframeRequest(_) => self.keyframes_asked.push(now),
            Event::RtpPacket(packet) => self.take(now, &packet),
            _ => {}
        }
    }

    fn take(&mut self, at: Instant, packet: &RtpPacket) {
        let values = &packet.header.ext_vals;
        let hundredths = |time: str0m::media::MediaTime| (time.as_seconds() * 100.0).round() as u64;
        let params = self.rtc.codec_config().find(|p| p.pt() == packet.header.payload_type);
        let Some(params) = params else { return };
        let codec = params.spec().codec;
        let mut captured = [0; 8];
        captured.copy_from_slice(&packet.payload[..8]);
        self.received.push(Received {
            at,
            kind: if codec.is_audio() { MediaKind::Audio } else { MediaKind::Video },
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            captured: Duration::from_micros(u64::from_be_bytes(captured)),
            playout_delay: values
                .play_delay_min
                .zip(values.play_delay_max)
                .map(|(min, max)| (hundredths(min), hundredths(max))),
            capture_time: values.abs_capture_time.map(|time| time.capture_time),
            codec: format!("{codec:?}"),
        });
    }
}

/// The capture time as a publisher's header extension; its clock starts at 1970.
fn capture_time(captured: Duration) -> ExtensionValues {
    let capture_time = SystemTime::UNIX_EPOCH + captured;
    let abs_capture_time = Some(AbsCaptureTime { capture_time, clock_offset: None });
    ExtensionValues { abs_capture_time, ..ExtensionValues::default() }
}

fn config(wish: Wish) -> RtcConfig {
    let mut config = RtcConfig::new().set_rtp_mode(true).clear_codecs();
    config = config.enable_opus(wish.audio, false);
    config = match wish.video {
        Video::None => config,
        Video::Vp8 => config.enable_vp8(true),
        Video::H264 => config.enable_h264(true),
        Video::Vp9 => config.enable_vp9(true),
        Video::Av1 => config.enable_av1(true),
        Video::All => config.enable_vp8(true).enable_h264(true).enable_vp9(true).enable_av1(true),
    };
    config.extension_map().set(5, Extension::PlayoutDelay);
    config.extension_map().set(9, Extension::AbsoluteCaptureTime);
    config
}
