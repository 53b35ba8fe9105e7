//! Test vectors of RFC 3711, RFC 6188 and RFC 7714, and packets that libsrtp holds itself to. It
//! knows how we seal and open, for it checks that.

use super::cipher::Cipher;
use super::derive::{AUTHENTICATION, KEY, Master, Purpose, SALT, SessionKeys};
use super::open::Opener;
use super::profile::Profile;
use super::seal::Sealer;

/// All that we know.
pub(super) const PROFILES: [Profile; 3] =
    [Profile::Aes256Gcm, Profile::Aes128Gcm, Profile::Aes128CmSha1_80];

/// RFC 7714 sections 16 and 17, for both lengths of keys.
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const QUID_PRO_QUO: &str = "517569642070726f2071756f";
/// RFC 7714 section 16: its SSRC and its sequence number, with a rollover counter of 0.
const RTP: &str = "8040f17b8041f8d35501a0b2
    47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
const RTP_SSRC: u32 = 0x5501_a0b2;
const RTP_INDEX: u64 = 0xf17b;
/// RFC 7714 section 17, as its subsections take it.
const RTCP: &str = "81c8000d4d617273
    4e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
const RTCP_INDEX: u32 = 0x5d4;

/// A master key and what libsrtp's own tests make of [`LIBSRTP_RTP`] and [`LIBSRTP_RTCP`] with it.
pub(super) struct Libsrtp {
    pub(super) key: &'static str,
    pub(super) salt: &'static str,
    pub(super) srtp: &'static str,
    /// With a rollover counter of 0x89abcdef. libsrtp has none of those; OpenSSL's functions made
    /// it, after they had made the other one.
    pub(super) rolled_over: &'static str,
    pub(super) srtcp: &'static str,
}

pub(super) const LIBSRTP_RTP: &str = "800f1234decafbadcafebabe abababababababababababababababab";
pub(super) const LIBSRTP_RTCP: &str = "81c8000bcafebabe abababababababababababababababab";
pub(super) const LIBSRTP_COUNTER_MODE: Libsrtp = Libsrtp {
    key: "e1f97a0d3e018be0d64fa32c06de4139",
    salt: "0ec675ad498afeebb6960b3aabe6",
    srtp: "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb",
    rolled_over: "800f1234decafbadcafebabe
        ccb65cba10baaa24c3154d26776f52af d485d5efe2e1933ced69",
    srtcp: "81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798",
};
pub(super) const LIBSRTP_GCM: Libsrtp = Libsrtp {
    key: "000102030405060708090a0b0c0d0e0f",
    salt: "a0a1a2a3a4a5a6a7a8a9aaab",
    srtp: "800f1234decafbadcafebabe
        c5002ede04cfdd2eb91159e0880aa06e d2976826f796b201df3131a127e8a392",
    rolled_over: "800f1234decafbadcafebabe
        88f5b6077b6744e24333d34ca2d06f4a e514a58c9cd215c2d572aef70c45bdd9",
    srtcp: "81c8000bcafebabe
        c98b8b5df0392a55852b6c21ac8e7025 c52c6fbea2b3b446ea31123ba88ce61e 80000001",
};

/// Bytes of hexadecimal digits; whatever else is between them counts for nothing.
pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn session_keys(profile: Profile, key: &str, salt: &str) -> SessionKeys {
    let (key, salt) = (bytes(key), bytes(salt));
    let mut keys = SessionKeys {
        profile,
        encryption: [0; KEY],
        authentication: [0; AUTHENTICATION],
        salt: [0; SALT],
    };
    keys.encryption[..key.len()].copy_from_slice(&key);
    keys.salt[..salt.len()].copy_from_slice(&salt);
    keys
}

fn cipher(profile: Profile, key: &str) -> Cipher {
    Cipher::new(&session_keys(profile, key, QUID_PRO_QUO)).unwrap()
}

fn sealer(profile: Profile, key: &str) -> Sealer {
    Sealer::with_ciphers(cipher(profile, key), cipher(profile, key), profile.tag_length())
}

#[test]
fn the_keystream_is_that_of_rfc_3711_appendix_b_2() {
    let (key, salt) = ("2b7e151628aed2a6abf7158809cf4f3c", "f0f1f2f3f4f5f6f7f8f9fafbfcfd");
    let keys = session_keys(Profile::Aes128CmSha1_80, key, salt);
    let Some(Cipher::CounterMode(counter_mode)) = Cipher::new(&keys) else { panic!("no cipher") };
    let mut keystream = vec![0; 0xff02 * 16];
    counter_mode.apply(0, 0, &mut keystream).unwrap();
    let first = "e03ead0935c95e80e166b16dd92b4eb4 d23513162b02d0f72a43a2fe4a5f97ab
        41e95b3bb0a2e8dd477901e4fca894c0";
    let last = "ec8cdf7398607cb0f2d21675ea9ea1e4 362b7c3c6773516318a077d7fc5073ae
        6a2cc3787889374fbeb4c81b17ba6c44";
    assert_eq!(keystream[..3 * 16], bytes(first));
    assert_eq!(keystream[0xfeff * 16..], bytes(last));
}

