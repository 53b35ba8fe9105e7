//! A camera and a microphone: which packets leave when. It knows no network; each payload says
//! what it is part of, so that a viewer can tell what it got.

use std::time::Duration;

use farcast_core::seed::Seed;
use serde::Deserialize;

use crate::describe::Place;
use crate::encoder::{Encoders, LAYER};

/// Pictures in a second.
pub const FRAME_RATE: u32 = 30;
/// Between two packets of Opus (RFC 7587 section 4.2: what browsers choose).
const AUDIO: Duration = Duration::from_millis(20);
/// An audio packet's payload in bytes: 48 kbit/s.
const AUDIO_BYTES: usize = 120;
/// The largest payload of a packet in bytes; what browsers make.
const PAYLOAD: usize = 1_200;
/// How much larger a keyframe is than other frames.
const KEYFRAME: u64 = 6;
/// The height of the best layer; each has half of the next one's.
const HEIGHT: u16 = 720;
/// Where a keyframe of VP8 says how large it is: after a descriptor (RFC 7741 section 4.2) and a
/// frame tag (RFC 6386 section 9.1), with a start code, width and height. A descriptor of VP9
/// (RFC 9628 section 4.2) takes less.
const SIZE: usize = 1 + 3;
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
/// Where the stamp begins that says what a payload is part of, and where it ends.
const STAMP: usize = SIZE + START_CODE.len() + 4;
const HEAD: usize = STAMP + 8 + 4 + 2 + 2 + 1;

/// What is filmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Film {
    /// The bitrate of the best layer of video, with those that it needs; 0: none.
    pub video_kbps: u32,
    /// Layers, the best one last; 1: there is no choice.
    pub layers: u8,
    /// Whether they come as one, where one needs the one below in keyframes, and in which codec;
    /// else they are simulcast.
    pub svc: Option<Svc>,
    /// Whether there is sound.
    pub audio: bool,
    /// Whether video takes no more than the connection says.
    pub adapts: bool,
}

/// A codec whose layers come as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Svc {
    Vp9,
    Av1,
}

/// A packet to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shot {
    /// The layer of simulcast, from 0; `None`: audio.
    pub layer: Option<u8>,
    /// When it was captured, since the world's start.
    pub captured: Duration,
    /// Whether it is the last one of its frame.
    pub last: bool,
    /// The capture time that its header tells: as in browsers, that of a frame's first packet.
    pub told: Option<Duration>,
    /// The descriptor beside its payload, if it is AV1 in layers.
    pub descriptor: Option<Vec<u8>>,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// What a payload is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When the frame was captured, since the world's start.
    pub captured: Duration,
    /// Counts the frames of a camera.
    pub frame: u32,
    /// The number of this part of the frame.
    pub part: u16,
    /// How many parts it has, but for those of better layers that come with it.
    pub parts: u16,
    /// Whether it can be understood alone.
    pub keyframe: bool,
}

/// A camera with a microphone.
#[derive(Debug)]
pub struct Camera {
    film: Film,
    encoders: Encoders,
    seed: Seed,
    start: Duration,
    frames: u32,
    sounds: u32,
    /// Which layers owe a keyframe.
    keyframes: Vec<bool>,
    /// Packets of [`PAYLOAD`] bytes in every frame, if all frames are alike.
    alike: Option<u16>,
    /// Whether stamps say when a packet was asked for, instead of when it was due.
    punctual: bool,
}

impl Camera {
    /// A camera that starts filming at `start`.
    pub fn new(film: Film, start: Duration, seed: Seed) -> Self {
        let keyframes = vec![true; usize::from(film.layers)];
        let (frames, sounds, alike, punctual) = (0, 0, None, false);
        let encoders = Encoders::new(u64::from(film.video_kbps) * 1_000, film.layers);
        Camera { film, encoders, seed, start, frames, sounds, keyframes, alike, punctual }
    }

    /// A camera without a microphone, all of whose frames have so many packets of 1,200 bytes.
    pub fn steady(parts: u16, start: Duration, seed: Seed) -> Self {
        let film = Film { video_kbps: 1, layers: 1, svc: None, audio: false, adapts: false };
        Camera { alike: Some(parts), ..Camera::new(film, start, seed) }
    }

    /// The same camera where alarms come late: what is late at the lens counts as captured late, so
    /// that nobody takes it for delay on the way.
    #[must_use]
    pub fn punctual(self) -> Self {
        Camera { punctual: true, ..self }
    }

    /// How many layers of simulcast it films.
    pub fn layers(&self) -> u8 {
        if self.film.svc.is_some() { 1 } else { self.film.layers }
    }

