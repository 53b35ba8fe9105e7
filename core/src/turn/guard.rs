//! The first look at a STUN message (RFC 8489): what it is made of, whether its parts fit together
//! and who sealed it, over the bytes as they came. It does not know what an attribute means.

use super::seal::{self, ATTRIBUTE, CHECKSUM, FINGERPRINT, HEADER, INTEGRITY, MESSAGE_INTEGRITY};
use crate::limits;

/// In every message (RFC 8489 section 5).
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// MESSAGE-INTEGRITY-SHA256 (RFC 8489 section 14.6).
const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
/// From here on a receiver may pass over an attribute that it does not know (RFC 8489 section 14).
const COMPREHENSION_OPTIONAL: u16 = 0x8000;
/// The methods whose indications carry media (RFC 8656 section 17).
const SEND: u16 = 0x006;
const DATA: u16 = 0x007;

/// A message whose parts fit together.
#[derive(Debug, Clone, Copy)]
pub struct Scanned<'a> {
    /// What it is about: 12 bits (RFC 8489 section 5).
    pub method: u16,
    /// Whether it asks, tells or answers.
    pub class: Class,
    /// What its answer is known by.
    pub transaction: [u8; 12],
    bytes: &'a [u8],
    /// Where the attributes end that anybody may act on.
    end: usize,
    /// MESSAGE-INTEGRITY's value, if that is what begins at `end`.
    integrity: Option<&'a [u8]>,
    /// FINGERPRINT's value, if that is what the message ends with.
    fingerprint: Option<&'a [u8]>,
}

/// The class of a message (RFC 8489 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// A good answer.
    Success,
    /// A bad one.
    Error,
}

/// Why bytes are no STUN message that we look at any closer. They are dropped without an answer
/// (RFC 8489 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// They do not begin like one.
    Header,
    /// The header tells of another length.
    Length,
    /// It is longer than any that carries no media.
    Long,
    /// An attribute ends outside.
    Outside,
    /// There are too many attributes.
    Many,
    /// A seal has a length that it cannot have.
    Seal,
    /// A seal comes twice.
    Twice,
    /// Something comes after FINGERPRINT.
    Last,
}

/// Looks at a whole message. No input makes it take more than [`limits::STUN_ATTRIBUTES`] steps,
/// and it takes no memory.
pub fn scan(bytes: &[u8]) -> Result<Scanned<'_>, Flaw> {
    let (head, attributes) = bytes.split_first_chunk::<HEADER>().ok_or(Flaw::Header)?;
    let [k0, k1, l0, l1, m0, m1, m2, m3, transaction @ ..] = *head;
    if k0 >> 6 != 0 || [m0, m1, m2, m3] != MAGIC_COOKIE {
        return Err(Flaw::Header);
    }
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if length != attributes.len() || !length.is_multiple_of(4) {
        return Err(Flaw::Length);
    }
    let (class, method) = class_and_method(u16::from_be_bytes([k0, k1]));
    let carries_media = class == Class::Indication && [SEND, DATA].contains(&method);
    if bytes.len() > limits::STUN_CONTROL && !carries_media {
        return Err(Flaw::Long);
    }
    let end = bytes.len();
    let scanned =
        Scanned { method, class, transaction, bytes, end, integrity: None, fingerprint: None };
    walk(scanned)
}

