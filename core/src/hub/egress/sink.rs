//! All media that goes to one peer, and the feedback on it that comes back: sealed, counted and
//! repeated here. It knows neither sockets nor who else gets the packets.

use std::time::{Duration, Instant};

use super::lane::{Lane, Terms};
use super::pen::Pen;
use super::playout::Playout;
use super::rtcp::{self, Feedback, SenderInfo, write};
use super::srtp::{self, Opener, Profile, Sealer};
use crate::config::PlayoutDelay;
use crate::hub::estimate::{Estimator, Probe};
use crate::hub::numbering::SourceTrack;
use crate::limits;
use crate::media::packet::{Packet, SourceClock};
use crate::outbox::{Outbox, Train, Way};

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
    /// `None` if the peer does not tell what arrives.
    estimator: Option<Box<Estimator>>,
    playout: Playout,
    /// The way that the estimate is about.
    way: Option<Way>,
    /// When the next sender report is due.
    report_at: Option<Instant>,
    round_trip: Option<Duration>,
    /// Lent to whoever opens or writes control packets.
    plain: Vec<u8>,
    reports: Vec<SenderInfo>,
}

/// What a peer's line takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Bits a second, with IP and UDP headers.
    pub bitrate: u64,
    /// Whether it is overused now.
    pub is_congested: bool,
    /// Whether it has ever been: else it takes that much at least.
    pub is_limited: bool,
}

/// What feedback asks of the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// A keyframe of this lane's track.
    Keyframe(usize),
    /// The packet of this track with this number once more, on this lane, if it is not older.
    Repeat(usize, SourceTrack, u64, Duration),
}

impl Sink {
    /// A sink for these tracks, whose first packets get these sequence numbers. `None` if the
    /// exported keys are none, or two tracks have one SSRC. `playout` is told to the peer instead
    /// of what its line needs.
    pub fn open(
        now: Instant,
        exported: &Exported,
        terms: Vec<(Terms, u16)>,
        cname: String,
        playout: Option<PlayoutDelay>,
    ) -> Option<Self> {
        let Exported { profile, material, is_client } = exported;
        let is_told = terms.iter().any(|(terms, _)| terms.extensions.transport > 0);
        let (mut sealer, opener) = srtp::from_exported(*profile, material, *is_client)?;
        let open = |(terms, first)| Lane::open(terms, first, &mut sealer);
        let lanes = terms.into_iter().map(open).collect::<Option<Vec<_>>>()?;
        Some(Sink {
            sealer,
            opener,
            lanes,
            cname,
            estimator: is_told.then(|| Box::new(Estimator::new(now))),
            playout: Playout::new(playout),
            way: None,
            report_at: None,
            round_trip: None,
            plain: Vec::new(),
            reports: Vec::new(),
        })
    }

    /// Reads what the next packet of a lane will need.
    pub(crate) fn warm(&self, lane: usize) -> usize {
        let lane = self.lanes.get(lane).map_or(0, Lane::warm);
        let estimator = self.estimator.as_deref().map_or(0, Estimator::warm);
        lane ^ estimator ^ self.sealer.warm()
    }

    /// Sends a packet of a lane's track. `false` if it is from before the peer joined. A frame's
    /// last packet goes out twice where packets are lost: that it is missing shows only when the
    /// next frame comes.
    pub fn write(
        &mut self,
        now: Instant,
        lane: usize,
        track: SourceTrack,
        packet: &Packet,
        way: &Way,
        out: &mut Outbox,
    ) -> bool {
        let Some(found) = self.lanes.get_mut(lane) else { return false };
        let (sealer, estimator) = (&mut self.sealer, self.estimator.as_deref_mut());
        let (playout, train, probes) = (self.playout.value(), out.train(way), false);
        let sent = out.compose(way, |slab| {
            let mut pen = Pen { now, sealer, estimator, probes, playout, train, slab };
            found.write(track, packet, &mut pen)
        });
        if sent && packet.marker && found.is_lossy(now) {
            self.repeat(now, (lane, false), track, packet, way, out);
        }
        sent
    }

