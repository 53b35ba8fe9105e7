//! STUN messages as strangers may make them, and what somebody on the way may append to ours.

use farcast_core::limits;
use farcast_core::turn::guard::{Scanned, scan};
use farcast_core::turn::seal::{add_fingerprint, seal};

const KEY: &[u8] = b"a key";
/// Bytes of a message's header.
const HEADER: usize = 20;
/// In every message.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Bytes and attributes of both seals.
const SEALS: (usize, usize) = (32, 2);

/// A message, as it is and under a header that fits; sealed by us; and sealed by us with what it
/// says behind the seal again.
pub fn stun_prescan(data: &[u8]) {
    check(data);
    check(&mended(data));
}

/// Few changed messages would get past the header.
fn mended(data: &[u8]) -> Vec<u8> {
    let mut message = data.to_vec();
    message.resize(data.len().clamp(HEADER, usize::from(u16::MAX)) & !3, 0);
    let length = (message.len() - HEADER) as u16;
    message[0] &= 0x3f;
    message[2..4].copy_from_slice(&length.to_be_bytes());
    message[4..8].copy_from_slice(&MAGIC_COOKIE);
    message
}

fn check(data: &[u8]) {
    let Ok(scanned) = scan(data) else { return };
    lies_inside(&scanned, data);
    scanned.is_authentic(KEY);
    scanned.fingerprint_is_right();
    assert!(scanned.unknown(&[]).all(|kind| kind < 0x8000));
    let plain = scanned.before_integrity();
    let again = scan(&plain).expect("a part of a good message is a good message");
    assert!(again.attributes().eq(scanned.attributes()));
    assert!(!again.has_integrity() && again.before_integrity() == plain);
    let (bytes, attributes) = SEALS;
    let has_room = plain.len() + bytes <= limits::STUN_CONTROL
        && again.attributes().count() + attributes <= limits::STUN_ATTRIBUTES;
    if has_room {
        sealed(&plain, &data[HEADER..]);
    }
}

fn lies_inside(scanned: &Scanned<'_>, data: &[u8]) {
    let message = data.as_ptr_range();
    assert!(scanned.attributes().count() <= limits::STUN_ATTRIBUTES);
    for (kind, value) in scanned.attributes() {
        let value = value.as_ptr_range();
        assert!(message.start <= value.start && value.end <= message.end);
        assert!(scanned.attribute(kind).is_some());
    }
}

fn sealed(plain: &[u8], appended: &[u8]) {
    let mut sealed = plain.to_vec();
    seal(&mut sealed, KEY);
    let ours = scan(&sealed).expect("we sealed a good message");
    assert!(ours.is_authentic(KEY) && ours.before_integrity() == plain);
    let mut longer = [&sealed, appended].concat();
    longer.truncate(usize::from(u16::MAX) & !3);
    let length = (longer.len() - HEADER) as u16;
    longer[2..4].copy_from_slice(&length.to_be_bytes());
    if let Ok(theirs) = scan(&longer) {
        assert!(theirs.is_authentic(KEY));
        assert!(theirs.attributes().eq(ours.attributes()));
    }
    add_fingerprint(&mut sealed);
    let whole = scan(&sealed).expect("we sealed a good message");
    assert!(whole.is_authentic(KEY) && whole.fingerprint_is_right());
}
