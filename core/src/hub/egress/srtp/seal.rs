//! Sealing of what we send, so that no nonce comes twice. It knows no sink and decides on no index.

use super::cipher::Cipher;
use super::derive::{Master, Purpose};
use super::window::{self, Window};
use crate::limits;

/// Bytes of an RTP header without CSRCs and extension (RFC 3550 section 5.1).
const RTP_HEADER: usize = 12;
/// Bytes of an RTCP packet that SRTCP leaves clear (RFC 3711 section 3.4).
pub(super) const RTCP_HEADER: usize = 8;
/// Bytes of the word that says an SRTCP packet's index and whether it is encrypted.
pub(super) const INDEX_WORD: usize = 4;
/// The bit of that word that says so: E.
pub(super) const ENCRYPTED: u32 = 1 << 31;

/// The keys of what we send. It cannot be cloned: a second one would seal under the same nonces.
pub struct Sealer {
    media: Cipher,
    control: Cipher,
    tag_length: usize,
    lines: Vec<Line>,
    /// SRTP packets that may still be sealed with this key.
    packets_left: u64,
    /// The index of the next SRTCP packet.
    next_control: u32,
}

/// Packets of one SSRC.
struct Line {
    ssrc: u32,
    sealed: Window<{ window::words(limits::SRTP_WINDOW) }>,
}

/// A line of one [`Sealer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineId(usize);

impl Sealer {
    pub(super) fn new(master: &Master<'_>) -> Option<Self> {
        let media = Cipher::new(&master.session_keys(Purpose::Srtp)?)?;
        let control = Cipher::new(&master.session_keys(Purpose::Srtcp)?)?;
        Some(Self::with_ciphers(media, control, master.profile.tag_length()))
    }

    pub(super) fn with_ciphers(media: Cipher, control: Cipher, tag_length: usize) -> Self {
        Sealer {
            media,
            control,
            tag_length,
            lines: Vec::new(),
            packets_left: limits::SRTP_PACKETS,
            next_control: 0,
        }
    }

    /// A line for an SSRC. `None` if it has one already, or if there are too many. A line is never
    /// closed, for with it would go what it remembers.
    pub fn open_line(&mut self, ssrc: u32) -> Option<LineId> {
        let is_known = self.lines.iter().any(|line| line.ssrc == ssrc);
        if is_known || self.lines.len() >= limits::SRTP_LINES {
            return None;
        }
        self.lines.push(Line { ssrc, sealed: Window::new() });
        Some(LineId(self.lines.len() - 1))
    }

    /// Reads what the next packet will need.
    pub(crate) fn warm(&self) -> usize {
        let lines = self.lines.iter().fold(0, |sum, line| sum ^ line.sealed.warm());
        self.packets_left as usize ^ lines ^ self.media.warm()
    }

    /// Bytes that [`seal`](Self::seal) needs behind the payload.
    pub fn overhead(&self) -> usize {
        self.tag_length
    }

    /// Bytes that [`seal_control`](Self::seal_control) needs behind an RTCP packet.
    pub fn control_overhead(&self) -> usize {
        self.tag_length + INDEX_WORD
    }

    /// Seals a packet in place: a header of `header_length` bytes, its payload, and room for
    /// [`overhead`](Self::overhead) bytes. `index` is the extended sequence number (RFC 3711
    /// section 3.3.1), which the header gets with the line's SSRC.
    ///
    /// False, and nothing is changed, if the line has sealed this index before or does not
    /// remember it any more, if the key has sealed all that it may, or if that is no packet.
    pub fn seal(
        &mut self,
        line: LineId,
        index: u64,
        header_length: usize,
        packet: &mut [u8],
    ) -> bool {
        let end = packet.len().checked_sub(self.tag_length);
        let is_packet = end.is_some_and(|end| (RTP_HEADER..=end).contains(&header_length))
            && is_datagram(packet);
        let Some(line) = self.lines.get_mut(line.0) else { return false };
        let is_left = index < limits::SRTP_PACKETS && self.packets_left > 0;
        if !is_packet || !is_left || !line.sealed.is_fresh(index) {
            return false;
        }
        line.sealed.mark(index);
        self.packets_left -= 1;
        packet[2..4].copy_from_slice(&(index as u16).to_be_bytes());
        packet[8..12].copy_from_slice(&line.ssrc.to_be_bytes());
        seal_media(&self.media, line.ssrc, index, header_length, packet, self.tag_length).is_some()
    }