/// Finds the seals.
fn walk(mut scanned: Scanned<'_>) -> Result<Scanned<'_>, Flaw> {
    let total = scanned.bytes.len();
    let (mut integrity, mut integrity_sha256) = (None, None);
    let mut attributes = Attributes { rest: &scanned.bytes[HEADER..] };
    for count in 0.. {
        let start = total - attributes.rest.len();
        if start == total {
            break;
        }
        if count == limits::STUN_ATTRIBUTES {
            return Err(Flaw::Many);
        }
        if scanned.fingerprint.is_some() {
            return Err(Flaw::Last);
        }
        let (kind, value) = attributes.next().ok_or(Flaw::Outside)?;
        let (before, length) = match kind {
            MESSAGE_INTEGRITY => (integrity.replace(value), INTEGRITY),
            MESSAGE_INTEGRITY_SHA256 => (integrity_sha256.replace(value), value.len()),
            FINGERPRINT => (scanned.fingerprint.replace(value), CHECKSUM),
            _ => continue,
        };
        if before.is_some() {
            return Err(Flaw::Twice);
        }
        if value.len() != length {
            return Err(Flaw::Seal);
        }
        // Nothing is honoured after the first seal (RFC 8489 sections 14.5 and 14.6).
        if scanned.end == total {
            scanned.end = start;
            scanned.integrity = (kind == MESSAGE_INTEGRITY).then_some(value);
        }
    }
    Ok(scanned)
}

/// The two bits of the class lie between those of the method (RFC 8489 section 5).
fn class_and_method(kind: u16) -> (Class, u16) {
    let class = match (kind >> 8 & 1, kind >> 4 & 1) {
        (0, 0) => Class::Request,
        (0, _) => Class::Indication,
        (_, 0) => Class::Success,
        _ => Class::Error,
    };
    (class, kind >> 2 & 0xf80 | kind >> 1 & 0x070 | kind & 0x00f)
}

impl<'a> Scanned<'a> {
    /// The value of the first attribute of this kind, among those that count: what follows a seal
    /// could be anybody's.
    pub fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|(other, _)| *other == kind).map(|(_, value)| value)
    }

    /// The attributes that count, without the seals.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: &self.bytes[HEADER..self.end] }
    }

    /// What a receiver that knows only `known` must name in an error 420 (RFC 8489 section 6.3.1).
    pub fn unknown(&self, known: &[u16]) -> impl Iterator<Item = u16> {
        let kinds = self.attributes().map(|(kind, _)| kind);
        kinds.filter(|kind| *kind < COMPREHENSION_OPTIONAL && !known.contains(kind))
    }

    /// Whether there is a MESSAGE-INTEGRITY at all.
    pub fn has_integrity(&self) -> bool {
        self.integrity.is_some()
    }

    /// Whether somebody who holds `key` sealed what [`attributes`](Self::attributes) gives.
    pub fn is_authentic(&self, key: &[u8]) -> bool {
        let sealed = &self.bytes[..self.end];
        self.integrity.is_some_and(|tag| seal::is_sealed(sealed, key, tag))
    }

    /// Whether the message is as it was sent, if it lets us see that: FINGERPRINT may be missing.
    pub fn fingerprint_is_right(&self) -> bool {
        let Some(value) = self.fingerprint else { return true };
        let before = &self.bytes[..self.bytes.len() - ATTRIBUTE - CHECKSUM];
        seal::fingerprint(before).to_be_bytes() == value
    }

    /// The message as if it had never been sealed: [`attributes`](Self::attributes) and no more.
    pub fn before_integrity(&self) -> Vec<u8> {
        let mut message = self.bytes[..self.end].to_vec();
        seal::set_length(&mut message);
        message
    }
}

