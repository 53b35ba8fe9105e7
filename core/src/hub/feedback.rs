//! What viewers and downstream nodes say of the media that they get: repairs go back at once,
//! wishes for keyframes go up. And what we say of it to them.

use std::time::Instant;

use crate::hub::demux::SessionKey;
use crate::hub::egress::Wish;
use crate::hub::layers::Watch;
use crate::hub::{Hub, Timer};
use crate::machine::Datagram;
use crate::outbox::Outbox;
use crate::report::Report;

impl Hub {
    /// Takes feedback of a session's peer.
    pub(super) fn feedback(
        &mut self,
        now: Instant,
        key: SessionKey,
        datagram: &Datagram<'_>,
        out: &mut Outbox,
    ) {
        let Some(member) = self.sessions.get_mut(key) else { return };
        let mut wishes = std::mem::take(&mut self.road.feedback);
        member.session.feedback(now, datagram, &mut wishes);
        let mut repaired = 0;
        for wish in wishes.drain(..) {
            match wish {
                Wish::Keyframe(lane) => {
                    let track = member.watches.get(lane).and_then(Watch::current);
                    track.into_iter().for_each(|track| self.road.wish(track));
                }
                Wish::Repeat(lane, track, sequence, age) => {
                    let history = self.road.history(track);
                    let packet = history.and_then(|history| history.find(now, sequence, age));
                    let sent = packet.is_some_and(|packet| {
                        member.session.repeat(now, (lane, false), track, packet, out)
                    });
                    repaired += u64::from(sent);
                }
            }
        }
        self.road.feedback = wishes;
        let is_held = (0..member.watches.len()).any(|lane| member.session.is_held(lane));
        if is_held || member.session.line(now).is_some_and(|line| line.is_congested) {
            self.timers.hasten(Timer::Choose(key), now);
        }
        if repaired > 0 {
            out.report(Report::Repaired { packets: repaired });
        }
    }

    /// Tells a session's peer what was sent to it, and when.
    pub(super) fn report(&mut self, now: Instant, key: SessionKey, out: &mut Outbox) {
        let Some(member) = self.sessions.get_mut(key) else { return };
        let (watches, road) = (&member.watches, &self.road);
        let clock = |lane| road.history(watches.get(lane).and_then(Watch::current)?)?.clock();
        member.session.report(now, clock, out);
    }
}
