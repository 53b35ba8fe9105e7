//! SRTCP packets as strangers may make them, and what somebody on the way may make of good ones.
//!
//! The first byte of an input chooses the profile; two say where a good packet is changed, one how
//! (0: it is cut there), and the rest is a packet: as it came, and as the RTCP packet that a peer
//! seals.

use farcast_core::hub::egress::srtp::{Opener, Profile, Sealer, from_exported};
use farcast_core::limits;

/// Bytes of the smallest RTCP packet: header and SSRC.
const HEADER: usize = 8;
const PROFILES: [Profile; 3] = [Profile::Aes256Gcm, Profile::Aes128Gcm, Profile::Aes128CmSha1_80];

/// Feedback, opened by a node.
pub fn srtcp(data: &[u8]) {
    let [profile, p0, p1, change, packet @ ..] = data else { return };
    let profile = PROFILES[usize::from(*profile) % PROFILES.len()];
    let material: Vec<u8> = (0..profile.exported_length() as u8).collect();
    let pair = |is_client| from_exported(profile, &material, is_client).expect("its own length");
    let ((mut peer, _), (_, mut node)) = (pair(true), pair(false));

    arbitrary(&mut node, packet, peer.control_overhead());
    if packet.len() < HEADER || packet.len() + peer.control_overhead() > limits::RUN_BYTES {
        return;
    }
    let good = sealed(&mut peer, packet);
    let mut changed = good.clone();
    let at = usize::from(u16::from_be_bytes([*p0, *p1])) % good.len();
    match change {
        0 => changed.truncate(at),
        _ => changed[at] ^= change,
    }
    // A node that has opened the very same packet as an arbitrary one refuses it as a replay.
    let (_, mut node) = pair(false);
    refuses(&mut node, &changed);
    let mut opened = b"what was there before".to_vec();
    assert!(node.open_control(&good, &mut opened), "nothing that comes before locks a peer out");
    assert_eq!(opened, packet);
    refuses(&mut node, &good);
    refuses(&mut node, &changed);
    assert!(node.open_control(&sealed(&mut peer, packet), &mut opened));
    assert_eq!(opened, packet);
}

/// An input can be authentic, for the keys are always the same; but only once.
fn arbitrary(node: &mut Opener, packet: &[u8], overhead: usize) {
    let mut opened = b"what was there before".to_vec();
    if node.open_control(packet, &mut opened) {
        assert_eq!(opened.len() + overhead, packet.len());
        assert_eq!(opened[..HEADER], packet[..HEADER]);
    } else {
        assert!(opened.is_empty());
    }
    refuses(node, packet);
}

fn refuses(node: &mut Opener, packet: &[u8]) {
    let mut opened = b"what was there before".to_vec();
    assert!(!node.open_control(packet, &mut opened));
    assert!(opened.is_empty());
}

fn sealed(peer: &mut Sealer, rtcp: &[u8]) -> Vec<u8> {
    let mut packet = rtcp.to_vec();
    packet.resize(rtcp.len() + peer.control_overhead(), 0);
    assert!(peer.seal_control(&mut packet));
    packet
}