    /// Sends a packet again that is missing; twice where packets are lost, since another try takes
    /// another round trip.
    pub fn repair(
        &mut self,
        now: Instant,
        lane: usize,
        track: SourceTrack,
        packet: &Packet,
        way: &Way,
        out: &mut Outbox,
    ) -> bool {
        let is_lossy = self.lanes.get(lane).is_some_and(|lane| lane.is_lossy(now));
        let sent = self.repeat(now, (lane, false), track, packet, way, out);
        if sent && is_lossy {
            self.repeat(now, (lane, false), track, packet, way, out);
        }
        sent
    }

    /// Sends a packet once more; if so, to find out what the line takes.
    pub fn repeat(
        &mut self,
        now: Instant,
        (lane, probes): (usize, bool),
        track: SourceTrack,
        packet: &Packet,
        way: &Way,
        out: &mut Outbox,
    ) -> bool {
        let Some(lane) = self.lanes.get_mut(lane) else { return false };
        let (sealer, estimator) = (&mut self.sealer, self.estimator.as_deref_mut());
        let (playout, train) = (self.playout.value(), Train::default());
        out.compose(way, |slab| {
            let mut pen = Pen { now, sealer, estimator, probes, playout, train, slab };
            lane.repair(track, packet, &mut pen)
        })
    }

    /// What the peer's line takes, if the peer tells what arrives.
    pub fn line(&mut self, now: Instant, way: &Way) -> Option<Line> {
        let estimator = self.estimator.as_deref_mut()?;
        // Of another way nothing is known yet.
        if self.way.replace(*way).is_some_and(|before| before != *way) {
            *estimator = Estimator::new(now);
        }
        if estimator.deadline().is_some_and(|at| at <= now) {
            estimator.tick(now);
        }
        let (bitrate, is_congested) = (estimator.bitrate(), estimator.is_congested());
        Some(Line { bitrate, is_congested, is_limited: estimator.is_limited() })
    }

    /// What to send to find out whether the line takes so many bits a second: how many packets of
    /// how many bytes, and how many bits a second.
    pub fn probe(&mut self, now: Instant, wanted: u64) -> Option<Probe> {
        self.estimator.as_deref_mut()?.probe(now, wanted)
    }

    /// Leaves a packet of a lane's track out.
    pub fn skip(&mut self, now: Instant, lane: usize, track: SourceTrack, packet: &Packet) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.skip(now, track, packet);
        }
    }

    /// A lane gets another layer from its next packet on, whose RTP time is so much behind that of
    /// the present one, if that is known.
    pub fn turn(&mut self, now: Instant, lane: usize, behind: Option<u32>) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.turn(now, behind);
        }
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
        let ssrcs: Vec<u32> = lanes.iter().map(Lane::ssrc).collect();
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
                if let Some(trip) = self.lanes[lane].received(now, &block) {
                    self.round_trip = Some(trip);
                    self.estimator.iter_mut().for_each(|estimator| estimator.round_trip(trip));
                }
                let lane = &self.lanes[lane];
                let repair = self.round_trip.filter(|_| lane.is_lossy(now));
                self.playout.reported(now, lane.jitter(&block), repair);
            }
            Feedback::Nack { media_ssrc, lost } => {
                let trip = self.round_trip.unwrap_or_default();
                // Who asks again, has waited for a round trip of its own reckoning.
                let pause = (trip * 3 / 4).clamp(limits::REPAIR_PAUSE, limits::REPAIR_AGE);
                let Some(number) = self.lane_of(media_ssrc) else { return };
                let lane = &mut self.lanes[number];
                let age = lane.oldest_repair(now);
                for shown in lost {
                    if let Some((track, sequence)) = lane.repeats(now, shown, pause) {
                        wishes.push(Wish::Repeat(number, track, sequence, age));
                    }
                }
            }
            Feedback::PictureLoss { media_ssrc } | Feedback::FullIntra { media_ssrc, .. } => {
                wishes.extend(self.lane_of(media_ssrc).map(Wish::Keyframe));
            }
            Feedback::Transport(report) => {
                if let Some(estimator) = &mut self.estimator {
                    estimator.feedback(now, report.arrivals());
                }
            }
            Feedback::Sender(_) | Feedback::MaximumBitrate { .. } | Feedback::Goodbye { .. } => {}
        }
    }

    fn lane_of(&self, ssrc: u32) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.ssrc() == ssrc)
    }
}

