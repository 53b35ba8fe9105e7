//! MESSAGE-INTEGRITY and FINGERPRINT: how the bytes of a STUN message are sealed. It does not know
//! who holds which key.

use aws_lc_rs::{constant_time, hmac};

/// MESSAGE-INTEGRITY (RFC 8489 section 14.5).
pub const MESSAGE_INTEGRITY: u16 = 0x0008;
/// Bytes of its value: an HMAC-SHA1.
pub const INTEGRITY: usize = 20;
/// FINGERPRINT (RFC 8489 section 14.7).
pub const FINGERPRINT: u16 = 0x8028;
/// Bytes of its value: a CRC-32.
pub const CHECKSUM: usize = 4;

/// Bytes of a message's header (RFC 8489 section 5).
pub(super) const HEADER: usize = 20;
/// Bytes of an attribute before its value (RFC 8489 section 14).
pub(super) const ATTRIBUTE: usize = 4;
/// A fingerprint differs from a CRC of the application by this: "STUN" (RFC 8489 section 14.7).
const XOR: u32 = 0x5354_554e;

/// Appends MESSAGE-INTEGRITY to a message that ends with its last attribute.
pub fn seal(message: &mut Vec<u8>, key: &[u8]) {
    let tag = integrity(message, key);
    append(message, MESSAGE_INTEGRITY, tag.as_ref());
}

/// Appends FINGERPRINT, after which nothing may follow.
pub fn add_fingerprint(message: &mut Vec<u8>) {
    let checksum = fingerprint(message);
    append(message, FINGERPRINT, &checksum.to_be_bytes());
}

/// Whether `tag` is the HMAC of a message, given up to its MESSAGE-INTEGRITY. The answer takes as
/// long for a tag that is nearly right as for any other.
pub(super) fn is_sealed(message: &[u8], key: &[u8], tag: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(integrity(message, key).as_ref(), tag).is_ok()
}

/// What FINGERPRINT says of a message, given up to that attribute.
pub(super) fn fingerprint(message: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    with_length(message, ATTRIBUTE + CHECKSUM, |bytes| hasher.update(bytes));
    hasher.finalize() ^ XOR
}

/// Writes into the header how many bytes follow it. A STUN message has less than 64 KB.
pub(super) fn set_length(message: &mut [u8]) {
    let length = length_after(message, 0);
    message[2..4].copy_from_slice(&length);
}

fn integrity(message: &[u8], key: &[u8]) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut context = hmac::Context::with_key(&key);
    with_length(message, ATTRIBUTE + INTEGRITY, |bytes| context.update(bytes));
    context.sign()
}

/// Feeds a message whose header says that it ends `more` bytes later: seals count themselves in,
/// and nothing that comes after them.
fn with_length(message: &[u8], more: usize, mut feed: impl FnMut(&[u8])) {
    feed(&message[..2]);
    feed(&length_after(message, more));
    feed(&message[4..]);
}

fn length_after(message: &[u8], more: usize) -> [u8; 2] {
    ((message.len() - HEADER + more) as u16).to_be_bytes()
}

fn append(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(kind.to_be_bytes());
    message.extend((value.len() as u16).to_be_bytes());
    message.extend(value);
    set_length(message);
}