    /// Whether it wants to be told what the connection takes.
    pub(crate) fn adapts(&self) -> bool {
        self.film.adapts
    }

    /// What its layers get of the connection.
    pub(crate) fn encoders(&self) -> &Encoders {
        &self.encoders
    }

    /// The connection takes so many bit/s.
    pub(crate) fn afford(&mut self, bits: u64) {
        if let Some(layer) = self.encoders.afford(bits) {
            self.want_keyframe(layer);
        }
    }

    /// The next frame of this layer can be understood alone.
    pub fn want_keyframe(&mut self, layer: u8) {
        if let Some(wanted) = self.keyframes.get_mut(usize::from(layer)) {
            *wanted = true;
        }
    }

    /// When the next packet leaves.
    pub fn deadline(&self) -> Duration {
        let (picture, sound) = (self.next_picture(), self.next_sound());
        picture.into_iter().chain(sound).min().unwrap_or(Duration::MAX)
    }

    /// What leaves until now.
    pub fn shoot(&mut self, now: Duration) -> Vec<Shot> {
        let mut shots = Vec::new();
        while let Some(at) = self.next_sound().filter(|at| *at <= now) {
            self.sounds += 1;
            let captured = if self.punctual { now } else { at };
            let stamp = Stamp { captured, frame: self.sounds, part: 0, parts: 1, keyframe: true };
            let payload = stamp.payload(AUDIO_BYTES);
            let (layer, told, descriptor) = (None, Some(at), None);
            shots.push(Shot { layer, captured: at, last: true, told, descriptor, payload });
        }
        while let Some(at) = self.next_picture().filter(|at| *at <= now) {
            self.frames += 1;
            let seen = if self.punctual { now } else { at };
            (0..self.layers()).for_each(|layer| self.picture(at, seen, layer, &mut shots));
        }
        shots
    }

    /// One frame of one layer of simulcast, due `at`, stamped with when it was `seen`; or none, if
    /// the connection does not take it.
    fn picture(&mut self, at: Duration, seen: Duration, layer: u8, shots: &mut Vec<Shot>) {
        if !self.encoders.has_room(at, layer) {
            return;
        }
        let keyframe = std::mem::take(&mut self.keyframes[usize::from(layer)]);
        let is_one = self.film.svc.is_some();
        let layers = if is_one { 0..self.film.layers } else { layer..layer + 1 };
        let (frame, best) = (self.frames, layers.end - 1);
        let mut first = 0;
        for spatial in layers {
            let bytes = self.bytes(spatial, keyframe);
            self.encoders.spend(bytes as u64 * 8);
            let count = bytes.div_ceil(PAYLOAD).clamp(1, usize::from(u16::MAX) / 4) as u16;
            let parts = first + count;
            for part in first..parts {
                let stamp = Stamp { captured: seen, frame, part, parts, keyframe };
                let mut payload = stamp.payload(cut(bytes, count, part - first));
                let last = part + 1 == parts;
                if !is_one && keyframe && part == 0 {
                    say_height(&mut payload, HEIGHT >> (self.film.layers - 1 - layer));
                }
                let place = Place { spatial, keyframe, begins: part == first, ends: last };
                let descriptor = self.describe(place, &mut payload);
                let last = last && spatial == best;
                let told = (part == 0 || self.alike.is_some()).then_some(at);
                let layer = Some(layer);
                shots.push(Shot { layer, captured: at, last, told, descriptor, payload });
            }
            first = parts;
        }
    }

    /// Says in a payload of layers that come as one where it belongs, or in what it returns.
    fn describe(&self, place: Place, payload: &mut [u8]) -> Option<Vec<u8>> {
        let Place { spatial, keyframe, .. } = place;
        match self.film.svc? {
            Svc::Vp9 => payload[..2].copy_from_slice(&place.vp9()),
            Svc::Av1 => {
                payload[0] = if keyframe && spatial == 0 && place.begins { 0x18 } else { 0x10 };
                let count = self.film.layers;
                let number = self.frames * u32::from(count) + u32::from(spatial);
                return Some(place.av1(number as u16, count, HEIGHT));
            }
        }
        None
    }

    /// How large a frame is: around what the bitrate allows, by a quarter.
    fn bytes(&mut self, layer: u8, keyframe: bool) -> usize {
        let mean = self.encoders.rate(layer) / 8 / u64::from(FRAME_RATE);
        // What the layers below bring, it need not bring itself.
        let has_lower = self.film.svc.is_some() && layer > 0;
        let mean = if has_lower { mean - mean / LAYER } else { mean };
        let varied = mean * 3 / 4 + mean * u64::from(self.seed.below(1024)) / 2048;
        let bytes = if keyframe { varied * KEYFRAME } else { varied } as usize;
        self.alike.map_or(bytes, |parts| usize::from(parts) * PAYLOAD)
    }

