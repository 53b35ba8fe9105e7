//! STUN messages made and read by hand, so that nothing of the server's own codec is trusted.

use std::net::{IpAddr, SocketAddr};

use farcast_core::turn::guard::{Class, Scanned, scan};

pub(crate) const BINDING: u16 = 1;
pub(crate) const ALLOCATE: u16 = 3;
pub(crate) const REFRESH: u16 = 4;
pub(crate) const SEND: u16 = 6;
pub(crate) const DATA_METHOD: u16 = 7;
pub(crate) const CREATE_PERMISSION: u16 = 8;
pub(crate) const CHANNEL_BIND: u16 = 9;

pub(crate) const USERNAME: u16 = 0x0006;
pub(crate) const ERROR_CODE: u16 = 0x0009;
pub(crate) const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
pub(crate) const CHANNEL_NUMBER: u16 = 0x000c;
pub(crate) const LIFETIME: u16 = 0x000d;
pub(crate) const XOR_PEER_ADDRESS: u16 = 0x0012;
pub(crate) const DATA: u16 = 0x0013;
pub(crate) const REALM: u16 = 0x0014;
pub(crate) const NONCE: u16 = 0x0015;
pub(crate) const XOR_RELAYED_ADDRESS: u16 = 0x0016;
pub(crate) const REQUESTED_TRANSPORT: u16 = 0x0019;
pub(crate) const XOR_MAPPED_ADDRESS: u16 = 0x0020;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

pub(crate) type Transaction = [u8; 12];
/// Types and values.
pub(crate) type Attributes = Vec<(u16, Vec<u8>)>;

/// A message with these attributes; methods are below 16.
pub(crate) fn message(
    method: u16,
    class: Class,
    transaction: Transaction,
    attributes: &[(u16, Vec<u8>)],
) -> Vec<u8> {
    let class = match class {
        Class::Request => 0,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    let mut bytes = [&(method | class).to_be_bytes()[..], &[0, 0], &COOKIE, &transaction].concat();
    for (kind, value) in attributes {
        append(&mut bytes, *kind, value);
    }
    bytes
}

/// Appends an attribute, whatever the message ends with.
pub(crate) fn append(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    bytes.extend(kind.to_be_bytes());
    bytes.extend((value.len() as u16).to_be_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let len = (bytes.len() - 20) as u16;
    bytes[2..4].copy_from_slice(&len.to_be_bytes());
}

/// XOR-…-ADDRESS (RFC 8489 section 14.2).
pub(crate) fn xor(addr: SocketAddr, transaction: Transaction) -> Vec<u8> {
    let mask: Vec<u8> = COOKIE.into_iter().chain(transaction).collect();
    let (family, ip) = match addr.ip() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let port = addr.port() ^ 0x2112;
    let ip = ip.iter().zip(&mask).map(|(octet, mask)| octet ^ mask);
    [0, family].into_iter().chain(port.to_be_bytes()).chain(ip).collect()
}

/// The address that an attribute holds.
pub(crate) fn address(message: &[u8], kind: u16) -> Option<SocketAddr> {
    addresses(message, kind).into_iter().next()
}

/// All addresses that attributes of this kind hold.
pub(crate) fn addresses(message: &[u8], kind: u16) -> Vec<SocketAddr> {
    let scanned = read(message);
    let mask: Vec<u8> = COOKIE.into_iter().chain(scanned.transaction).collect();
    let address = |value: &[u8]| {
        let port = u16::from_be_bytes([value[2], value[3]]) ^ 0x2112;
        let octets: Vec<u8> = value[4..].iter().zip(&mask).map(|(a, b)| a ^ b).collect();
        let ip: IpAddr = match <[u8; 4]>::try_from(&octets[..]) {
            Ok(octets) => octets.into(),
            Err(_) => <[u8; 16]>::try_from(&octets[..]).expect("an IP").into(),
        };
        SocketAddr::new(ip, port)
    };
    let own = scanned.attributes().filter(|(other, _)| *other == kind);
    own.map(|(_, value)| address(value)).collect()
}

/// The code of an error; `None` if the message is a success.
pub(crate) fn error(message: &[u8]) -> Option<u16> {
    let scanned = read(message);
    let value = scanned.attribute(ERROR_CODE)?;
    assert_eq!(scanned.class, Class::Error);
    Some(u16::from(value[2]) * 100 + u16::from(value[3]))
}

pub(crate) fn seconds(message: &[u8]) -> Option<u32> {
    read(message)
        .attribute(LIFETIME)
        .map(|value| u32::from_be_bytes(value.try_into().expect("four bytes")))
}

pub(crate) fn read(message: &[u8]) -> Scanned<'_> {
    scan(message).expect("the server sends well-formed messages")
}

/// ChannelData without padding.
pub(crate) fn channel_data(number: u16, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16).to_be_bytes();
    [&number.to_be_bytes()[..], &len, payload].concat()
}