/// Kinds and values, in order. It ends where an attribute would end outside.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[k0, k1, l0, l1], rest) = self.rest.split_first_chunk::<ATTRIBUTE>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let value = rest.get(..length)?;
        self.rest = rest.get(length.next_multiple_of(4)..)?;
        Some((u16::from_be_bytes([k0, k1]), value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::turn::rfc5769;
    use crate::turn::seal::{add_fingerprint, seal};

    const KEY: &[u8] = b"a key";
    const ALLOCATE: u16 = 0x0003;
    const SEND_INDICATION: u16 = 0x0016;
    const LIFETIME: u16 = 0x000d;

    fn message(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = [&kind.to_be_bytes()[..], &[0, 0], &MAGIC_COOKIE, &[7; 12]].concat();
        for (kind, value) in attributes {
            append(&mut message, *kind, value);
        }
        message
    }

    fn append(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
        message.extend(kind.to_be_bytes());
        message.extend((value.len() as u16).to_be_bytes());
        message.extend(value);
        message.resize(message.len().next_multiple_of(4), 0);
        seal::set_length(message);
    }

    fn sealed(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = message(ALLOCATE, attributes);
        seal(&mut message, KEY);
        message
    }

    fn flaw(bytes: &[u8]) -> Option<Flaw> {
        scan(bytes).err()
    }

    fn kinds(scanned: &Scanned<'_>) -> Vec<u16> {
        scanned.attributes().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn the_samples_of_the_rfc_are_read_and_their_seals_are_right() {
        let request = rfc5769::request();
        let scanned = scan(&request).unwrap();
        assert_eq!((scanned.class, scanned.method), (Class::Request, 1));
        assert_eq!(scanned.transaction, request[8..20]);
        assert_eq!(scanned.attribute(0x0006), Some(&b"evtj:h6vY"[..]));
        assert_eq!(kinds(&scanned), [0x8022, 0x0024, 0x8029, 0x0006]);
        for message in [rfc5769::ipv4_response(), rfc5769::ipv6_response()] {
            let scanned = scan(&message).unwrap();
            assert_eq!((scanned.class, scanned.method), (Class::Success, 1));
            assert_eq!(kinds(&scanned), [0x8022, 0x0020]);
        }
        for message in [request, rfc5769::ipv4_response(), rfc5769::ipv6_response()] {
            let scanned = scan(&message).unwrap();
            assert!(scanned.has_integrity() && scanned.is_authentic(rfc5769::PASSWORD));
            assert!(!scanned.is_authentic(b"VOkJxbRl1RmTxUk/WvJxBT"));
            assert!(scanned.fingerprint_is_right());
        }
        let long_term = rfc5769::long_term_request();
        let scanned = scan(&long_term).unwrap();
        assert!(scanned.has_integrity() && scanned.fingerprint_is_right());
        assert_eq!(scanned.attribute(0x0014), Some(&b"example.org"[..]));
        assert_eq!(kinds(&scanned), [0x0006, 0x0015, 0x0014]);
    }

    #[test]
    fn we_seal_as_the_rfc_does() {
        for original in [rfc5769::request(), rfc5769::ipv4_response(), rfc5769::ipv6_response()] {
            let mut message = scan(&original).unwrap().before_integrity();
            seal(&mut message, rfc5769::PASSWORD);
            add_fingerprint(&mut message);
            assert_eq!(message, original);
        }
    }

    #[test]
    fn every_changed_bit_is_seen() {
        let original = rfc5769::request();
        for bit in 0..original.len() * 8 {
            let mut message = original.clone();
            message[bit / 8] ^= 1 << (bit % 8);
            let scanned = scan(&message).ok();
            let is_authentic = scanned.is_some_and(|it| it.is_authentic(rfc5769::PASSWORD));
            let is_whole = scanned.is_some_and(|it| it.fingerprint_is_right());
            let (fingerprint, value) = (original.len() - 8, original.len() - 6);
            assert!(!is_authentic || bit / 8 >= fingerprint, "bit {bit}");
            // A changed kind of FINGERPRINT makes it another attribute.
            assert!(!is_authentic || !is_whole || bit / 8 < value, "bit {bit}");
        }
    }

    #[test]
    fn without_a_seal_nothing_is_authentic() {
        let message = message(ALLOCATE, &[(LIFETIME, &[0; 4])]);
        let scanned = scan(&message).unwrap();
        assert!(!scanned.has_integrity() && !scanned.is_authentic(KEY));
        assert!(scanned.fingerprint_is_right(), "it may be missing");
    }

    #[test]
    fn nothing_after_a_seal_counts() {
        let plain = message(ALLOCATE, &[(0x0006, b"alice")]);
        let mut message = sealed(&[(0x0006, b"alice")]);
        append(&mut message, LIFETIME, &[0; 4]);
        append(&mut message, 0x7fff, b"must be understood");
        add_fingerprint(&mut message);
        let scanned = scan(&message).unwrap();
        assert!(scanned.is_authentic(KEY) && scanned.fingerprint_is_right());
        assert_eq!(scanned.attribute(LIFETIME), None);
        assert_eq!(kinds(&scanned), [0x0006]);
        assert_eq!(scanned.unknown(&[0x0006]).count(), 0);
        assert_eq!(scanned.before_integrity(), plain);
    }

    #[test]
    fn a_seal_that_we_do_not_check_ends_what_counts_too() {
        let mut message = message(ALLOCATE, &[(0x0006, b"alice")]);
        append(&mut message, MESSAGE_INTEGRITY_SHA256, &[0; 32]);
        append(&mut message, LIFETIME, &[0; 4]);
        seal(&mut message, KEY);
        let scanned = scan(&message).unwrap();
        assert_eq!(kinds(&scanned), [0x0006]);
        assert!(!scanned.has_integrity() && !scanned.is_authentic(KEY));

        let mut message = sealed(&[(0x0006, b"alice")]);
        append(&mut message, MESSAGE_INTEGRITY_SHA256, &[0; 32]);
        add_fingerprint(&mut message);
        let scanned = scan(&message).unwrap();
        assert!(scanned.is_authentic(KEY) && scanned.fingerprint_is_right());
    }

    #[test]
    fn padding_and_reserved_bits_may_be_anything() {
        let requested_transport = [17, 1, 2, 3];
        let mut message = message(ALLOCATE, &[(0x0019, &requested_transport), (0x0006, b"alice")]);
        let padding = message.len() - 3;
        message[padding..].fill(0xff);
        seal(&mut message, KEY);
        let scanned = scan(&message).unwrap();
        assert!(scanned.is_authentic(KEY));
        assert_eq!(scanned.attribute(0x0006), Some(&b"alice"[..]));
    }

    #[test]
    fn the_first_of_two_attributes_counts() {
        let message = message(ALLOCATE, &[(LIFETIME, &[1; 4]), (LIFETIME, &[2; 4])]);
        assert_eq!(scan(&message).unwrap().attribute(LIFETIME), Some(&[1; 4][..]));
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_named() {
        let empty: &[u8] = &[];
        let attributes = [0x0006, 0x7fff, 0x8000, 0x0027, 0xffff].map(|kind| (kind, empty));
        let message = sealed(&attributes);
        let unknown: Vec<u16> = scan(&message).unwrap().unknown(&[0x0006]).collect();
        assert_eq!(unknown, [0x7fff, 0x0027]);
    }

    #[test]
    fn class_and_method_are_taken_apart() {
        for (kind, class, method) in [
            (0x0001, Class::Request, 0x001),
            (0x0016, Class::Indication, 0x006),
            (0x0103, Class::Success, 0x003),
            (0x0119, Class::Error, 0x009),
            (0x001c, Class::Indication, 0x00c),
            (0x3eef, Class::Request, 0xfff),
            (0x2000, Class::Request, 0x800),
            (0x0020, Class::Request, 0x010),
        ] {
            let message = message(kind, &[]);
            let scanned = scan(&message).unwrap();
            assert_eq!((scanned.class, scanned.method), (class, method), "{kind:#06x}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let good = sealed(&[(LIFETIME, &[0; 4])]);
        for cut in 0..good.len() {
            let expected = if cut < HEADER { Flaw::Header } else { Flaw::Length };
            assert_eq!(flaw(&good[..cut]), Some(expected), "{cut}");
        }
        assert_eq!(flaw(&[&good[..], &[0; 4]].concat()), Some(Flaw::Length));
        for first in [0x40, 0x80, 0xc0] {
            let mut other = good.clone();
            other[0] |= first;
            assert_eq!(flaw(&other), Some(Flaw::Header));
        }
        let mut other = good.clone();
        other[7] ^= 1;
        assert_eq!(flaw(&other), Some(Flaw::Header));

        let mut odd = message(ALLOCATE, &[]);
        odd.extend([0, 13, 0, 1, 0]);
        seal::set_length(&mut odd);
        assert_eq!(flaw(&odd), Some(Flaw::Length));
        for length in [1, 0xfffd, 0xffff_u16] {
            let mut outside = message(ALLOCATE, &[(LIFETIME, &[])]);
            outside[HEADER + 2..].copy_from_slice(&length.to_be_bytes());
            assert_eq!(flaw(&outside), Some(Flaw::Outside), "{length}");
        }
    }

    #[test]
    fn seals_come_once_and_in_their_size() {
        let mut twice = sealed(&[]);
        seal(&mut twice, KEY);
        assert_eq!(flaw(&twice), Some(Flaw::Twice));
        let sha256: (u16, &[u8]) = (MESSAGE_INTEGRITY_SHA256, &[0; 32]);
        assert_eq!(flaw(&message(ALLOCATE, &[sha256, sha256])), Some(Flaw::Twice));
        for length in [0, 16, 19, 21, 24, 32] {
            let short = message(ALLOCATE, &[(MESSAGE_INTEGRITY, &[0; 32][..length])]);
            assert_eq!(flaw(&short), Some(Flaw::Seal), "{length}");
        }
        assert_eq!(flaw(&message(ALLOCATE, &[(FINGERPRINT, &[0; 8])])), Some(Flaw::Seal));
        let mut early = message(ALLOCATE, &[]);
        add_fingerprint(&mut early);
        append(&mut early, LIFETIME, &[0; 4]);
        assert_eq!(flaw(&early), Some(Flaw::Last));
    }

    #[test]
    fn a_message_ends_what_it_may_cost() {
        let empty: (u16, &[u8]) = (0x7fff, &[]);
        assert_eq!(flaw(&message(ALLOCATE, &[empty; limits::STUN_ATTRIBUTES])), None);
        for kind in [ALLOCATE, SEND_INDICATION] {
            let many = message(kind, &[empty; limits::STUN_ATTRIBUTES + 1]);
            assert_eq!(flaw(&many), Some(Flaw::Many));
        }
        let most = message(SEND_INDICATION, &[empty; 0xfffc / 4]);
        assert_eq!(flaw(&most), Some(Flaw::Many), "64 KB of them");
        let long = [0; limits::STUN_CONTROL];
        let value = limits::STUN_CONTROL - HEADER - ATTRIBUTE;
        assert_eq!(flaw(&message(ALLOCATE, &[(0x0013, &long[..value])])), None);
        assert_eq!(flaw(&message(ALLOCATE, &[(0x0013, &long)])), Some(Flaw::Long));
        // Not a request of the same method.
        assert_eq!(flaw(&message(0x0006, &[(0x0013, &long)])), Some(Flaw::Long));
        let media = message(SEND_INDICATION, &[(0x0013, &[9; 0xfff8])]);
        assert_eq!(scan(&media).unwrap().attribute(0x0013), Some(&[9; 0xfff8][..]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            attributes in prop::collection::vec((any::<u16>(), any::<Vec<u8>>()), 0..10),
            key: Vec<u8>,
        ) {
            let seals = [MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256, FINGERPRINT];
            let attributes: Vec<(u16, &[u8])> = attributes
                .iter()
                .filter(|(kind, _)| !seals.contains(kind))
                .map(|(kind, value)| (*kind, &value[..]))
                .collect();
            let plain = message(ALLOCATE, &attributes);
            let mut whole = plain.clone();
            seal(&mut whole, &key);
            add_fingerprint(&mut whole);
            prop_assume!(whole.len() <= limits::STUN_CONTROL);
            let scanned = scan(&whole).unwrap();
            prop_assert_eq!(scanned.attributes().collect::<Vec<_>>(), attributes);
            prop_assert!(scanned.is_authentic(&key) && scanned.fingerprint_is_right());
            prop_assert_eq!(scanned.before_integrity(), plain);
        }

        #[test]
        fn no_attribute_after_the_seal_changes_anything(
            kind: u16, value: [u8; 20], len in 0..21_usize,
        ) {
            let message = sealed(&[(0x0006, b"alice"), (LIFETIME, &[1; 4])]);
            let mut longer = message.clone();
            append(&mut longer, kind, &value[..len]);
            let before = scan(&message).unwrap();
            if let Ok(after) = scan(&longer) {
                prop_assert!(after.attributes().eq(before.attributes()));
                prop_assert!(after.is_authentic(KEY));
                prop_assert_eq!(after.before_integrity(), before.before_integrity());
            }
        }
    }
}