    fn next_picture(&self) -> Option<Duration> {
        let micros = u64::from(self.frames) * 1_000_000 / u64::from(FRAME_RATE);
        let frame = Duration::from_micros(micros);
        (self.film.video_kbps > 0).then_some(self.start + frame)
    }

    fn next_sound(&self) -> Option<Duration> {
        self.film.audio.then_some(self.start + AUDIO * self.sounds)
    }
}

/// Says how high the picture is that begins with this payload, and that it is 16:9.
fn say_height(payload: &mut [u8], height: u16) {
    let [[w0, w1], [h0, h1]] = [height / 9 * 16, height].map(u16::to_le_bytes);
    let [c0, c1, c2] = START_CODE;
    payload[SIZE..STAMP].copy_from_slice(&[c0, c1, c2, w0, w1, h0, h1]);
}

/// How large one of so many parts of a frame is: as browsers cut them, they differ by a byte.
fn cut(bytes: usize, count: u16, part: u16) -> usize {
    let end = |part: u16| bytes * usize::from(part) / usize::from(count);
    end(part + 1) - end(part)
}

impl Stamp {
    /// A payload of so many bytes, or as many as a stamp takes, which VP8 decoders would take for
    /// the start or the middle of a frame.
    pub fn payload(&self, bytes: usize) -> Vec<u8> {
        let mut payload = vec![0; bytes.max(HEAD)];
        payload[0] = if self.part == 0 { 0x10 } else { 0 };
        payload[1] = u8::from(!self.keyframe);
        let stamp = &mut payload[STAMP..];
        stamp[..8].copy_from_slice(&(self.captured.as_micros() as u64).to_be_bytes());
        stamp[8..12].copy_from_slice(&self.frame.to_be_bytes());
        stamp[12..14].copy_from_slice(&self.part.to_be_bytes());
        stamp[14..16].copy_from_slice(&self.parts.to_be_bytes());
        stamp[16] = u8::from(self.keyframe);
        payload
    }

