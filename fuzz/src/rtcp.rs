//! RTCP as viewers may send it under a good seal, and what we write, read again.

use farcast_core::hub::egress::rtcp::transport::TransportFeedback;
use farcast_core::hub::egress::rtcp::{Feedback, SenderInfo, feedback, ntp, write};

/// Beginnings of one input that are read as well.
const CUTS: usize = 64;

/// A compound packet as it is, and every beginning of it as far as that is cheap; then its bytes as
/// sequence numbers and SSRCs that we write.
pub fn rtcp(data: &[u8]) {
    let whole: Vec<Feedback<'_>> = feedback(data).collect();
    let parts: usize = whole.iter().map(parts).sum();
    assert!(parts <= data.len() / 4, "{parts} parts in {} bytes", data.len());
    for length in (0..data.len()).step_by(data.len() / CUTS + 1) {
        let part: Vec<Feedback<'_>> = feedback(&data[..length]).collect();
        assert_eq!(part, whole[..part.len()], "the first {length} bytes");
    }
    written(data);
}

/// How many words of the packet an item must have taken at least.
fn parts(item: &Feedback<'_>) -> usize {
    match item {
        Feedback::Nack { lost, .. } => lost.clone().count().div_ceil(17),
        Feedback::MaximumBitrate { ssrcs, .. } => 2 + ssrcs.clone().count(),
        Feedback::Transport(report) => told(report),
        Feedback::Report { block, .. } => {
            assert!((-0x80_0000..0x80_0000).contains(&block.cumulative_lost));
            ntp::round_trip(0, block.last_report, block.delay_since);
            6
        }
        Feedback::Sender(_) => 6,
        Feedback::PictureLoss { .. } | Feedback::FullIntra { .. } => 2,
        Feedback::Goodbye { .. } => 1,
    }
}

fn told(report: &TransportFeedback<'_>) -> usize {
    let arrivals: Vec<_> = report.arrivals().collect();
    assert!(arrivals.len() <= usize::from(report.count));
    for (index, arrival) in arrivals.iter().enumerate() {
        assert_eq!(arrival.sequence, report.first.wrapping_add(index as u16));
        assert!(arrival.at.is_none_or(|at| at.unsigned_abs() <= 1 << 32));
    }
    // A run may tell of any number; each time takes a byte.
    2 + arrivals.iter().filter(|arrival| arrival.at.is_some()).count() / 4
}

fn written(data: &[u8]) {
    let mut ssrcs: Vec<u32> = data.chunks_exact(4).map(|b| b.iter().fold(0, sum)).collect();
    ssrcs.truncate(100);
    let sender = |ssrc| SenderInfo { ssrc, ntp: !0, rtp: 1, packets: 2, octets: 3 };
    let mut losses: Vec<u16> =
        data.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]])).take(200).collect();
    let mut packet = Vec::new();
    write::sender_reports(&mut packet, ssrcs.iter().copied().map(sender), "a name");
    write::nack(&mut packet, 1, 2, losses.iter().copied());
    write::picture_loss(&mut packet, 1, 2);
    write::goodbye(&mut packet, &ssrcs);
    let mut items = feedback(&packet);
    assert!(ssrcs.iter().all(|ssrc| items.next() == Some(Feedback::Sender(sender(*ssrc)))));
    if !losses.is_empty() {
        let Some(Feedback::Nack { media_ssrc: 2, lost }) = items.next() else {
            panic!("our NACK is lost");
        };
        let mut lost: Vec<u16> = lost.collect();
        for numbers in [&mut lost, &mut losses] {
            numbers.sort_unstable();
            numbers.dedup();
        }
        assert_eq!(lost, losses);
    }
    assert_eq!(items.next(), Some(Feedback::PictureLoss { media_ssrc: 2 }));
    assert!(items.eq(ssrcs.iter().map(|ssrc| Feedback::Goodbye { ssrc: *ssrc })));
}

fn sum(number: u32, byte: &u8) -> u32 {
    number << 8 | u32::from(*byte)
}
