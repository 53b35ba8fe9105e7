//! Whom clients may reach through the TURN server: the public internet and what the operator lists.
//! It does not know which addresses are this node's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::Network;

/// What no stranger may reach in IPv4: IANA's special-purpose registry (RFC 6890), multicast, and
/// what clouds tell secrets at.
const RESERVED_V4: [Network; 16] = [
    v4([0, 0, 0, 0], 8),        // this network (RFC 791)
    v4([10, 0, 0, 0], 8),       // private (RFC 1918)
    v4([100, 64, 0, 0], 10),    // carriers' NAT (RFC 6598), and a cloud's metadata
    v4([127, 0, 0, 0], 8),      // loopback (RFC 1122)
    v4([168, 63, 129, 16], 32), // a cloud's metadata, in a public block
    v4([169, 254, 0, 0], 16),   // link-local (RFC 3927), and most clouds' metadata
    v4([172, 16, 0, 0], 12),    // private (RFC 1918)
    v4([192, 0, 0, 0], 24),     // protocol assignments (RFC 6890), and a cloud's metadata
    v4([192, 0, 2, 0], 24),     // documentation (RFC 5737)
    v4([192, 88, 99, 0], 24),   // relays of 6to4 (RFC 7526)
    v4([192, 168, 0, 0], 16),   // private (RFC 1918)
    v4([198, 18, 0, 0], 15),    // benchmarks (RFC 2544)
    v4([198, 51, 100, 0], 24),  // documentation (RFC 5737)
    v4([203, 0, 113, 0], 24),   // documentation (RFC 5737)
    v4([224, 0, 0, 0], 4),      // multicast (RFC 5771)
    v4([240, 0, 0, 0], 4),      // reserved (RFC 1112), and broadcast (RFC 919)
];

/// All that is assigned to the public internet in IPv6 (RFC 3587). Outside are loopback, link-local
/// and site-local addresses, ULAs with the metadata among them, multicast, the discard block,
/// SRv6's, NAT64's, and compatible, mapped and translated IPv4.
const GLOBAL_V6: Network = v6([0x2000, 0, 0], 3);

/// What no stranger may reach of that: IANA's special-purpose registry (RFC 6890).
const RESERVED_V6: [Network; 4] = [
    v6([0x2001, 0, 0], 23), // protocol assignments: Teredo, benchmarks, ORCHIDs (RFC 2928)
    v6([0x2001, 0xdb8, 0], 32), // documentation (RFC 3849)
    v6([0x2002, 0, 0], 16), // 6to4 (RFC 3056)
    v6([0x3fff, 0, 0], 20), // documentation (RFC 9637)
];

const NAT64: Network = v6([0x64, 0xff9b, 0], 96); // RFC 6052
const NAT64_LOCAL: Network = v6([0x64, 0xff9b, 1], 48); // RFC 8215
const COMPATIBLE: Network = v6([0, 0, 0], 96); // RFC 4291 section 2.5.5.1
const TEREDO: Network = v6([0x2001, 0, 0], 32); // RFC 4380
const SIX_TO_FOUR: Network = v6([0x2002, 0, 0], 16); // RFC 3056

/// Who may be a peer.
pub(crate) struct Reach {
    allow: Vec<Network>,
    deny: Vec<Network>,
}

impl Reach {
    /// `deny` counts more than `allow`, and that more than what is refused by default.
    pub(crate) fn new(allow: Vec<Network>, deny: Vec<Network>) -> Self {
        Reach { allow, deny }
    }

    /// Whether clients may reach this address. An IPv6 address that stands for an IPv4 one is
    /// refused even if that is public, for nobody needs the detour but to get around a filter. If
    /// the operator allows it, it must be good for what it stands for as well.
    pub(crate) fn permits(&self, ip: IpAddr) -> bool {
        let inner = embedded(ip);
        let mut meanings = inner.into_iter().flatten().map(IpAddr::V4).chain([ip]);
        if meanings.clone().any(|ip| is_in(&self.deny, ip)) {
            return false;
        }
        if inner == [None, None] {
            return self.is_open(ip);
        }
        let is_meant = is_in(&self.allow, ip) || is_in(&self.allow, ip.to_canonical());
        is_meant && meanings.all(|meaning| meaning == ip || self.is_open(meaning))
    }

    fn is_open(&self, ip: IpAddr) -> bool {
        is_in(&self.allow, ip) || !is_reserved(ip)
    }
}

fn is_in(networks: &[Network], ip: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(ip))
}

fn is_reserved(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => is_in(&RESERVED_V4, ip),
        IpAddr::V6(_) => !GLOBAL_V6.contains(ip) || is_in(&RESERVED_V6, ip),
    }
}

/// The IPv4 addresses that an IPv6 address stands for; two with Teredo: server and client.
fn embedded(ip: IpAddr) -> [Option<Ipv4Addr>; 2] {
    let IpAddr::V6(v6) = ip else { return [None, None] };
    let [s0, s1, s2, s3, s4, s5, s6, s7] = v6.segments();
    let last = joined(s6, s7);
    // IPv4-translated (RFC 7915) after mapped (RFC 4291); :: and ::1 stand for themselves.
    let is_mapped = matches!([s0, s1, s2, s3, s4, s5], [0, 0, 0, 0, 0, 0xffff])
        || matches!([s0, s1, s2, s3, s4, s5], [0, 0, 0, 0, 0xffff, 0]);
    let is_compatible = COMPATIBLE.contains(ip) && v6.to_bits() > Ipv6Addr::LOCALHOST.to_bits();
    // ISATAP, with either value of the universal bit (RFC 5214 section 6.1).
    let is_isatap = s4 & !0x0200 == 0 && s5 == 0x5efe;
    if TEREDO.contains(ip) {
        [Some(joined(s2, s3)), Some(joined(!s6, !s7))]
    } else if SIX_TO_FOUR.contains(ip) {
        [Some(joined(s1, s2)), is_isatap.then_some(last)]
    } else if is_mapped
        || is_compatible
        || is_isatap
        || NAT64.contains(ip)
        || NAT64_LOCAL.contains(ip)
    {
        [Some(last), None]
    } else {
        [None, None]
    }
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Network {
    Network { ip: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
}

const fn v6([a, b, c]: [u16; 3], prefix: u8) -> Network {
    Network { ip: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), prefix }
}
