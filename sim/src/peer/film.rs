//! A publisher's packets: what its camera films, with the labels that they carry. It knows neither
//! the network nor who watches.

use std::time::{Duration, Instant, SystemTime};

use str0m::media::{MediaKind, Rid, Simulcast, SimulcastLayer};
use str0m::rtp::{AbsCaptureTime, ExtensionValues, RtpWrite};

use super::Peer;
use crate::camera::Shot;
use crate::describe::Described;

impl Peer {
    /// What was filmed before nobody gets, and the first frame can be understood alone.
    pub(super) fn begin_film(&mut self, now: Instant) {
        if let Some(camera) = &mut self.camera {
            camera.shoot(now.saturating_duration_since(self.start));
            (0..camera.layers()).for_each(|layer| camera.want_keyframe(layer));
        }
    }

    /// Films until now.
    pub(super) fn film(&mut self, now: Instant) {
        let Some(camera) = &mut self.camera else { return };
        let shots = camera.shoot(now.saturating_duration_since(self.start));
        let mut last = None;
        for shot in shots {
            // Where two tracks wait at the same time, str0m goes by the order of a hash map.
            if last.replace(shot.layer).is_some_and(|layer| layer != shot.layer) {
                self.flush(now);
            }
            self.send(now, shot);
        }
    }

    fn send(&mut self, now: Instant, shot: Shot) {
        let (kind, clock) = match shot.layer {
            None => (MediaKind::Audio, 48_000),
            Some(_) => (MediaKind::Video, 90_000),
        };
        let Some(track) = self.tracks.iter_mut().find(|track| track.kind == kind) else { return };
        let Some(media) = self.rtc.media(track.mid) else { return };
        let Some(pt) = track.pt.or_else(|| media.remote_pts().first().copied()) else { return };
        track.pt = Some(pt);
        let layer = shot.layer.filter(|_| track.sequences.len() > 1);
        let sequence = &mut track.sequences[usize::from(layer.unwrap_or(0))];
        *sequence += 1;
        let time = (shot.captured.as_micros() * clock / 1_000_000) as u32;
        let write = RtpWrite::new(pt, (*sequence).into(), time, now, shot.payload)
            .marker(shot.last)
            .ext_vals(labels(shot.told, shot.descriptor))
            .nackable(kind == MediaKind::Video);
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(track.mid, layer.map(rid)) {
            stream.write_rtp(write);
        }
    }
}

/// How a layer is called.
pub(super) fn rid(layer: u8) -> Rid {
    Rid::from(layer.to_string().as_str())
}

/// How layers are offered; nothing without simulcast.
pub(super) fn simulcast(layers: u8) -> Option<Simulcast> {
    let send = (0..layers).map(|layer| SimulcastLayer::new(&rid(layer))).collect();
    (layers > 1).then_some(Simulcast { send, recv: Vec::new() })
}

/// Capture time and descriptor as a publisher's header extensions; its clock starts at 1970.
fn labels(told: Option<Duration>, descriptor: Option<Vec<u8>>) -> ExtensionValues {
    let capture_time = told.map(|told| SystemTime::UNIX_EPOCH + told);
    let time = |capture_time| AbsCaptureTime { capture_time, clock_offset: None };
    let abs_capture_time = capture_time.map(time);
    let mut values = ExtensionValues { abs_capture_time, ..ExtensionValues::default() };
    if let Some(bytes) = descriptor {
        values.user_values.set(Described(bytes));
    }
    values
}
