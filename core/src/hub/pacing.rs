//! Packets that wait for their turn on a viewer's line leave in small steps, from the history of
//! their track.

use std::time::Instant;

use crate::hub::demux::SessionKey;
use crate::hub::fanout::SinkId;
use crate::hub::history::History;
use crate::hub::layers::Watch;
use crate::hub::{Hub, Timer};
use crate::limits;
use crate::media::packet;
use crate::outbox::Outbox;
use crate::report::Report;

impl Hub {
    /// Sends what may go of the packets that wait for a session.
    pub(super) fn pace(&mut self, now: Instant, key: SessionKey, out: &mut Outbox) {
        let Some(member) = self.sessions.get_mut(key) else { return };
        let (mut packets, mut bytes, mut waits) = (0, 0, false);
        for (lane, watch) in member.watches.iter().enumerate() {
            let Some(next) = member.session.due(lane) else { continue };
            let Some(track) = watch.current() else { continue };
            let Some(history) = self.road.history(track) else { continue };
            let begin = match member.session.trickles(lane) {
                true => latest_keyframe(history, now, next).unwrap_or(next),
                false => next,
            };
            let waiting = history.since(next);
            out.foresee(packet::longest(waiting.clone()));
            let sent = member.session.pace(now, (lane, track), begin, waiting, out);
            (packets, bytes) = (packets + sent.0, bytes + sent.1);
            waits |= member.session.waits(lane).is_some();
        }
        out.foresee(0);
        if waits {
            self.timers.set(Timer::Pace(key), now + limits::PACE_STEP);
        }
        if packets > 0 {
            out.report(Report::Forwarded { packets, bytes });
        }
    }

    /// Sends at once whatever waits for a sink, unless it is held: then it is not sent at all.
    pub(super) fn release(&mut self, now: Instant, sink: SinkId, out: &mut Outbox) {
        let member = &mut self.sessions[sink.session];
        let Some(next) = member.session.waits(sink.lane) else { return };
        let track = member.watches.get(sink.lane).and_then(Watch::current);
        let track = track.filter(|_| !member.session.is_held(sink.lane));
        let history = track.and_then(|track| Some((track, self.road.history(track)?)));
        member.session.release(sink.lane);
        if let Some((track, history)) = history {
            for packet in history.since(next) {
                member.session.write(now, sink.lane, track, packet, out);
            }
        }
    }
}

/// Where to go on with the latest keyframe, if the last frame has been sent whole.
fn latest_keyframe(history: &History, now: Instant, next: u64) -> Option<u64> {
    let before = history.find(now, next.checked_sub(1)?, limits::START_KEPT);
    let is_whole = before.is_none_or(|packet| packet.marker);
    history.latest_keyframe(now).filter(|first| is_whole && *first > next)
}