    /// What this payload is part of; `None` if no camera of ours made it.
    pub fn read(payload: &[u8]) -> Option<Stamp> {
        let (head, _) = payload.split_first_chunk::<HEAD>()?;
        let (_, stamp) = head.split_last_chunk()?;
        let [c0, c1, c2, c3, c4, c5, c6, c7, f0, f1, f2, f3, p0, p1, n0, n1, key] = *stamp;
        let captured = u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]);
        Some(Stamp {
            captured: Duration::from_micros(captured),
            frame: u32::from_be_bytes([f0, f1, f2, f3]),
            part: u16::from_be_bytes([p0, p1]),
            parts: u16::from_be_bytes([n0, n1]),
            keyframe: key == 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILM: Film = Film { video_kbps: 2_500, layers: 1, svc: None, audio: true, adapts: false };

    /// Ten seconds of film, as a world asks for it.
    fn film(film: Film) -> Vec<Shot> {
        let mut camera = Camera::new(film, Duration::from_secs(1), Seed::new([1; 32]));
        let mut shots = Vec::new();
        while camera.deadline() < Duration::from_secs(11) {
            shots.extend(camera.shoot(camera.deadline()));
        }
        shots
    }

    fn kbps(shots: &[Shot], layer: Option<u8>) -> f64 {
        let of_layer = shots.iter().filter(|shot| shot.layer == layer);
        of_layer.map(|shot| shot.payload.len()).sum::<usize>() as f64 * 8.0 / 10_000.0
    }

    #[test]
    fn a_film_has_its_bitrate_its_frames_and_its_sound() {
        let shots = film(FILM);
        let frames = shots.iter().filter(|shot| shot.layer.is_some() && shot.last).count();
        assert_eq!(frames, 300);
        assert_eq!(shots.iter().filter(|shot| shot.layer.is_none()).count(), 500);
        assert!((kbps(&shots, Some(0)) / 2_500.0 - 1.0).abs() < 0.05);
        assert!((kbps(&shots, None) / 48.0 - 1.0).abs() < 0.01);
        assert!(shots.iter().all(|shot| shot.payload.len() <= PAYLOAD));
        assert_eq!(film(FILM), shots);
    }

    #[test]
    fn the_first_frame_and_every_wanted_one_is_a_keyframe() {
        let mut camera = Camera::new(FILM, Duration::ZERO, Seed::new([1; 32]));
        let mut next = |wanted: bool| {
            if wanted {
                camera.want_keyframe(0);
                camera.want_keyframe(7);
            }
            let at = camera.next_picture().expect("it films");
            let shots = camera.shoot(at);
            let video: Vec<_> = shots.iter().filter(|shot| shot.layer.is_some()).collect();
            let stamps: Vec<_> = video.iter().filter_map(|s| Stamp::read(&s.payload)).collect();
            assert!(stamps.iter().all(|stamp| stamp.captured == at));
            assert!(stamps.iter().zip(0..).all(|(stamp, part)| stamp.part == part));
            assert!(stamps.iter().all(|stamp| usize::from(stamp.parts) == stamps.len()));
            (stamps[0].frame, stamps[0].keyframe, stamps.len() > 30)
        };
        assert_eq!(next(false), (1, true, true));
        assert_eq!(next(false), (2, false, false));
        assert_eq!(next(true), (3, true, true));
        assert_eq!(next(false), (4, false, false));
    }

    #[test]
    fn lower_layers_are_smaller_and_captured_at_the_same_time() {
        let shots = film(Film { layers: 3, ..FILM });
        let rates = [0, 1, 2].map(|layer| kbps(&shots, Some(layer)));
        assert!(rates[0] * 3.0 < rates[1] && rates[1] * 3.0 < rates[2], "{rates:?}");
        let captured = |layer| {
            let of_layer = shots.iter().filter(move |shot| shot.layer == Some(layer) && shot.last);
            of_layer.map(|shot| shot.captured).collect::<Vec<_>>()
        };
        assert_eq!(captured(0), captured(2));
    }

    #[test]
    fn layers_that_come_as_one_follow_each_other_in_every_picture() {
        let shots = film(Film { layers: 3, svc: Some(Svc::Vp9), audio: false, ..FILM });
        let mut parts = 0..0;
        let mut ends = Vec::new();
        for shot in &shots {
            let stamp = Stamp::read(&shot.payload).expect("a stamp");
            assert_eq!((shot.layer, stamp.part), (Some(0), parts.start));
            parts = stamp.part + 1..stamp.parts;
            if parts.is_empty() {
                ends.push((shot.payload[1] >> 1, shot.last));
            }
            if shot.last {
                parts = 0..0;
            }
        }
        assert_eq!(ends.len(), 900);
        assert!((kbps(&shots, Some(0)) / 2_500.0 - 1.0).abs() < 0.05);
        assert!(ends.chunks(3).all(|picture| picture == [(0, false), (1, false), (2, true)]));
    }

    #[test]
    fn a_punctual_camera_stamps_what_comes_late_as_captured_late() {
        let mut camera = Camera::new(FILM, Duration::ZERO, Seed::new([1; 32])).punctual();
        let late = Duration::from_millis(7);
        let shots = camera.shoot(late);
        assert!(shots.iter().all(|shot| shot.captured == Duration::ZERO));
        let mut stamps = shots.iter().filter_map(|shot| Stamp::read(&shot.payload));
        assert!(stamps.all(|stamp| stamp.captured == late));
    }

    #[test]
    fn the_packets_of_a_frame_differ_by_a_byte_and_tell_the_time_once() {
        let mut camera = Camera::new(FILM, Duration::ZERO, Seed::new([1; 32]));
        let shots: Vec<_> = (1..30).flat_map(|n| camera.shoot(AUDIO * 2 * n)).collect();
        let video: Vec<_> = shots.iter().filter(|shot| shot.layer.is_some()).collect();
        let mut uneven = 0;
        for frame in video.chunk_by(|one, next| one.captured == next.captured) {
            let sizes = frame.iter().map(|shot| shot.payload.len());
            let (least, most) = (sizes.clone().min(), sizes.max());
            uneven += usize::from(least != most);
            assert!(most <= least.map(|least| least + 1));
            assert!(frame[0].told.is_some() && frame[1..].iter().all(|shot| shot.told.is_none()));
        }
        assert!(uneven > 10, "{uneven}");
    }

    #[test]
    fn no_video_no_sound_no_deadline() {
        let silent = Film { video_kbps: 0, layers: 1, svc: None, audio: false, adapts: false };
        let camera = Camera::new(silent, Duration::ZERO, Seed::new([1; 32]));
        assert_eq!(camera.deadline(), Duration::MAX);
        assert!(film(Film { audio: true, ..silent }).iter().all(|shot| shot.layer.is_none()));
    }
}
