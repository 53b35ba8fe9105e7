//! When worlds begin. str0m ties its instants to the calendar once in a process, and rounds what it
//! measures by RTCP to fractions of a second of that calendar. For the same seed to give the same
//! bytes, every world must begin at the same fraction.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use crate::handshake::Dtls;

/// Sender reports that are read: enough to see through the half microsecond that str0m rounds each
/// to, on its way through 64-bit floating point.
const REPORTS: usize = 400;
/// Between two looks at the two ends: no multiple of what is rounded to, so that every report is
/// rounded otherwise.
const STEP: Duration = Duration::from_nanos(100_000_037);
/// They come about once a second.
const LONGEST: Duration = Duration::from_secs(10 * REPORTS as u64);

/// An instant at which str0m's calendar shows a whole second, some time after now.
pub fn start() -> Instant {
    static KNOWN: LazyLock<(Instant, Duration)> = LazyLock::new(read);
    let (instant, since_1970) = *KNOWN;
    let whole = instant - Duration::from_nanos(since_1970.subsec_nanos().into());
    let passed = Instant::now().saturating_duration_since(whole);
    whole + Duration::from_secs(passed.as_secs() + 1)
}

/// An instant, and what str0m's calendar shows then, since 1970: as one end reports it and another
/// one reads it, rounded down.
fn read() -> (Instant, Duration) {
    let start = Instant::now();
    let ends: [SocketAddr; 2] = [([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into()];
    let [mut one, mut other] = ends.map(|at| end(start, at));
    let mid = connect(&mut one, &mut other);
    let (mut now, mut sent, mut last) = (start, start, SystemTime::UNIX_EPOCH);
    let mut readings = Vec::new();
    for number in 1.. {
        now += STEP;
        assert!(now < start + LONGEST, "{} sender reports in {LONGEST:?}", readings.len());
        if let Some(pt) = one.media(mid).and_then(|media| media.remote_pts().first().copied())
            && let Some(stream) = one.direct_api().stream_tx_by_mid(mid, None)
        {
            stream.write_rtp(RtpWrite::new(pt, number.into(), 0, now, vec![0]));
        }
        for packet in turn(&mut one, now).0 {
            // RTCP (RFC 5761 section 4).
            if matches!(packet[..], [128..=191, 192..=223, ..]) {
                sent = now;
            }
            receive(&mut other, now, ends, &packet);
        }
        let (packets, report) = turn(&mut other, now);
        if let Some(report) = report.filter(|report| *report != last) {
            last = report;
            readings.push(report - sent.duration_since(start));
        }
        if readings.len() == REPORTS {
            break;
        }
        let back = [ends[1], ends[0]];
        packets.iter().for_each(|packet| receive(&mut one, now, back, packet));
    }
    let lowest = readings.into_iter().min().unwrap_or(SystemTime::UNIX_EPOCH);
    (start, lowest.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn connect(one: &mut Rtc, other: &mut Rtc) -> Mid {
    let mut changes = one.sdp_api();
    let mid = changes.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
    let (offer, pending) = changes.apply().expect("there is something to offer");
    let answer = other.sdp_api().accept_offer(offer).expect("it fits");
    one.sdp_api().accept_answer(pending, answer).expect("it fits");
    mid
}

fn end(now: Instant, at: SocketAddr) -> Rtc {
    let (provider, certificate) = Dtls::Rehearsed.provider();
    let config = RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_vp8(true);
    let config = config.set_crypto_provider(provider).set_dtls_cert(certificate);
    let mut rtc = config.build(now);
    rtc.add_local_candidate(Candidate::host(at, "udp").expect("a plain address"));
    rtc
}

/// Lets time pass; what it sends, and the calendar time of a sender report that it has read.
fn turn(rtc: &mut Rtc, now: Instant) -> (Vec<Vec<u8>>, Option<SystemTime>) {
    let (mut packets, mut report) = (Vec::new(), None);
    rtc.handle_input(Input::Timeout(now)).expect("nothing is wrong");
    loop {
        match rtc.poll_output().expect("nothing is wrong") {
            Output::Timeout(_) => return (packets, report),
            Output::Transmit(transmit) => packets.push(transmit.contents.to_vec()),
            Output::Event(Event::RtpPacket(packet)) => {
                report = report.or(packet.last_sender_info.map(|info| info.ntp_time));
            }
            Output::Event(_) => {}
        }
    }
}

fn receive(rtc: &mut Rtc, now: Instant, [from, to]: [SocketAddr; 2], packet: &[u8]) {
    let Ok(contents) = packet.try_into() else { return };
    let receive = Receive { proto: Protocol::Udp, source: from, destination: to, contents };
    rtc.handle_input(Input::Receive(now, receive)).expect("nothing is wrong");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worlds_begin_whole_seconds_apart() {
        let first = start();
        let whole = |later: Instant| later.duration_since(first).subsec_nanos();
        assert!(first > Instant::now());
        assert_eq!(whole(start()), 0);
        let (instant, since_1970) = read();
        let system = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        assert!(since_1970.abs_diff(system) < Duration::from_secs(5), "{since_1970:?}");
        // Another reading shows the same to a few nanoseconds.
        let second = Duration::from_secs(1).as_nanos() as u32;
        let off =
            (whole(instant + Duration::from_secs(3)) + second - since_1970.subsec_nanos()) % second;
        assert!(off.min(second - off) <= 5, "{off} ns");
    }
}
