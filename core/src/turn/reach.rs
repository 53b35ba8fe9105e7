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
        let meanings = embedded(ip);
        let mut inner = meanings.into_iter().flatten().map(IpAddr::V4);
        let is_denied = |ip| is_in(&self.deny, ip);
        if is_denied(ip) || inner.clone().any(is_denied) {
            return false;
        }
        if meanings == [None, None] {
            return self.is_open(ip);
        }
        let is_meant = is_in(&self.allow, ip) || is_in(&self.allow, ip.to_canonical());
        is_meant && inner.all(|ip| self.is_open(ip))
    }

    /// Whether the operator allows this very address.
    pub(crate) fn allows(&self, ip: IpAddr) -> bool {
        is_in(&self.allow, ip)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn reach(allow: &[&str], deny: &[&str]) -> Reach {
        Reach::new(networks(allow), networks(deny))
    }

    fn permits(reach: &Reach, ip: &str) -> bool {
        reach.permits(ip.parse().unwrap())
    }

    /// What an IPv4 address looks like in IPv6, `noise` where there is room.
    fn disguises(ip: Ipv4Addr, noise: u64) -> [Ipv6Addr; 12] {
        let bits = u128::from(ip.to_bits());
        let (noise, public) = (u128::from(noise), 0x0808_0808);
        [
            0xffff << 32 | bits,                                            // mapped
            bits,                                                           // compatible
            0xffff << 48 | bits,                                            // translated
            0x64_ff9b << 96 | bits,                                         // NAT64
            0x64_ff9b_0001 << 80 | bits,                                    // local NAT64
            0x64_ff9b_0001 << 80 | (noise & 0xffff_ffff_ffff) << 32 | bits, // behind more prefix
            0x2002 << 112 | bits << 80 | noise,                             // 6to4
            0x2001 << 112 | bits << 64 | noise,                             // Teredo's server
            0x2001 << 112 | public << 64 | (noise & 0xffff_ffff) << 32 | !bits & 0xffff_ffff,
            0x2a00 << 112 | noise << 64 | 0x5efe << 32 | bits, // ISATAP
            0x2a00 << 112 | noise << 64 | 0x0200_5efe << 32 | bits, // ISATAP, universal
            0x2002_0808_0808 << 80 | 0x5efe << 32 | bits,      // ISATAP in 6to4
        ]
        .map(Ipv6Addr::from_bits)
    }

    #[test]
    fn the_public_internet_may_be_reached() {
        let reach = reach(&[], &[]);
        for ip in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.255",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2001:db7:ffff::",
            "2001:db9::",
            "2003::1",
            "2600:1f18::1",
            "2a00:1450::1",
            "3ffe:ffff::",
            "3fff:1000::",
        ] {
            assert!(permits(&reach, ip), "{ip}");
        }
    }

    #[test]
    fn no_block_that_is_not_public_may_be_reached() {
        let reach = reach(&[], &[]);
        for (first, last) in [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("168.63.129.16", "168.63.129.16"),
            ("169.254.0.0", "169.254.255.255"),
            ("169.254.169.254", "169.254.169.254"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "239.255.255.255"),
            ("240.0.0.0", "255.255.255.255"),
            ("::", "::1"),
            ("64:ff9b::", "64:ff9b::ffff:ffff"),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
            ("100::", "100::ffff:ffff:ffff:ffff"),
            ("100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff"),
            ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"),
            ("2001:10::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("4000::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fd00:ec2::254", "fd00:ec2::254"),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            assert!(!permits(&reach, first), "{first}");
            assert!(!permits(&reach, last), "{last}");
        }
    }

    /// The last byte's block is too small to see.
    #[test]
    fn in_all_of_ipv4_nothing_else_is_refused() {
        let reach = reach(&[], &[]);
        let refused = |first: u32| {
            let ips = (0..1 << 16).map(|rest| Ipv4Addr::from_bits(first << 24 | rest << 8 | 1));
            ips.filter(|ip| !reach.permits(IpAddr::V4(*ip))).count()
        };
        for first in 0..=255 {
            let expected = match first {
                0 | 10 | 127 | 224.. => 1 << 16,
                100 => 1 << 14,
                169 => 1 << 8,
                172 => 1 << 12,
                192 => (1 << 8) + 3,
                198 => (1 << 9) + 1,
                203 => 1,
                _ => 0,
            };
            assert_eq!(refused(first), expected, "{first}.0.0.0/8");
        }
    }

    #[test]
    fn what_is_allowed_may_be_reached_unless_it_is_denied() {
        let reach = reach(&["127.0.0.0/8", "::1", "fd00::/8"], &["127.0.0.2", "8.8.8.0/24"]);
        for ip in ["127.0.0.1", "::1", "fd00::1", "::ffff:127.0.0.1", "1.1.1.1"] {
            assert!(permits(&reach, ip), "{ip}");
        }
        for ip in ["127.0.0.2", "::ffff:127.0.0.2", "8.8.8.8", "10.0.0.1", "fc00::1", "::"] {
            assert!(!permits(&reach, ip), "{ip}");
        }
    }

    #[test]
    fn a_disguise_must_be_allowed_itself_and_so_must_what_it_hides() {
        let nat64 = reach(&["64:ff9b::/96"], &[]);
        assert!(permits(&nat64, "64:ff9b::8.8.8.8"));
        assert!(!permits(&nat64, "64:ff9b::10.0.0.1"));
        assert!(!permits(&nat64, "64:ff9b::169.254.169.254"));
        assert!(!permits(&nat64, "2002:808:808::"));
        let inside = reach(&["10.0.0.0/8"], &[]);
        assert!(!permits(&inside, "64:ff9b::10.0.0.1"));
        let both = reach(&["64:ff9b::/96", "10.0.0.0/8"], &["10.0.0.9"]);
        assert!(permits(&both, "64:ff9b::10.0.0.1"));
        assert!(!permits(&both, "64:ff9b::10.0.0.9"));
    }

    proptest! {
        #[test]
        fn no_disguise_of_any_address_is_reached(ip: u32, noise: u64) {
            let reach = reach(&[], &[]);
            for disguise in disguises(Ipv4Addr::from_bits(ip), noise) {
                prop_assert!(!reach.permits(IpAddr::V6(disguise)), "{disguise}");
            }
        }

        #[test]
        fn no_disguise_of_a_refused_address_is_reached_though_ipv6_is_allowed(
            block in 0..RESERVED_V4.len(), host: u32, noise: u64,
        ) {
            let Network { ip: IpAddr::V4(ip), prefix } = RESERVED_V4[block] else { unreachable!() };
            let host = host.checked_shr(prefix.into()).unwrap_or(0);
            let ip = Ipv4Addr::from_bits(ip.to_bits() | host);
            let reach = reach(&["::/0"], &[]);
            for disguise in disguises(ip, noise) {
                let is_itself = [Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST].contains(&disguise);
                prop_assert!(is_itself || !reach.permits(IpAddr::V6(disguise)), "{disguise}");
            }
        }

        #[test]
        fn no_disguise_of_a_denied_address_is_reached_though_all_is_allowed(
            ip: u32, noise: u64,
        ) {
            let ip = Ipv4Addr::from_bits(ip);
            let all = networks(&["0.0.0.0/0", "::/0"]);
            let denied = Network { ip: IpAddr::V4(ip), prefix: 32 };
            let (open, shut) = (Reach::new(all.clone(), vec![]), Reach::new(all, vec![denied]));
            for disguise in disguises(ip, noise) {
                prop_assert!(open.permits(IpAddr::V6(disguise)), "{disguise}");
                let is_itself = [Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST].contains(&disguise);
                prop_assert!(is_itself || !shut.permits(IpAddr::V6(disguise)), "{disguise}");
            }
        }
    }
}