    /// Seals an RTCP packet in place, with room for [`control_overhead`](Self::control_overhead)
    /// bytes behind it. Whatever SSRC it says, its index is its own.
    ///
    /// False, and nothing is changed, if no index is left, or if that is no packet.
    pub fn seal_control(&mut self, packet: &mut [u8]) -> bool {
        let is_packet =
            packet.len() >= RTCP_HEADER + self.control_overhead() && is_datagram(packet);
        let index = self.next_control;
        if !is_packet || index >= limits::SRTCP_PACKETS {
            return false;
        }
        self.next_control += 1;
        seal_control(&self.control, index, packet, self.tag_length).is_some()
    }
}

/// Every datagram is so short that no cipher runs out of counters within it (2²⁰ bytes, RFC 3711
/// section 4.1.1; 2³⁶ − 32 bytes, RFC 7714 section 10).
fn is_datagram(packet: &[u8]) -> bool {
    packet.len() <= limits::RUN_BYTES
}

/// RFC 3711 section 3.1, RFC 7714 section 8.2.
fn seal_media(
    cipher: &Cipher,
    ssrc: u32,
    index: u64,
    header_length: usize,
    packet: &mut [u8],
    tag_length: usize,
) -> Option<()> {
    let (body, tag) = packet.split_at_mut_checked(packet.len().checked_sub(tag_length)?)?;
    let (header, text) = body.split_at_mut_checked(header_length)?;
    match cipher {
        Cipher::Gcm(gcm) => gcm.seal(ssrc, index, header, text, tag),
        Cipher::CounterMode(counter_mode) => {
            counter_mode.apply(ssrc, index, text)?;
            let rollovers = (index >> 16) as u32;
            counter_mode.sign(body, &rollovers.to_be_bytes(), tag);
            Some(())
        }
    }
}

/// RFC 3711 section 3.4, RFC 7714 section 9.2. GCM has the tag before the word, HMAC behind it.
fn seal_control(cipher: &Cipher, index: u32, packet: &mut [u8], tag_length: usize) -> Option<()> {
    let word = (ENCRYPTED | index).to_be_bytes();
    let end = packet.len().checked_sub(tag_length + INDEX_WORD)?;
    let (body, trailer) = packet.split_at_mut_checked(end)?;
    let (header, text) = body.split_first_chunk_mut::<RTCP_HEADER>()?;
    let [_, _, _, _, s0, s1, s2, s3] = *header;
    let ssrc = u32::from_be_bytes([s0, s1, s2, s3]);
    match cipher {
        Cipher::Gcm(gcm) => {
            let (tag, place) = trailer.split_at_mut_checked(tag_length)?;
            place.copy_from_slice(&word);
            gcm.seal(ssrc, index.into(), &clear(*header, word), text, tag)
        }
        Cipher::CounterMode(counter_mode) => {
            let (place, tag) = trailer.split_at_mut_checked(INDEX_WORD)?;
            place.copy_from_slice(&word);
            counter_mode.apply(ssrc, index.into(), text)?;
            counter_mode.sign(body, &word, tag);
            Some(())
        }
    }
}

