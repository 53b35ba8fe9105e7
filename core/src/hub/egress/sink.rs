//! All media that goes to one peer, and the feedback on it that comes back: sealed, counted and
//! repeated here. It knows neither sockets nor who else gets the packets.

use std::time::{Duration, Instant};

use super::lane::{Lane, Terms};
use super::rtcp::{self, Feedback, SenderInfo, write};
use super::srtp::{self, Opener, Profile, Sealer};
use crate::hub::numbering::SourceTrack;
use crate::limits;
use crate::media::packet::{Packet, SourceClock};
use crate::outbox::{Outbox, Way};

/// What a DTLS handshake exported for SRTP (RFC 5764 section 4.2).
pub struct Exported {
    /// How packets are sealed.
    pub profile: Profile,
    /// Keys and salts of both sides.
    pub material: Vec<u8>,
    /// Whether we were the DTLS client.
    pub is_client: bool,
}

/// All media that goes to one peer.
pub struct Sink {
    sealer: Sealer,
    opener: Opener,
    lanes: Vec<Lane>,
    /// Names us in source descriptions (RFC 3550 section 6.5.1).
    cname: String,
    /// When the next sender report is due.
    report_at: Option<Instant>,
    round_trip: Option<Duration>,
    /// Lent to whoever opens or writes control packets.
    plain: Vec<u8>,
    reports: Vec<SenderInfo>,
}

/// What feedback asks of the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// A keyframe of this lane's track.
    Keyframe(usize),
    /// The packet of this track with this number once more, on this lane.
    Repeat(usize, SourceTrack, u64),
}

impl Sink {
    /// A sink for these tracks, whose first packets get these sequence numbers. `None` if the
    /// exported keys are none, or two tracks have one SSRC.
    pub fn open(exported: &Exported, terms: Vec<(Terms, u16)>, cname: String) -> Option<Self> {
        let Exported { profile, material, is_client } = exported;
        let (mut sealer, opener) = srtp::from_exported(*profile, material, *is_client)?;
        let open = |(terms, first)| Lane::open(terms, first, &mut sealer);
        let lanes = terms.into_iter().map(open).collect::<Option<Vec<_>>>()?;
        Some(Sink {
            sealer,
            opener,
            lanes,
            cname,
            report_at: None,
            round_trip: None,
            plain: Vec::new(),
            reports: Vec::new(),
        })
    }

    /// Sends a packet of a lane's track. `false` if it is from before the peer joined.
    pub fn write(
        &mut self,
        now: Instant,
        lane: usize,
        track: SourceTrack,
        packet: &Packet,
        way: &Way,
        out: &mut Outbox,
    ) -> bool {
        let Sink { sealer, lanes, .. } = self;
        let Some(lane) = lanes.get_mut(lane) else { return false };
        out.compose(way, |slab| lane.write(now, track, packet, sealer, slab))
    }

    /// Sends a packet once more.
    pub fn repeat(
        &mut self,
        lane: usize,
        track: SourceTrack,
        packet: &Packet,
        way: &Way,
        out: &mut Outbox,
    ) -> bool {
        let Sink { sealer, lanes, .. } = self;
        let Some(lane) = lanes.get_mut(lane) else { return false };
        out.compose(way, |slab| lane.repair(track, packet, sealer, slab))
    }

    /// Whether a lane's first packet was sent so short a time ago that its repair is no old one.
    pub fn has_just_begun(&self, now: Instant, lane: usize) -> bool {
        let began = self.lanes.get(lane).and_then(|lane| lane.began());
        began.is_some_and(|at| now < at + limits::CATCH_UP + limits::REPAIR_AGE)
    }

    /// Whether a sender report is due.
    pub fn reports(&self, now: Instant) -> bool {
        self.report_at.is_none_or(|at| at <= now)
    }

    /// Sends a report about every lane that has sent something and whose source's clocks are
    /// known; they come in the order of the lanes.
    pub fn report(
        &mut self,
        now: Instant,
        clock: impl Fn(usize) -> Option<SourceClock>,
        way: &Way,
        out: &mut Outbox,
    ) {
        let Sink { lanes, sealer, cname, reports, .. } = self;
        reports.clear();
        for (number, lane) in lanes.iter_mut().enumerate() {
            reports.extend(clock(number).and_then(|clock| lane.report(now, &clock)));
        }
        let pause = if reports.is_empty() { limits::CLOCK_PAUSE } else { limits::SENDER_REPORT };
        self.report_at = Some(now + pause);
        if !reports.is_empty() {
            out.compose(way, |slab| {
                let all = reports.iter().copied();
                seal_control(sealer, slab, |slab| write::sender_reports(slab, all, cname))
            });
        }
    }

    /// Says that no more comes (RFC 3550 section 6.6).
    pub fn goodbye(&mut self, way: &Way, out: &mut Outbox) {
        let Sink { lanes, sealer, .. } = self;
        let ssrcs: Vec<u32> = lanes.iter().map(|lane| lane.terms.ssrc).collect();
        out.compose(way, |slab| seal_control(sealer, slab, |slab| write::goodbye(slab, &ssrcs)));
    }

    /// Takes feedback as it came, and adds what it asks of the hub. `false`: it is no feedback of
    /// this peer's, or came before.
    pub fn feedback(&mut self, now: Instant, payload: &[u8], wishes: &mut Vec<Wish>) -> bool {
        let mut plain = std::mem::take(&mut self.plain);
        let opened = self.opener.open_control(payload, &mut plain);
        if opened {
            for said in rtcp::feedback(&plain) {
                self.hear(now, said, wishes);
            }
        }
        self.plain = plain;
        opened
    }

    fn hear(&mut self, now: Instant, said: Feedback<'_>, wishes: &mut Vec<Wish>) {
        match said {
            Feedback::Report { block, .. } => {
                let Some(lane) = self.lane_of(block.ssrc) else { return };
                self.round_trip = self.lanes[lane].received(now, &block).or(self.round_trip);
            }
            Feedback::Nack { media_ssrc, lost } => {
                let pause = self.round_trip.unwrap_or(limits::REPAIR_PAUSE);
                let Some(lane) = self.lane_of(media_ssrc) else { return };
                for shown in lost {
                    if let Some((track, sequence)) = self.lanes[lane].repeats(now, shown, pause) {
                        wishes.push(Wish::Repeat(lane, track, sequence));
                    }
                }
            }
            Feedback::PictureLoss { media_ssrc } | Feedback::FullIntra { media_ssrc, .. } => {
                wishes.extend(self.lane_of(media_ssrc).map(Wish::Keyframe));
            }
            Feedback::Sender(_)
            | Feedback::MaximumBitrate { .. }
            | Feedback::Transport(_)
            | Feedback::Goodbye { .. } => {}
        }
    }

    fn lane_of(&self, ssrc: u32) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.is_named(ssrc))
    }
}

/// Lets `write` put a compound behind what is in `slab`, and seals it there.
fn seal_control(sealer: &mut Sealer, slab: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> bool {
    let start = slab.len();
    write(slab);
    slab.resize(slab.len() + sealer.control_overhead(), 0);
    let sealed = sealer.seal_control(&mut slab[start..]);
    if !sealed {
        slab.truncate(start);
    }
    sealed
}
