//! Opening of the feedback that comes back, each packet once. It does not know what it says.

use super::cipher::Cipher;
use super::derive::{Master, Purpose};
use super::seal::{ENCRYPTED, INDEX_WORD, RTCP_HEADER, clear};
use super::window::{self, Window};
use crate::limits;

/// The keys of the feedback that a peer sends.
pub struct Opener {
    control: Cipher,
    tag_length: usize,
    /// Whoever was heard last is the last one.
    senders: Vec<Sender>,
}

/// An SSRC that feedback came from.
struct Sender {
    ssrc: u32,
    opened: Window<{ window::words(limits::SRTCP_WINDOW) }>,
}

/// An SRTCP packet taken apart (RFC 3711 section 3.4, RFC 7714 section 9.2).
struct Sealed<'a> {
    /// The first RTCP packet's header, SSRC included.
    header: &'a [u8; RTCP_HEADER],
    /// What follows it, perhaps encrypted.
    text: &'a [u8],
    ssrc: u32,
    index: u32,
    is_encrypted: bool,
    word: &'a [u8; INDEX_WORD],
    tag: &'a [u8],
    /// All but the tag, where that comes last.
    before_tag: &'a [u8],
}

impl Opener {
    pub(super) fn new(master: &Master<'_>) -> Option<Self> {
        let control = Cipher::new(&master.session_keys(Purpose::Srtcp)?)?;
        Some(Self::with_cipher(control, master.profile.tag_length()))
    }

    pub(super) fn with_cipher(control: Cipher, tag_length: usize) -> Self {
        Opener { control, tag_length, senders: Vec::new() }
    }

    /// Puts the RTCP packet that was sealed in place of what is in `into`. False, and nothing is in
    /// there, if nobody with the peer's keys has sealed it, or if it was opened before.
    pub fn open_control(&mut self, packet: &[u8], into: &mut Vec<u8>) -> bool {
        into.clear();
        let Some(sealed) = self.take_apart(packet) else { return false };
        let known = self.senders.iter().position(|sender| sender.ssrc == sealed.ssrc);
        let is_replayed =
            known.is_some_and(|at| !self.senders[at].opened.is_fresh(sealed.index.into()));
        if is_replayed || self.open(&sealed, into).is_none() {
            into.clear();
            return false;
        }
        self.opened(known, sealed.ssrc, sealed.index);
        true
    }