/// What of an encrypted SRTCP packet GCM only authenticates (RFC 7714 section 9.2).
pub(super) fn clear(
    header: [u8; RTCP_HEADER],
    word: [u8; INDEX_WORD],
) -> [u8; RTCP_HEADER + INDEX_WORD] {
    let mut clear = [0; RTCP_HEADER + INDEX_WORD];
    clear[..RTCP_HEADER].copy_from_slice(&header);
    clear[RTCP_HEADER..].copy_from_slice(&word);
    clear
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::reference::PROFILES;
    use super::super::{Profile, from_exported};
    use super::*;

    const WINDOW: u64 = limits::SRTP_WINDOW as u64;

    fn sealer(profile: Profile) -> Sealer {
        from_exported(profile, &vec![7; profile.exported_length()], true).unwrap().0
    }

    /// A packet of a header and a payload, with room.
    fn packet(sealer: &Sealer, payload: usize) -> Vec<u8> {
        let mut packet = vec![0x90; RTP_HEADER];
        packet.resize(RTP_HEADER + payload + sealer.overhead(), 0x55);
        packet
    }

    fn seals(sealer: &mut Sealer, line: LineId, index: u64) -> bool {
        let mut packet = packet(sealer, 20);
        let before = packet.clone();
        let sealed = sealer.seal(line, index, RTP_HEADER, &mut packet);
        assert_eq!(sealed, packet != before, "a packet is changed if it is sealed");
        sealed
    }

    #[test]
    fn the_header_says_what_the_nonce_is_made_of() {
        for profile in PROFILES {
            let mut sealer = sealer(profile);
            let line = sealer.open_line(0x0102_0304).unwrap();
            let mut packet = packet(&sealer, 3);
            assert!(sealer.seal(line, 0xabcd_1234_5678, RTP_HEADER, &mut packet));
            assert_eq!(packet[..12], [0x90, 0x90, 0x56, 0x78, 0x90, 0x90, 0x90, 0x90, 1, 2, 3, 4]);
            assert_eq!(packet.len(), 12 + 3 + profile.tag_length());
        }
    }

    #[test]
    fn all_48_bits_of_the_index_and_the_line_change_what_is_sealed() {
        for profile in PROFILES {
            let mut seen = BTreeSet::new();
            for bit in 0..48 {
                let mut sealer = sealer(profile);
                for ssrc in [1, 2] {
                    let line = sealer.open_line(ssrc).unwrap();
                    let mut packet = packet(&sealer, 20);
                    assert!(sealer.seal(line, 1 << bit, RTP_HEADER, &mut packet));
                    assert!(seen.insert(packet[RTP_HEADER..].to_vec()), "{profile:?}, {bit}");
                }
            }
        }
    }

    #[test]
    fn an_index_is_sealed_once_on_each_line() {
        let mut sealer = sealer(Profile::Aes128Gcm);
        let (one, other) = (sealer.open_line(1).unwrap(), sealer.open_line(2).unwrap());
        for index in [0, 5, 3, WINDOW, limits::SRTP_PACKETS - 1] {
            for line in [one, other] {
                assert!(seals(&mut sealer, line, index));
                assert!(!seals(&mut sealer, line, index));
            }
        }
    }

    #[test]
    fn what_is_too_old_or_too_high_is_refused() {
        let mut sealer = sealer(Profile::Aes128Gcm);
        let line = sealer.open_line(1).unwrap();
        assert!(!seals(&mut sealer, line, limits::SRTP_PACKETS));
        assert!(!seals(&mut sealer, line, u64::MAX));
        assert!(seals(&mut sealer, line, 10_000));
        assert!(seals(&mut sealer, line, 10_000 - (WINDOW - 1)));
        assert!(!seals(&mut sealer, line, 10_000 - WINDOW));
        assert!(!seals(&mut sealer, line, 0));
    }

    #[test]
    fn an_ssrc_has_one_line_and_there_are_not_many() {
        let mut sealer = sealer(Profile::Aes128Gcm);
        for ssrc in 0..limits::SRTP_LINES as u32 {
            assert!(sealer.open_line(ssrc).is_some());
            assert!(sealer.open_line(ssrc).is_none());
        }
        assert!(sealer.open_line(1000).is_none());
        assert!(!seals(&mut sealer, LineId(limits::SRTP_LINES), 0), "a line of somebody else");
    }

    #[test]
    fn what_is_no_packet_is_refused_and_costs_no_index() {
        for profile in PROFILES {
            let mut sealer = sealer(profile);
            let line = sealer.open_line(1).unwrap();
            for (header_length, length) in [
                (0, 100),
                (11, 100),
                (12, 12 + sealer.overhead() - 1),
                (101 - sealer.overhead(), 100),
                (usize::MAX, 100),
                (12, limits::RUN_BYTES + 1),
                (0, 0),
            ] {
                let mut packet = vec![3; length];
                assert!(!sealer.seal(line, 9, header_length, &mut packet), "{header_length}");
                assert_eq!(packet, vec![3; length]);
            }
            let mut empty = packet(&sealer, 0);
            assert!(sealer.seal(line, 9, RTP_HEADER, &mut empty));
            let mut longest = vec![3; limits::RUN_BYTES];
            assert!(sealer.seal(line, 10, RTP_HEADER, &mut longest));

            for length in [0, 7, 8 + sealer.control_overhead() - 1, limits::RUN_BYTES + 1] {
                let mut packet = vec![3; length];
                assert!(!sealer.seal_control(&mut packet));
                assert_eq!(packet, vec![3; length]);
            }
            assert_eq!(sealer.next_control, 0);
        }
    }

    #[test]
    fn a_key_that_has_sealed_all_that_it_may_seals_no_more() {
        for profile in PROFILES {
            let mut sealer = sealer(profile);
            let line = sealer.open_line(1).unwrap();
            sealer.packets_left = 1;
            assert!(seals(&mut sealer, line, 0));
            assert!(!seals(&mut sealer, line, 1));

            sealer.next_control = limits::SRTCP_PACKETS - 1;
            let mut packet = vec![3; 8 + sealer.control_overhead()];
            assert!(sealer.seal_control(&mut packet));
            let mut packet = vec![3; 8 + sealer.control_overhead()];
            assert!(!sealer.seal_control(&mut packet));
            assert_eq!(packet, vec![3; packet.len()]);
        }
    }

    #[test]
    fn control_packets_count_themselves_whatever_ssrc_they_say() {
        for profile in PROFILES {
            let mut sealer = sealer(profile);
            let length = 8 + sealer.control_overhead();
            for index in 0..100 {
                let mut packet = vec![(index % 2) as u8; length];
                assert!(sealer.seal_control(&mut packet));
                let at = match profile {
                    Profile::Aes128CmSha1_80 => 8,
                    _ => length - INDEX_WORD,
                };
                let word: [u8; INDEX_WORD] = *packet[at..].first_chunk().unwrap();
                assert_eq!(u32::from_be_bytes(word), ENCRYPTED | index);
            }
        }
    }

    /// The next index that is tried, seen from the highest one so far.
    #[derive(Debug, Clone)]
    enum Step {
        Ahead(u64),
        Back(u64),
        /// One that was sealed before, by its place among them.
        Again(usize),
        /// To where the sequence number wraps.
        Wrap,
        Anywhere(u64),
    }

    fn steps() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (1_u64..4).prop_map(Step::Ahead),
            2 => (1_u64..2 * WINDOW).prop_map(Step::Ahead),
            1 => (1_u64..1 << 20).prop_map(Step::Ahead),
            3 => (0_u64..80).prop_map(Step::Back),
            2 => (0..WINDOW + 70).prop_map(Step::Back),
            2 => (1_u64..4).prop_map(|times| Step::Back(times << 16)),
            3 => any::<usize>().prop_map(Step::Again),
            1 => Just(Step::Wrap),
            1 => (0..limits::SRTP_PACKETS + 10).prop_map(Step::Anywhere),
        ]
    }

    proptest! {
        #[test]
        fn no_ssrc_and_index_are_sealed_twice(
            first in 0_u64..1 << 18,
            steps in prop::collection::vec((0_usize..3, steps()), 1..400),
        ) {
            let mut sealer = sealer(Profile::Aes128Gcm);
            let lines = [1, 2, 3].map(|ssrc| sealer.open_line(ssrc).unwrap());
            let mut sealed = [const { BTreeSet::new() }; 3];
            let mut texts = BTreeSet::new();
            for (line, step) in steps {
                let before: &mut BTreeSet<u64> = &mut sealed[line];
                let highest = before.last().copied();
                let from = highest.unwrap_or(first);
                let index = match step {
                    Step::Ahead(distance) => from + distance,
                    Step::Back(distance) => from.saturating_sub(distance),
                    Step::Again(place) => {
                        before.iter().nth(place % before.len().max(1)).copied().unwrap_or(first)
                    }
                    Step::Wrap => (from | 0xffff) + 1,
                    Step::Anywhere(index) => index,
                };
                let mut packet = packet(&sealer, 16);
                let done = sealer.seal(lines[line], index, RTP_HEADER, &mut packet);
                let is_remembered = highest.is_none_or(|highest| index + WINDOW > highest);
                let may = is_remembered && index < limits::SRTP_PACKETS && !before.contains(&index);
                prop_assert_eq!(done, may, "{} on line {}", index, line);
                if done {
                    before.insert(index);
                    prop_assert!(texts.insert(packet[RTP_HEADER..].to_vec()), "a nonce came twice");
                }
            }
        }
    }
}