#[test]
fn keys_are_derived_as_in_rfc_3711_appendix_b_3() {
    let key = bytes("e1f97a0d3e018be0d64fa32c06de4139");
    let salt = bytes("0ec675ad498afeebb6960b3aabe6");
    let master = Master { profile: Profile::Aes128CmSha1_80, key: &key, salt: &salt };
    let keys = master.session_keys(Purpose::Srtp).unwrap();
    assert_eq!(keys.encryption_key(), bytes("c61e7a93744f39ee10734afe3ff7a087"));
    assert_eq!(keys.salt[..], bytes("30cbbc08863d8c85d49db34a9ae1"));
    assert_eq!(keys.authentication[..], bytes("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
}

/// The salt of its vector has 14 bytes, ours have 12: the keystream's first ones.
#[test]
fn keys_of_256_bits_are_derived_as_in_rfc_6188_section_7_2() {
    let key = bytes("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6");
    let salt = bytes("3b04803de51ee7c96423ab5b78d2");
    let master = Master { profile: Profile::Aes256Gcm, key: &key, salt: &salt };
    let keys = master.session_keys(Purpose::Srtp).unwrap();
    let encryption = "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4";
    assert_eq!(keys.encryption_key(), bytes(encryption));
    assert_eq!(keys.salt[..12], bytes("fa31791685ca444a9e07c6c6"));
    assert_eq!(keys.authentication[..], bytes("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
}

#[test]
fn packets_are_sealed_as_in_rfc_7714_section_16() {
    let sealed_128 = "8040f17b8041f8d35501a0b2
        f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833
        899d7f27beb16a9152cf765ee4390cce";
    let sealed_256 = "8040f17b8041f8d35501a0b2
        32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b
        7aa3db36dfffd6b0f9bb7878d7a76c13";
    for (profile, key, sealed) in
        [(Profile::Aes128Gcm, KEY_128, sealed_128), (Profile::Aes256Gcm, KEY_256, sealed_256)]
    {
        let mut sealer = sealer(profile, key);
        let line = sealer.open_line(RTP_SSRC).unwrap();
        let mut packet = bytes(RTP);
        // What the header says before is not asked.
        packet[2..4].fill(0);
        packet[8..12].fill(0);
        packet.resize(packet.len() + sealer.overhead(), 0);
        assert!(sealer.seal(line, RTP_INDEX, 12, &mut packet));
        assert_eq!(packet, bytes(sealed), "{profile:?}");
    }
}

/// Sections 16.1.3 and 16.2.3: all of the packet is authenticated, nothing is encrypted.
#[test]
fn tags_are_those_of_rfc_7714_section_16() {
    for (profile, key, expected) in [
        (Profile::Aes128Gcm, KEY_128, "22493f82d2bce397e9d79e3b19aa4216"),
        (Profile::Aes256Gcm, KEY_256, "a866d5910f887463067ceefec45215d4"),
    ] {
        let Cipher::Gcm(gcm) = cipher(profile, key) else { panic!("another cipher") };
        let mut tag = [0; 16];
        gcm.seal(RTP_SSRC, RTP_INDEX, &bytes(RTP), &mut [], &mut tag).unwrap();
        assert_eq!(tag[..], bytes(expected), "{profile:?}");
    }
}

/// Sections 17.1 and 17.2.
#[test]
fn control_packets_are_sealed_and_opened_as_in_rfc_7714_section_17() {
    let sealed_128 = "81c8000d4d617273
        63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b
        c84aa45896cf4d2fc5abf87245d9eade 800005d4";
    let sealed_256 = "81c8000d4d617273
        d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad
        1d1eb30c4446839f57ff6f6cb26ac3be 800005d4";
    for (profile, key, sealed) in
        [(Profile::Aes128Gcm, KEY_128, sealed_128), (Profile::Aes256Gcm, KEY_256, sealed_256)]
    {
        let mut sealer = sealer(profile, key);
        let mut packet = Vec::new();
        for _ in 0..=RTCP_INDEX {
            packet = bytes(RTCP);
            packet.resize(packet.len() + sealer.control_overhead(), 0);
            assert!(sealer.seal_control(&mut packet));
        }
        assert_eq!(packet, bytes(sealed), "{profile:?}");
        opens(profile, key, sealed);
    }
}

/// Sections 17.3 and 17.4.
#[test]
fn unencrypted_control_packets_are_opened_as_in_rfc_7714_section_17() {
    for (profile, key, tag) in [
        (Profile::Aes128Gcm, KEY_128, "841dd9683dd78ec92ae58790125f62b3"),
        (Profile::Aes256Gcm, KEY_256, "91db4afbfeee5a978fab4393ed2615fe"),
    ] {
        opens(profile, key, &format!("{RTCP} {tag} 000005d4"));
    }
}

/// Once, and with no bit changed.
fn opens(profile: Profile, key: &str, sealed: &str) {
    let mut opener = Opener::with_cipher(cipher(profile, key), profile.tag_length());
    let packet = bytes(sealed);
    let mut into = Vec::new();
    for bit in 0..packet.len() * 8 {
        let mut changed = packet.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!opener.open_control(&changed, &mut into), "{profile:?}, bit {bit}");
        assert!(into.is_empty());
    }
    assert!(opener.open_control(&packet, &mut into), "{profile:?}");
    assert_eq!(into, bytes(RTCP));
    assert!(!opener.open_control(&packet, &mut into), "a replay");
}
