//! Control packets of ours, appended to what is there already. It writes what it is told, and knows
//! neither counters nor whom they go to.

use super::{
    COUNT, GOODBYE, NACK, PAYLOAD_FEEDBACK, PICTURE_LOSS, SENDER_REPORT, SOURCE_DESCRIPTION,
    SenderInfo, TRANSPORT_FEEDBACK, VERSION,
};
use crate::limits;

/// The item of a source description that every source has (RFC 3550 section 6.5.1).
const CNAME: u8 = 1;

/// A compound packet (RFC 3550 section 6.1): a sender report for each stream, and that all of them
/// come from `cname` (section 6.5), which is cut at [`limits::CNAME`].
pub fn sender_reports(
    into: &mut Vec<u8>,
    senders: impl Iterator<Item = SenderInfo> + Clone,
    cname: &str,
) {
    for sender in senders.clone() {
        let start = begin(into, SENDER_REPORT);
        into.extend(sender.ssrc.to_be_bytes());
        into.extend(sender.ntp.to_be_bytes());
        into.extend(
            [sender.rtp, sender.packets, sender.octets].map(u32::to_be_bytes).as_flattened(),
        );
        end(into, start, 0);
    }
    let cname = &cname.as_bytes()[..cname.len().min(limits::CNAME)];
    let mut ssrcs = senders.map(|sender| sender.ssrc).peekable();
    while ssrcs.peek().is_some() {
        let start = begin(into, SOURCE_DESCRIPTION);
        let mut count = 0;
        for ssrc in ssrcs.by_ref().take(usize::from(COUNT)) {
            count += 1;
            describe(into, ssrc, cname);
        }
        end(into, start, count);
    }
}

/// One source of a source description: at least one null byte ends it (RFC 3550 section 6.5).
fn describe(into: &mut Vec<u8>, ssrc: u32, cname: &[u8]) {
    into.extend(ssrc.to_be_bytes());
    into.extend([CNAME, cname.len() as u8]);
    into.extend(cname);
    let written = 2 + cname.len();
    into.extend(&[0; 4][..(written + 1).next_multiple_of(4) - written]);
}

/// That these streams end (RFC 3550 section 6.6). A compound must begin with a report, unless the
/// peer takes packets of reduced size (RFC 5506).
pub fn goodbye(into: &mut Vec<u8>, ssrcs: &[u32]) {
    for ssrcs in ssrcs.chunks(usize::from(COUNT)) {
        let start = begin(into, GOODBYE);
        ssrcs.iter().for_each(|ssrc| into.extend(ssrc.to_be_bytes()));
        end(into, start, ssrcs.len() as u8);
    }
}

/// That `sender` cannot decode the picture of `media` (RFC 4585 section 6.3.1).
pub fn picture_loss(into: &mut Vec<u8>, sender: u32, media: u32) {
    let start = begin(into, PAYLOAD_FEEDBACK);
    into.extend([sender, media].map(u32::to_be_bytes).as_flattened());
    end(into, start, PICTURE_LOSS);
}

/// That `sender` misses packets of `media` (RFC 4585 section 6.2.1). In rising order they take the
/// least room; those beyond [`limits::NACK_PAIRS`] are left out.
pub fn nack(into: &mut Vec<u8>, sender: u32, media: u32, lost: impl IntoIterator<Item = u16>) {
    let mut lost = lost.into_iter().peekable();
    if lost.peek().is_none() {
        return;
    }
    let start = begin(into, TRANSPORT_FEEDBACK);
    into.extend([sender, media].map(u32::to_be_bytes).as_flattened());
    for _ in 0..limits::NACK_PAIRS {
        let Some(first) = lost.next() else { break };
        let mut mask = 0;
        while let Some(next) = lost.next_if(|next| next.wrapping_sub(first) <= 16) {
            // The lowest bit is the one after `first`, which has none.
            mask |= (1_u32 << next.wrapping_sub(first) >> 1) as u16;
        }
        into.extend([first, mask].map(u16::to_be_bytes).as_flattened());
    }
    end(into, start, NACK);
}

/// Makes room for a header, and returns where.
fn begin(into: &mut Vec<u8>, kind: u8) -> usize {
    into.extend([VERSION << 6, kind, 0, 0]);
    into.len() - 4
}

