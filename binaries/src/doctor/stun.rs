//! STUN Binding (RFC 8489 sections 3 and 14.2), asked and answered: what address does a packet come
//! from? It knows no TURN and no ICE.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::run;

/// The magic cookie and a transaction's id (RFC 8489 section 5).
type Tag = [u8; 16];

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;
/// The attribute XOR-MAPPED-ADDRESS (RFC 8489 section 14.2).
const XOR_MAPPED: [u8; 2] = [0, 0x20];
/// Tries, and the wait for each answer.
const TRIES: u32 = 3;
const PATIENCE: Duration = Duration::from_millis(500);

/// The address that our packets have when they arrive at `to`; `None` if nobody answers there.
pub(super) fn ask(to: SocketAddr) -> Option<SocketAddr> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    let tag = tag()?;
    (0..TRIES).find_map(|_| attempt(&socket, &tag).ok().flatten())
}

fn attempt(socket: &UdpSocket, tag: &Tag) -> io::Result<Option<SocketAddr>> {
    socket.send(&request(tag))?;
    let mut buffer = [0; 1500];
    loop {
        let len = socket.recv(&mut buffer)?;
        if let Some(mapped) = mapped(&buffer[..len], tag) {
            return Ok(Some(mapped));
        }
    }
}

fn tag() -> Option<Tag> {
    let mut tag = Tag::default();
    tag.copy_from_slice(&run::randomness().ok()?[..16]);
    tag[..4].copy_from_slice(&COOKIE);
    Some(tag)
}

fn request(tag: &Tag) -> Vec<u8> {
    [&[0, 1, 0, 0], &tag[..]].concat()
}

/// The answer to a Binding request from `peer`; `None` if it is none.
pub(super) fn answer(request: &[u8], peer: SocketAddr) -> Option<Vec<u8>> {
    let [0, 1, _, _, rest @ ..] = request else { return None };
    let tag: Tag = rest.get(..16)?.try_into().ok()?;
    if !tag.starts_with(&COOKIE) {
        return None;
    }
    let value = xor(peer, &tag);
    let len = (value.len() + 4) as u8;
    Some([&[1, 1, 0, len], &tag[..], &XOR_MAPPED, &[0, len - 4], &value].concat())
}

/// The address in the answer to the request with this tag.
fn mapped(answer: &[u8], tag: &Tag) -> Option<SocketAddr> {
    if !answer.starts_with(&[1, 1]) || answer.get(4..HEADER)? != tag {
        return None;
    }
    let mut rest = answer.get(HEADER..)?;
    while let [kind0, kind1, len0, len1, after @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*len0, *len1]));
        let value = after.get(..len)?;
        if [*kind0, *kind1] == XOR_MAPPED {
            return unxor(value, tag);
        }
        rest = after.get(len.next_multiple_of(4)..)?;
    }
    None
}

fn xor(address: SocketAddr, tag: &Tag) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    let (family, ip) = match address.ip() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let veiled = |bytes: &[u8]| -> Vec<u8> { bytes.iter().zip(tag).map(|(b, t)| b ^ t).collect() };
    [vec![0, family], veiled(&port), veiled(&ip)].concat()
}

fn unxor(value: &[u8], tag: &Tag) -> Option<SocketAddr> {
    let [_, family, port0, port1, ip @ ..] = value else { return None };
    let port = u16::from_be_bytes([port0 ^ tag[0], port1 ^ tag[1]]);
    let plain: Vec<u8> = ip.iter().zip(tag).map(|(byte, tag)| byte ^ tag).collect();
    let ip = match family {
        1 => IpAddr::from(<[u8; 4]>::try_from(plain).ok()?),
        2 => IpAddr::from(<[u8; 16]>::try_from(plain).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_the_asker_whatever_its_family() {
        let tag = tag().unwrap();
        for peer in ["203.0.113.7:40000", "[2001:db8::7]:40000"] {
            let peer = peer.parse().unwrap();
            let answer = answer(&request(&tag), peer).unwrap();
            assert_eq!(mapped(&answer, &tag), Some(peer));
            assert_eq!(answer.len() - HEADER, usize::from(answer[3]));
            for end in 0..answer.len() {
                assert_eq!(mapped(&answer[..end], &tag), None, "{end}");
            }
        }
    }

    #[test]
    fn an_answer_to_somebody_else_is_none() {
        let (ours, mut other) = (tag().unwrap(), tag().unwrap());
        other[15] = !ours[15];
        let peer = "203.0.113.7:1".parse().unwrap();
        assert_eq!(mapped(&answer(&request(&other), peer).unwrap(), &ours), None);
        assert_eq!(answer(b"GET / HTTP/1.1\r\n\r\n", peer), None);
    }

    #[test]
    fn the_address_of_rfc_5769_section_2_2_is_read() {
        let tag = *b"\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
        let software = b"\x80\x22\x00\x0b\x74\x65\x73\x74\x20\x76\x65\x63\x74\x6f\x72\x20";
        let address = b"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43";
        let answer = [b"\x01\x01\x00\x3c", &tag[..], software, address].concat();
        assert_eq!(mapped(&answer, &tag), Some("192.0.2.1:32853".parse().unwrap()));
    }
}
