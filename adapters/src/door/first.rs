//! What a connection speaks, told by its first bytes. It reads nothing itself.

/// Bytes that [`sort`] needs at most.
pub const LONGEST: usize = 10;

/// The magic cookie of STUN (RFC 8489 section 5), after type and length.
const COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
/// The length before a framed datagram (RFC 4571 section 2).
const FRAME: usize = 2;
/// The first byte of a TLS handshake (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// More bytes will tell.
    More,
    /// HTTP/1: a method comes first.
    Http,
    /// STUN and ChannelData, as TURN clients send them.
    Turn,
    /// STUN in frames, as ICE agents send it.
    Ice,
    /// A TLS handshake.
    Tls,
    /// Nothing that is spoken here.
    Stranger,
}

/// Tells what begins with these bytes. `tls`: whether a handshake is possible.
///
/// More bytes never change a verdict other than [`Verdict::More`], and [`LONGEST`] suffice.
pub fn sort(first: &[u8], tls: bool) -> Verdict {
    match first {
        [] => Verdict::More,
        [HANDSHAKE, ..] if tls => Verdict::Tls,
        [b'A'..=b'Z' | b'a'..=b'z', ..] => Verdict::Http,
        // A STUN message begins with two zero bits and a small type, and so does the length of one.
        [0..=3, ..] => stun(first),
        _ => Verdict::Stranger,
    }
}

/// A message cannot be both: framed, it would have no cookie where the bare one has it unless its
/// own length were the cookie's first half, and then its cookie were not in its place.
fn stun(first: &[u8]) -> Verdict {
    let bare = has_cookie(first, COOKIE.len());
    let framed = has_cookie(first, COOKIE.len() + FRAME);
    match (bare, framed) {
        (Some(true), _) => Verdict::Turn,
        (_, Some(true)) => Verdict::Ice,
        (Some(false), Some(false)) => Verdict::Stranger,
        _ => Verdict::More,
    }
}

/// Whether the cookie is at `place`; `None` if that is not known yet.
fn has_cookie(first: &[u8], place: usize) -> Option<bool> {
    let there = first.get(place..).unwrap_or_default();
    let there = &there[..there.len().min(COOKIE.len())];
    match COOKIE.strip_prefix(there) {
        None => Some(false),
        Some([]) => Some(true),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Allocate request's beginning.
    const BARE: [u8; 8] = [0x00, 0x03, 0x00, 0x08, 0x21, 0x12, 0xa4, 0x42];
    /// A Binding request's beginning in a frame.
    const FRAMED: [u8; 10] = [0x00, 0x64, 0x00, 0x01, 0x00, 0x50, 0x21, 0x12, 0xa4, 0x42];

    #[test]
    fn first_bytes_tell_what_is_spoken() {
        let cases: [(&[u8], Verdict); 9] = [
            (b"GET / HTTP/1.1", Verdict::Http),
            (b"PRI * HTTP/2.0", Verdict::Http),
            (&BARE, Verdict::Turn),
            (&FRAMED, Verdict::Ice),
            (&[22, 3, 1], Verdict::Tls),
            (&[0x40, 0, 0, 4], Verdict::Stranger),
            (b"\r\nGET /", Verdict::Stranger),
            (&[0, 3, 0, 8, 0, 0, 0, 0, 0, 0], Verdict::Stranger),
            (&[0x80], Verdict::Stranger),
        ];
        for (first, verdict) in cases {
            assert_eq!(sort(first, true), verdict, "{first:?}");
        }
        assert_eq!(sort(&[22, 3, 1], false), Verdict::Stranger);
    }

    #[test]
    fn as_many_bytes_are_awaited_as_are_needed() {
        for (whole, verdict) in [(&BARE[..], Verdict::Turn), (&FRAMED[..], Verdict::Ice)] {
            for len in 0..whole.len() {
                assert_eq!(sort(&whole[..len], true), Verdict::More, "{len} of {whole:?}");
            }
            assert_eq!(sort(whole, true), verdict);
        }
        // Neither can it be any more.
        assert_eq!(sort(&[0, 1, 0, 0, 0x21, 0x12, 1], true), Verdict::Stranger);
    }
}