/// Lets `write` put a compound behind what is in `slab`, and seals it there.
pub(super) fn seal_control(
    sealer: &mut Sealer,
    slab: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
) -> bool {
    let start = slab.len();
    write(slab);
    slab.resize(slab.len() + sealer.control_overhead(), 0);
    let sealed = sealer.seal_control(&mut slab[start..]);
    if !sealed {
        slab.truncate(start);
    }
    sealed
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use super::super::ExtensionIds;
    use super::*;
    use crate::machine::Carrier;
    use crate::media::av1::Templates;
    use crate::media::codec::Codec;
    use crate::media::packet::Extensions;

    const SSRC: u32 = 0xcafe_0001;
    const REPAIRS: u32 = 0xcafe_0002;
    const FIRST: u16 = 500;
    const TRACK: SourceTrack = 3;

    fn exported(is_client: bool) -> Exported {
        Exported { profile: Profile::Aes128Gcm, material: vec![7; 56], is_client }
    }

    fn sink() -> Sink {
        sink_of(Codec::Vp8, 0)
    }

    /// A sink of one track, whose peer calls descriptors so.
    fn sink_of(codec: Codec, dependency: u8) -> Sink {
        let terms = Terms {
            codec,
            mid: "0".into(),
            rid: None,
            payload_type: 96,
            ssrc: SSRC,
            repairs: Some((97, REPAIRS)),
            extensions: ExtensionIds { mid: 4, dependency, ..ExtensionIds::default() },
        };
        let terms = vec![(terms, FIRST)];
        Sink::open(Instant::now(), &exported(false), terms, "me".into(), None).expect("one track")
    }

    fn way() -> Way {
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        Way { carrier: Carrier::Udp, local: at(1), peer: at(2) }
    }

    fn packet(now: Instant, sequence: u64) -> Packet {
        let extensions = Extensions::default();
        let payload = vec![9; 100].into();
        Packet {
            sequence,
            timestamp: 90,
            marker: true,
            arrived: now,
            extensions,
            dependency: None,
            payload,
        }
    }

    fn datagrams(out: &mut Outbox) -> Vec<Vec<u8>> {
        let sent =
            out.transmits().flat_map(|run| run.datagrams().map(<[u8]>::to_vec).collect::<Vec<_>>());
        let sent = sent.collect();
        out.clear();
        sent
    }

    /// The peer of a sink, as far as feedback goes.
    struct Peer(Sealer);

    impl Peer {
        fn new() -> Self {
            let Exported { profile, material, is_client } = exported(true);
            Peer(srtp::from_exported(profile, &material, is_client).expect("keys").0)
        }

        fn says(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
            let mut packet = Vec::new();
            assert!(seal_control(&mut self.0, &mut packet, write));
            packet
        }
    }

    #[test]
    fn packets_get_the_peers_numbers_and_name_their_section_until_the_peer_knows_it() {
        let (mut sink, mut out, now) = (sink(), Outbox::default(), Instant::now());
        for sequence in [70_000, 70_002] {
            assert!(sink.write(now, 0, TRACK, &packet(now, sequence), &way(), &mut out));
        }
        assert!(!sink.write(now, 0, TRACK, &packet(now, 70_002), &way(), &mut out), "twice");
        assert!(!sink.write(now, 0, TRACK, &packet(now, 69_999), &way(), &mut out), "too early");
        let sent = datagrams(&mut out);
        let numbers: Vec<u16> =
            sent.iter().map(|packet| u16::from_be_bytes([packet[2], packet[3]])).collect();
        assert_eq!(numbers, [FIRST, FIRST + 2]);
        assert!(sent.iter().all(|packet| packet[8..12] == SSRC.to_be_bytes()));
        assert!(sent.iter().all(|packet| packet[0] == 0x90 && packet[16..18] == [0x40, b'0']));
    }

    #[test]
    fn the_packets_of_a_frame_are_padded_to_one_length_but_for_its_last_one() {
        let (now, mut out) = (Instant::now(), Outbox::default());
        let of = |sequence, payload: Vec<u8>, marker| {
            let payload = payload.into();
            Packet { payload, marker, ..packet(now, sequence) }
        };
        let frame = [(0, 100, false), (1, 111, false), (2, 112, false), (3, 90, true)];
        let mut one = sink();
        out.foresee(112);
        for (sequence, length, marker) in frame {
            let packet = of(sequence, vec![9; length], marker);
            assert!(one.write(now, 0, TRACK, &packet, &way(), &mut out));
        }
        assert_eq!(out.transmits().count(), 1, "one segmented send");
        let padded = datagrams(&mut out);

        // Sealed with the same keys: the same as if the padding were the payload's end.
        let mut other = sink();
        for (sequence, length, marker) in frame {
            let missing = if marker { 0 } else { 112 - length };
            let mut payload = vec![9; length];
            payload.resize(length + missing, 0);
            payload[length..].last_mut().into_iter().for_each(|last| *last = missing as u8);
            let packet = of(sequence, payload, marker);
            assert!(other.write(now, 0, TRACK, &packet, &way(), &mut out));
        }
        let plain = datagrams(&mut out);
        for (number, (padded, plain)) in padded.iter().zip(&plain).enumerate() {
            let is_padded = number < 2;
            assert_eq!(padded[0], plain[0] | if is_padded { 0x20 } else { 0 });
            let tag = padded.len() - 16;
            assert_eq!(padded[1..tag], plain[1..tag]);
        }
    }

    #[test]
    fn descriptors_of_av1_go_on_from_source_to_source_to_whoever_takes_them() {
        let now = Instant::now();
        let sent = |dependency, is_described: bool| {
            let (mut out, av1) = (Outbox::default(), Codec::Av1 { profile: 0, level: 5, tier: 0 });
            let mut sink = sink_of(av1, dependency);
            for (track, bytes) in [(TRACK, vec![0xc0, 0x01, 0x00]), (8, vec![0xc1, 0, 7, 0, 0])] {
                let read = Templates::default().read(0, &bytes).filter(|_| is_described);
                let packet = Packet { dependency: read.map(Arc::new), ..packet(now, 5) };
                assert!(sink.write(now, 0, track, &packet, &way(), &mut out));
            }
            datagrams(&mut out)
        };
        assert_eq!(sent(0, true), sent(0, false), "nothing of it, wherever");
        let shown = sent(12, true);
        assert_eq!(shown[0][12..16], [0xbe, 0xde, 0, 2]);
        assert_eq!(shown[0][18..22], [0xc2, 0xc0, 0x01, 0x00]);
        assert_eq!(shown[1][18..24], [0xc4, 0xc1, 0x01, 0x01, 0, 0], "the next frame");
    }

    #[test]
    fn a_missing_packet_is_repeated_once_in_a_round_trip_and_not_without_end() {
        let (mut sink, mut peer, mut out) = (sink(), Peer::new(), Outbox::default());
        let start = Instant::now();
        for sequence in 0..1_000 {
            sink.write(start, 0, TRACK, &packet(start, sequence), &way(), &mut out);
        }
        out.clear();
        let mut wishes = |sink: &mut Sink, ms, lost: std::ops::Range<u16>| {
            let said = peer.says(|slab| write::nack(slab, 1, SSRC, lost));
            let (mut wishes, at) = (Vec::new(), start + Duration::from_millis(ms));
            assert!(sink.feedback(at, &said, &mut wishes));
            assert!(!sink.feedback(at, &said, &mut wishes), "a replay says nothing");
            wishes
        };
        let numbers = |wishes: Vec<Wish>| -> Vec<u64> {
            let number = |wish| match wish {
                Wish::Repeat(0, TRACK, sequence, _) => sequence,
                other => panic!("{other:?}"),
            };
            wishes.into_iter().map(number).collect()
        };
        assert_eq!(numbers(wishes(&mut sink, 0, FIRST + 5..FIRST + 7)), [5, 6]);
        assert_eq!(numbers(wishes(&mut sink, 10, FIRST + 6..FIRST + 8)), [7]);
        assert_eq!(numbers(wishes(&mut sink, 25, FIRST + 5..FIRST + 6)), [5]);
        assert_eq!(numbers(wishes(&mut sink, 26, 0..FIRST)), [0; 0], "it never had those");
        let many = numbers(wishes(&mut sink, 100, FIRST..FIRST + 1_000));
        assert_eq!(many.len(), limits::REPAIRS_UNDER_WAY);

        let again = packet(start, 5);
        assert!(sink.repeat(start, (0, false), TRACK, &again, &way(), &mut out));
        let repair = datagrams(&mut out).remove(0);
        assert_eq!((repair[1], &repair[8..12]), (0x80 | 97, &REPAIRS.to_be_bytes()[..]));
    }

    #[test]
    fn the_end_of_a_frame_goes_out_twice_to_whoever_loses_packets() {
        let (mut sink, mut peer, mut out) = (sink(), Peer::new(), Outbox::default());
        let start = Instant::now();
        let mut sent = |sink: &mut Sink, sequence, marker, now| {
            let packet = Packet { marker, ..packet(now, sequence) };
            sink.write(now, 0, TRACK, &packet, &way(), &mut out);
            datagrams(&mut out).len()
        };
        assert_eq!(sent(&mut sink, 0, true, start), 1);
        // A receiver report (RFC 3550 section 6.4.2) of 5 lost in 256.
        let report = peer.says(|slab| {
            slab.extend([0x81, 201, 0, 7, 0, 0, 0, 1]);
            slab.extend([SSRC, 5 << 24, 0, 0, 0, 0].map(u32::to_be_bytes).as_flattened());
        });
        assert!(sink.feedback(start, &report, &mut Vec::new()));
        assert_eq!(sent(&mut sink, 1, true, start), 2);
        assert_eq!(sent(&mut sink, 2, false, start), 1);
        assert_eq!(sent(&mut sink, 3, true, start + limits::LOSSY), 1);
    }

    #[test]
    fn a_report_goes_on_with_the_sources_clock_and_its_answer_tells_the_round_trip() {
        let (mut sink, mut peer, mut out) = (sink(), Peer::new(), Outbox::default());
        let start = Instant::now();
        sink.write(start, 0, TRACK, &packet(start, 0), &way(), &mut out);
        out.clear();
        let clock = SourceClock { ntp: 5 << 32, rtp: 1_000, heard: start };
        let now = start + Duration::from_millis(1_500);
        assert!(sink.reports(now));
        sink.report(now, |_| Some(clock), &way(), &mut out);
        assert!(!sink.reports(now + Duration::from_millis(900)));
        let Exported { profile, material, .. } = exported(true);
        let (_, mut opener) = srtp::from_exported(profile, &material, true).expect("keys");
        let mut plain = Vec::new();
        assert!(opener.open_control(&datagrams(&mut out)[0], &mut plain));
        let said = rtcp::feedback(&plain).next();
        let (ntp, rtp) = ((6 << 32) + (1 << 31), 1_000 + 135_000);
        let expected = SenderInfo { ssrc: SSRC, ntp, rtp, packets: 1, octets: 100 };
        assert_eq!(said, Some(Feedback::Sender(expected)));

        // A receiver report (RFC 3550 section 6.4.2) that was held for 32,768/65,536 s.
        let answer = peer.says(|slab| {
            slab.extend([0x81, 201, 0, 7, 0, 0, 0, 1]);
            slab.extend(
                [SSRC, 0, 0, 0, rtcp::ntp::middle(ntp), 32_768]
                    .map(u32::to_be_bytes)
                    .as_flattened(),
            );
        });
        assert!(sink.feedback(now + Duration::from_millis(620), &answer, &mut Vec::new()));
        let trip = sink.round_trip.expect("it was answered");
        assert!(trip.abs_diff(Duration::from_millis(120)) < Duration::from_millis(1), "{trip:?}");
    }
}