/// Says in the header at `start` how many parts follow, or of what format, and how long they are.
fn end(into: &mut [u8], start: usize, count: u8) {
    let words = (into.len() - start) / 4 - 1;
    into[start] |= count;
    into[start + 2..start + 4].copy_from_slice(&(words as u16).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Feedback, feedback};
    use super::*;

    fn sender(ssrc: u32) -> SenderInfo {
        SenderInfo { ssrc, ntp: 0xb44d_b705_2000_0000, rtp: 90_000, packets: 258, octets: 1 << 16 }
    }

    fn lost(packets: &[u8]) -> Vec<u16> {
        let names = |item| match item {
            Feedback::Nack { media_ssrc: 2, lost } => lost,
            other => panic!("{other:?}"),
        };
        feedback(packets).flat_map(names).collect()
    }

    #[test]
    fn a_report_has_the_layout_of_the_rfc() {
        let mut packet = Vec::new();
        sender_reports(&mut packet, [sender(0xcafe_0001)].into_iter(), "abcde");
        let expected = [
            0x80, 200, 0, 6, 0xca, 0xfe, 0, 1, // Who it is,
            0xb4, 0x4d, 0xb7, 5, 0x20, 0, 0, 0, 0, 1, 0x5f, 0x90, // when, on both clocks,
            0, 0, 1, 2, 0, 1, 0, 0, // and how much it has sent.
            0x81, 202, 0, 3, 0xca, 0xfe, 0, 1, // Who that is.
            1, 5, b'a', b'b', b'c', b'd', b'e', 0,
        ];
        assert_eq!(packet, expected);
    }

    #[test]
    fn a_description_ends_with_a_null_byte_at_least() {
        for (length, words) in [(0, 2), (1, 2), (2, 3), (5, 3), (6, 4), (255, 66), (300, 66)] {
            let mut packet = Vec::new();
            sender_reports(&mut packet, [sender(1)].into_iter(), &"x".repeat(length));
            let description = &packet[28..];
            assert_eq!(description[..4], [0x81, 202, 0, words], "{length}");
            assert_eq!(description.len(), 4 + 4 * usize::from(words), "{length}");
            assert_eq!(description.last(), Some(&0), "{length}");
        }
    }

    #[test]
    fn streams_share_packets_as_far_as_these_can_count() {
        let mut packet = vec![9; 3];
        sender_reports(&mut packet, (0..33).map(sender), "abcdefghijklmnop");
        goodbye(&mut packet, &(0..33).collect::<Vec<u32>>());
        let (before, packet) = packet.split_at(3);
        assert_eq!(before, [9; 3], "what was there stays");
        let reports = (0..33).map(|ssrc| Feedback::Sender(sender(ssrc)));
        let goodbyes = (0..33).map(|ssrc| Feedback::Goodbye { ssrc });
        assert!(feedback(packet).eq(reports.chain(goodbyes)));
        let descriptions = &packet[33 * 28..];
        assert_eq!(descriptions[..4], [0x9f, 202, 0, 31 * 6]);
        assert_eq!(descriptions[4 + 31 * 24..][..4], [0x82, 202, 0, 2 * 6]);
        let mut nothing = Vec::new();
        sender_reports(&mut nothing, std::iter::empty(), "abc");
        goodbye(&mut nothing, &[]);
        nack(&mut nothing, 1, 2, []);
        assert!(nothing.is_empty());
    }

    #[test]
    fn feedback_has_the_layout_of_the_rfc() {
        let mut packet = Vec::new();
        picture_loss(&mut packet, 1, 2);
        nack(&mut packet, 1, 2, [0xfffe, 0xffff, 14, 15]);
        let expected = [
            0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, // The picture,
            0x81, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, // and packets:
            0xff, 0xfe, 0x80, 1, 0, 15, 0, 0, // the second is 1 later, the third 16.
        ];
        assert_eq!(packet, expected);
    }

    #[test]
    fn no_nack_is_longer_than_its_bound() {
        let mut packet = Vec::new();
        nack(&mut packet, 1, 2, (0..2000).map(|step| step * 17));
        assert_eq!(packet.len(), 12 + 4 * limits::NACK_PAIRS);
        assert_eq!(lost(&packet).len(), limits::NACK_PAIRS);
    }

    proptest! {
        #[test]
        fn every_loss_is_named(first: u16, steps in prop::collection::vec(0..40_u16, 0..200)) {
            let mut next = first;
            let mut losses = vec![first];
            for step in steps {
                next = next.wrapping_add(step);
                losses.push(next);
            }
            let mut packet = Vec::new();
            nack(&mut packet, 1, 2, losses.iter().copied());
            losses.dedup();
            prop_assert_eq!(lost(&packet), losses);
        }

        #[test]
        fn losses_may_come_in_any_order(mut losses in prop::collection::vec(any::<u16>(), 0..200)) {
            let mut packet = Vec::new();
            nack(&mut packet, 1, 2, losses.iter().copied());
            let mut named = lost(&packet);
            for numbers in [&mut named, &mut losses] {
                numbers.sort_unstable();
                numbers.dedup();
            }
            prop_assert_eq!(named, losses);
        }
    }
}