    fn take_apart<'a>(&self, packet: &'a [u8]) -> Option<Sealed<'a>> {
        let (header, rest) = packet.split_first_chunk::<RTCP_HEADER>()?;
        let text_length = rest.len().checked_sub(self.tag_length + INDEX_WORD)?;
        let (text, trailer) = rest.split_at_checked(text_length)?;
        let (word, tag) = match &self.control {
            Cipher::Gcm(_) => trailer.split_last_chunk().map(|(tag, word)| (word, tag))?,
            Cipher::CounterMode(_) => trailer.split_first_chunk()?,
        };
        let [_, _, _, _, s0, s1, s2, s3] = *header;
        let said = u32::from_be_bytes(*word);
        Some(Sealed {
            header,
            text,
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
            index: said & !ENCRYPTED,
            is_encrypted: said & ENCRYPTED != 0,
            word,
            tag,
            before_tag: packet.get(..packet.len() - self.tag_length)?,
        })
    }

    fn open(&self, sealed: &Sealed<'_>, into: &mut Vec<u8>) -> Option<()> {
        let Sealed { header, text, tag, ssrc, .. } = *sealed;
        let index = sealed.index.into();
        match &self.control {
            Cipher::Gcm(gcm) if sealed.is_encrypted => {
                into.extend(header);
                into.resize(RTCP_HEADER + text.len(), 0);
                let clear = clear(*header, *sealed.word);
                gcm.open(ssrc, index, &clear, text, tag, &mut into[RTCP_HEADER..])
            }
            // All of it is authenticated only, the word included (RFC 7714 section 9.3).
            Cipher::Gcm(gcm) => {
                into.extend(header.iter().chain(text).chain(sealed.word));
                gcm.open(ssrc, index, into, &[], tag, &mut [])?;
                into.truncate(RTCP_HEADER + text.len());
                Some(())
            }
            Cipher::CounterMode(counter_mode) => {
                if !counter_mode.is_signed(sealed.before_tag, tag) {
                    return None;
                }
                into.extend(header.iter().chain(text));
                if sealed.is_encrypted {
                    counter_mode.apply(ssrc, index, &mut into[RTCP_HEADER..])?;
                }
                Some(())
            }
        }
    }

    /// Only the peer itself can come with so many SSRCs that one of its own is forgotten.
    fn opened(&mut self, known: Option<usize>, ssrc: u32, index: u32) {
        match known {
            Some(at) => self.senders[at..].rotate_left(1),
            None => {
                if self.senders.len() >= limits::SRTCP_SENDERS {
                    self.senders.remove(0);
                }
                self.senders.push(Sender { ssrc, opened: Window::new() });
            }
        }
        if let Some(sender) = self.senders.last_mut() {
            sender.opened.mark(index.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::PROFILES;
    use super::super::{Profile, Sealer, from_exported};
    use super::*;

    fn pair(profile: Profile) -> (Sealer, Opener) {
        let material: Vec<u8> = (0..profile.exported_length() as u8).collect();
        let (sealer, _) = from_exported(profile, &material, true).unwrap();
        let (_, opener) = from_exported(profile, &material, false).unwrap();
        (sealer, opener)
    }

    /// An RTCP packet of so many bytes.
    fn rtcp(ssrc: u32, length: usize) -> Vec<u8> {
        let mut packet = vec![0x81, 0xc8, 0, 6];
        packet.extend(ssrc.to_be_bytes());
        packet.extend((0..length - RTCP_HEADER).map(|at| at as u8));
        packet
    }

    fn sealed(sealer: &mut Sealer, rtcp: &[u8]) -> Vec<u8> {
        let mut packet = rtcp.to_vec();
        packet.resize(rtcp.len() + sealer.control_overhead(), 0);
        assert!(sealer.seal_control(&mut packet));
        packet
    }

    /// Whether it opens; if not, nothing may be left of it.
    fn opens(opener: &mut Opener, packet: &[u8]) -> bool {
        let mut into = b"what was there before".to_vec();
        let opened = opener.open_control(packet, &mut into);
        assert!(opened || into.is_empty());
        opened
    }

    #[test]
    fn what_was_sealed_opens_once() {
        for profile in PROFILES {
            let (mut sealer, mut opener) = pair(profile);
            let mut into = Vec::new();
            for length in RTCP_HEADER..200 {
                let rtcp = rtcp(7, length);
                let packet = sealed(&mut sealer, &rtcp);
                let is_clear = packet[..length] == rtcp;
                assert!(!is_clear || length < RTCP_HEADER + 8, "it is encrypted");
                assert!(opener.open_control(&packet, &mut into), "{profile:?}, {length} bytes");
                assert_eq!(into, rtcp);
                assert!(!opens(&mut opener, &packet), "a replay");
            }
        }
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_seen_and_costs_nothing() {
        for profile in PROFILES {
            let (mut sealer, mut opener) = pair(profile);
            let packet = sealed(&mut sealer, &rtcp(7, 60));
            for bit in 0..packet.len() * 8 {
                let mut changed = packet.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(!opens(&mut opener, &changed), "{profile:?}, bit {bit}");
            }
            for length in 0..packet.len() {
                assert!(!opens(&mut opener, &packet[..length]), "{profile:?}, {length} bytes");
                assert!(!opens(&mut opener, &packet[packet.len() - length..]));
            }
            assert!(!opens(&mut opener, &[&packet[..], &[0]].concat()));
            assert!(opener.senders.is_empty(), "a stranger is not remembered");
            assert!(opens(&mut opener, &packet));
        }
    }

    #[test]
    fn what_was_overtaken_opens_unless_it_is_too_old() {
        for profile in PROFILES {
            let (mut sealer, mut opener) = pair(profile);
            let packets: Vec<Vec<u8>> =
                (0..200).map(|_| sealed(&mut sealer, &rtcp(7, 40))).collect();
            assert!(opens(&mut opener, &packets[199]));
            for (index, packet) in packets.iter().enumerate().take(199) {
                let is_remembered = index + limits::SRTCP_WINDOW > 199;
                assert_eq!(opens(&mut opener, packet), is_remembered, "{profile:?}, {index}");
                assert!(!opens(&mut opener, packet));
            }
        }
    }

    #[test]
    fn each_sender_has_a_window_of_its_own() {
        let (mut sealer, mut opener) = pair(Profile::Aes128Gcm);
        let old = sealed(&mut sealer, &rtcp(1, 40));
        for _ in 0..1000 {
            assert!(opens(&mut opener, &sealed(&mut sealer, &rtcp(2, 40))));
        }
        assert!(opens(&mut opener, &old));
    }

    #[test]
    fn more_senders_than_we_remember_forget_the_one_not_heard_for_longest() {
        let (mut sealer, mut opener) = pair(Profile::Aes128Gcm);
        let first = sealed(&mut sealer, &rtcp(0, 40));
        let second = sealed(&mut sealer, &rtcp(1, 40));
        assert!(opens(&mut opener, &first) && opens(&mut opener, &second));
        for ssrc in 2..limits::SRTCP_SENDERS as u32 {
            assert!(opens(&mut opener, &sealed(&mut sealer, &rtcp(ssrc, 40))));
        }
        // The first one is heard again, so the second one goes.
        assert!(opens(&mut opener, &sealed(&mut sealer, &rtcp(0, 40))));
        assert!(opens(&mut opener, &sealed(&mut sealer, &rtcp(999, 40))));
        assert!(opener.senders.len() == limits::SRTCP_SENDERS);
        assert!(!opens(&mut opener, &first));
        assert!(opener.senders.iter().all(|sender| sender.ssrc != 1));
        assert!(opens(&mut opener, &sealed(&mut sealer, &rtcp(1, 40))), "nobody is locked out");
    }

    #[test]
    fn an_unencrypted_packet_is_authenticated_all_the_same() {
        let (_, mut opener) = pair(Profile::Aes128CmSha1_80);
        let rtcp = rtcp(7, 40);
        let Cipher::CounterMode(counter_mode) = &opener.control else { panic!("another cipher") };
        let mut packet = [&rtcp[..], &5_u32.to_be_bytes()].concat();
        let mut tag = [0; 10];
        counter_mode.sign(&packet, &[], &mut tag);
        packet.extend(tag);
        for bit in 0..packet.len() * 8 {
            let mut changed = packet.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&mut opener, &changed), "bit {bit}");
        }
        let mut into = Vec::new();
        assert!(opener.open_control(&packet, &mut into));
        assert_eq!(into, rtcp);
        assert!(!opens(&mut opener, &packet), "a replay");
    }
}
