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
