//! SRTP and SRTCP (RFC 3711, RFC 7714): seals what we send, opens the feedback that comes back. It
//! knows no RTP but the header's fields that make a nonce, and nothing of what RTCP says.
//!
//! A nonce is made of SSRC and index, and no pair of them may be sealed twice with one key. So
//! the keys of a direction live in one [`Sealer`], which cannot be cloned, writes both into the
//! packet itself, and refuses an index of which it cannot be sure. Nothing else here seals.

mod cipher;
mod derive;
mod keystream;
mod open;
mod profile;
#[cfg(test)]
mod reference;
mod seal;
mod window;

pub use open::Opener;
pub use profile::Profile;
pub use seal::{LineId, Sealer};

use derive::Master;

/// Both directions of a session from what its DTLS handshake exported: client's key, server's key,
/// client's salt, server's salt (RFC 5764 section 4.2). `None` if the length is another one.
///
/// It must be called only once for a handshake: a second sealer would know nothing of the first
/// one's nonces.
pub fn from_exported(
    profile: Profile,
    material: &[u8],
    is_client: bool,
) -> Option<(Sealer, Opener)> {
    if material.len() != profile.exported_length() {
        return None;
    }
    let (keys, salts) = material.split_at(2 * profile.key_length());
    let (client_key, server_key) = keys.split_at(profile.key_length());
    let (client_salt, server_salt) = salts.split_at(profile.salt_length());
    let client = Master { profile, key: client_key, salt: client_salt };
    let server = Master { profile, key: server_key, salt: server_salt };
    let (ours, theirs) = if is_client { (client, server) } else { (server, client) };
    Some((Sealer::new(&ours)?, Opener::new(&theirs)?))
}

#[cfg(test)]
mod tests {
    use super::reference::{
        LIBSRTP_COUNTER_MODE, LIBSRTP_GCM, LIBSRTP_RTCP, LIBSRTP_RTP, PROFILES, bytes,
    };
    use super::*;

    /// Material in which the client has keys that are known, and the server has others.
    fn material(key: &str, salt: &str) -> Vec<u8> {
        let (key, salt) = (bytes(key), bytes(salt));
        [&key[..], &vec![1; key.len()], &salt, &vec![2; salt.len()]].concat()
    }

    #[test]
    fn material_of_another_length_is_no_material() {
        for (profile, length) in PROFILES.into_iter().zip([88, 56, 60]) {
            for other in 0..2 * length {
                let made = from_exported(profile, &vec![7; other], true).is_some();
                assert_eq!(made, other == length, "{profile:?}, {other} bytes");
            }
        }
    }

    #[test]
    fn exported_keys_seal_and_open_libsrtps_reference_packets() {
        for (profile, reference) in
            [(Profile::Aes128CmSha1_80, LIBSRTP_COUNTER_MODE), (Profile::Aes128Gcm, LIBSRTP_GCM)]
        {
            let material = material(reference.key, reference.salt);
            let (mut client, _) = from_exported(profile, &material, true).unwrap();
            let (_, mut server) = from_exported(profile, &material, false).unwrap();

            let line = client.open_line(0xcafe_babe).unwrap();
            for (index, sealed) in
                [(0x1234, reference.srtp), (0x89ab_cdef_1234, reference.rolled_over)]
            {
                let mut packet = bytes(LIBSRTP_RTP);
                packet.resize(packet.len() + client.overhead(), 0);
                assert!(client.seal(line, index, 12, &mut packet));
                assert_eq!(packet, bytes(sealed));
            }

            let rtcp = bytes(LIBSRTP_RTCP);
            let mut opened = Vec::new();
            assert!(server.open_control(&bytes(reference.srtcp), &mut opened));
            assert_eq!(opened, rtcp);
            // libsrtp begins with index 1, we do with 0.
            let mut packet = Vec::new();
            for _ in 0..2 {
                packet.clone_from(&rtcp);
                packet.resize(packet.len() + client.control_overhead(), 0);
                assert!(client.seal_control(&mut packet));
            }
            assert_eq!(packet, bytes(reference.srtcp));
        }
    }

    #[test]
    fn each_side_opens_what_the_other_sealed_and_not_its_own() {
        for profile in PROFILES {
            let material: Vec<u8> = (0..profile.exported_length() as u8).collect();
            for is_client in [true, false] {
                let (mut sealer, mut own) = from_exported(profile, &material, is_client).unwrap();
                let (_, mut other) = from_exported(profile, &material, !is_client).unwrap();
                let mut packet = vec![0x81; 8 + 20 + sealer.control_overhead()];
                assert!(sealer.seal_control(&mut packet));
                let mut opened = Vec::new();
                assert!(!own.open_control(&packet, &mut opened), "{profile:?}");
                assert!(other.open_control(&packet, &mut opened), "{profile:?}");
                assert_eq!(opened, [0x81; 28]);
            }
        }
    }
}
