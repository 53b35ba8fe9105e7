//! Addresses as XOR-PEER-ADDRESS carries them, for the fast path (RFC 8489 section 14.2). It knows
//! no message.

use std::net::{IpAddr, SocketAddr};

use super::message::{Family, Transaction};

/// Bytes of the longest value: an IPv6 address.
pub(super) const LONGEST: usize = 20;
pub(super) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Reads a value; `None` if it is malformed.
pub(super) fn read(value: &[u8], transaction: &Transaction) -> Option<SocketAddr> {
    let mask = mask(transaction);
    let [_, family, high, low, ip @ ..] = value else { return None };
    let port = u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]);
    let ip: IpAddr = match *family {
        1 => unmask::<4>(ip, &mask)?.into(),
        2 => unmask::<16>(ip, &mask)?.into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Writes a value; says how long it is.
pub(super) fn write(addr: SocketAddr, transaction: &Transaction, to: &mut [u8; LONGEST]) -> usize {
    let mask = mask(transaction);
    let [high, low] = addr.port().to_be_bytes();
    to[..4].copy_from_slice(&[0, Family::of(addr).number(), high ^ mask[0], low ^ mask[1]]);
    let mut put = |octets: &[u8]| {
        let masked = octets.iter().zip(mask).map(|(octet, mask)| octet ^ mask);
        to[4..].iter_mut().zip(masked).for_each(|(to, octet)| *to = octet);
        4 + octets.len()
    };
    match addr.ip() {
        IpAddr::V4(ip) => put(&ip.octets()),
        IpAddr::V6(ip) => put(&ip.octets()),
    }
}

fn unmask<const LEN: usize>(ip: &[u8], mask: &[u8; 16]) -> Option<[u8; LEN]> {
    let mut octets: [u8; LEN] = ip.try_into().ok()?;
    octets.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
    Some(octets)
}

fn mask(transaction: &Transaction) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE);
    mask[4..].copy_from_slice(transaction);
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 sections 2.2 and 2.3.
    #[test]
    fn addresses_are_those_of_the_test_vectors() {
        let transaction = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
        let v4: &[u8] = b"\x00\x01\xa1\x47\xe1\x12\xa6\x43";
        let v6: &[u8] = b"\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\
            \xbe\xd2\xb9\xd9";
        let addresses = ["192.0.2.1:32853", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"];
        for (addr, value) in addresses.into_iter().zip([v4, v6]) {
            let addr: SocketAddr = addr.parse().unwrap();
            assert_eq!(read(value, &transaction), Some(addr));
            let mut written = [0; LONGEST];
            let len = write(addr, &transaction, &mut written);
            assert_eq!(&written[..len], value);
            for cut in 0..value.len() {
                assert_eq!(read(&value[..cut], &transaction), None, "{cut} bytes");
            }
        }
    }
}
