//! What a node is told at birth: values only. Where they come from (files, flags) it does not know.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use crate::media::track::Pattern;

/// What makes a node the node it is. Origin and edge differ in nothing else.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// How other nodes and people call this node: `origin`, `edge1`.
    pub name: String,
    /// Who may do what.
    pub access: Access,
    /// Where media arrives, and what is said about it.
    pub addresses: Addresses,
    /// The port of plain HTTP, if there is one.
    pub http_port: Option<u16>,
    /// The port of HTTPS, if there is one.
    pub https_port: Option<u16>,
    /// The host that viewers are told for this node itself, when it has no edges.
    pub public_host: Option<String>,
    /// Nodes that take every stream of this one and serve its viewers.
    pub edges: Vec<Edge>,
    /// The TURN server inside this node, if there is one.
    pub turn: Option<Turn>,
    /// The TURN servers that clients are told of, this node's own or others.
    pub ice_servers: Option<IceServers>,
    /// Who seals what goes to viewers and downstream nodes.
    pub egress: Egress,
    /// How many cores share the work; one if 0.
    pub cores: usize,
    /// What goes for some streams alone; of several that fit, the first counts.
    pub streams: Vec<Stream>,
}

/// What goes for some streams alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Which.
    pub name: Pattern,
    /// How long their frames wait at viewers; as each viewer's line needs it if `None`.
    pub playout_delay: Option<PlayoutDelay>,
}

/// Who seals what goes to viewers and downstream nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Egress {
    /// Our own egress.
    #[default]
    Own,
    /// str0m's: slower, and what ours is compared with.
    Str0m,
}

impl FromStr for Egress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "own" => Ok(Egress::Own),
            "str0m" => Ok(Egress::Str0m),
            _ => Err(format!("\"{text}\" is no egress of ours; write own or str0m")),
        }
    }
}

/// How long a frame waits at a viewer until it is shown, at least and at most, as the header
/// extension playout-delay says it (<http://www.webrtc.org/experiments/rtp-hdrext/playout-delay>):
/// 12 bits each, in hundredths of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlayoutDelay {
    least: u16,
    most: u16,
}

impl PlayoutDelay {
    /// The longest that can be said, in milliseconds.
    pub const LONGEST: u64 = 40_950;
    const STEP: u64 = 10;

    /// Both in milliseconds. An error says what cannot be said.
    pub fn from_millis(least: u64, most: u64) -> Result<Self, String> {
        let hundredths = |millis: u64| match u16::try_from(millis / Self::STEP) {
            Ok(hundredths) if millis.is_multiple_of(Self::STEP) && millis <= Self::LONGEST => {
                Ok(hundredths)
            }
            _ => Err(format!(
                "{millis} ms cannot be said to browsers; write a multiple of {} up to {}",
                Self::STEP,
                Self::LONGEST
            )),
        };
        if least > most {
            return Err(format!("the least, {least} ms, is more than the most, {most} ms"));
        }
        Ok(PlayoutDelay { least: hundredths(least)?, most: hundredths(most)? })
    }

    /// The least and the most, in hundredths of a second.
    pub fn hundredths(self) -> [u16; 2] {
        [self.least, self.most]
    }
}

/// TURN servers that share a secret with this node.
#[derive(Debug, Clone)]
pub struct IceServers {
    /// Signs the credentials of clients.
    pub secret: Secret,
    /// `turn:` and `turns:` URLs (RFC 7065); [`IceServers::HOST`] in them stands for the host that
    /// a client has reached this node by.
    pub urls: Vec<String>,
}

impl IceServers {
    /// See [`IceServers::urls`].
    pub const HOST: &str = "{host}";
}

/// A TURN server.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    /// Named in every challenge (RFC 8489 section 9.2); at most [`Turn::LONGEST_REALM`] bytes.
    pub realm: String,
    /// Users with passwords that last.
    pub users: Vec<TurnUser>,
    /// Secrets that time-limited credentials are made with; the first one makes ours.
    pub secrets: Vec<Secret>,
    /// Where relayed addresses are; for each family the first one.
    pub relays: Vec<RelayIp>,
    /// The ports of relayed addresses. `None`: relayed addresses have no sockets, and reach
    /// nothing but this node's own media.
    pub ports: Option<(u16, u16)>,
    /// Whom clients may reach though it is refused by default.
    pub allow: Vec<Network>,
    /// Whom clients may not reach, whatever else is said.
    pub deny: Vec<Network>,
    /// The IPs of this machine, bound and announced: nobody reaches its other services, unless
    /// `allow` says so.
    pub machine: Vec<IpAddr>,
    /// Allocations of one user at a time.
    pub per_user: usize,
    /// Bits a second in each direction of one allocation; `None`: as many as come.
    pub bitrate: Option<u64>,
    /// Where new clients shall go instead of here (ALTERNATE-SERVER), while this node drains: for
    /// each family the first one. Empty: they may stay.
    pub alternates: Vec<SocketAddr>,
}

impl Turn {
    /// With more, an answer to a stranger would be longer than 1.8 times the question.
    pub const LONGEST_REALM: usize = 20;
}

/// Somebody who may use a TURN server.
#[derive(Clone)]
pub struct TurnUser {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for TurnUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TurnUser({}, …)", self.name)
    }
}

/// A secret that nobody may read in a log.
#[derive(Clone)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// An IP that relayed addresses have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayIp {
    /// Where their sockets are bound.
    pub bind: IpAddr,
    /// What clients and peers see; differs behind 1:1 NAT.
    pub announced: IpAddr,
}

/// A block of IP addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Its first address, or any other.
    pub ip: IpAddr,
    /// How many leading bits count: 0 to 32, or to 128.
    pub prefix: u8,
}

impl Network {
    /// Whether `ip` is in it. An IPv6 address never is in an IPv4 block, whatever it stands for.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let differing = match (self.ip, ip) {
            (IpAddr::V4(ours), IpAddr::V4(ip)) => {
                u128::from(ours.to_bits() ^ ip.to_bits()) << (128 - 32)
            }
            (IpAddr::V6(ours), IpAddr::V6(ip)) => ours.to_bits() ^ ip.to_bits(),
            _ => return false,
        };
        differing.leading_zeros() >= u32::from(self.prefix)
    }
}

impl FromStr for Network {
    type Err = String;

    /// `10.0.0.0/8`, `2001:db8::/32`, or one address.
    fn from_str(text: &str) -> Result<Self, String> {
        let (ip, prefix) = match text.split_once('/') {
            Some((ip, prefix)) => (ip, Some(prefix)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| {
            format!("{text}: this is no block of addresses; write one like 10.0.0.0/8")
        })?;
        let (family, bits) = if ip.is_ipv4() { ("IPv4", 32) } else { ("IPv6", 128) };
        let Some(prefix) = prefix else { return Ok(Network { ip, prefix: bits }) };
        let is_number = !prefix.is_empty() && prefix.bytes().all(|digit| digit.is_ascii_digit());
        if !is_number {
            return Err(format!("{text}: a number of bits comes after the slash"));
        }
        match prefix.parse() {
            Ok(prefix) if prefix <= bits => Ok(Network { ip, prefix }),
            _ => Err(format!("{text}: an {family} prefix has at most {bits} bits")),
        }
    }
}

/// An address of this node's own media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnMedia {
    /// What peers call it: a candidate of ours, or the bound address.
    pub announced: SocketAddr,
    /// Where its datagrams arrive.
    pub local: SocketAddr,
}

/// A downstream node.
#[derive(Clone, Default)]
pub struct Edge {
    /// How people call it.
    pub name: String,
    /// How this node reaches it: `http://10.77.2.1:8080`, without a path.
    pub url: String,
    /// What viewers are told; the same as `url` if `None`.
    pub public_url: Option<String>,
    /// The bearer token that the edge wants from us; made from our own first key if `None`.
    pub token: Option<String>,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the token: whoever reads it can relay.
        let Edge { name, url, public_url, token: _ } = self;
        write!(f, "Edge({name}, {url}, {public_url:?}, …)")
    }
}

/// Who may do what.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// Everybody may publish, play and relay.
    #[default]
    Open,
    /// Bearers of a token that one of these keys signed; the first one signs ours.
    Keys(Vec<Key>),
}

/// A secret for tokens (HS256).
#[derive(Clone)]
pub struct Key {
    /// At least [`Key::SHORTEST`] bytes.
    pub secret: Vec<u8>,
}

impl Key {
    /// As long as the hash (RFC 7518 section 3.2).
    pub const SHORTEST: usize = 32;
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The node's sockets for media and what candidates say about them.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// The bound sockets; an unspecified IP stands for every interface of its family.
    pub udp: Vec<SocketAddr>,
    /// The bound TCP listeners that take ICE; an unspecified IP as above. Empty: none.
    pub tcp: Vec<SocketAddr>,
    /// The IPs of this machine's interfaces, for wildcard sockets.
    pub interfaces: Vec<IpAddr>,
    /// The IPs under which the world sees this machine (1:1 NAT, containers); empty: as bound.
    pub public: Vec<IpAddr>,
}

/// What enters a machine at birth, so that nothing in it asks for the time or rolls dice.
#[derive(Debug, Clone, Copy)]
pub struct Birth {
    /// Where all randomness comes from.
    pub seed: [u8; 32],
    /// Calendar time at the first instant that the machine hears of, since the Unix epoch.
    pub calendar: Duration,
    /// The machine's first instant.
    pub start: std::time::Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_contains_what_begins_like_it() {
        let contains = |network: &str, ip: &str| {
            network.parse::<Network>().unwrap().contains(ip.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(contains("10.9.9.9/8", "10.255.0.1"), "any address names its block");
        assert!(!contains("10.0.0.0/8", "11.0.0.0"));
        assert!(contains("192.168.4.0/22", "192.168.7.255"));
        assert!(!contains("192.168.4.0/22", "192.168.8.0"));
        assert!(contains("192.0.2.7", "192.0.2.7"));
        assert!(!contains("192.0.2.7", "192.0.2.6"));
        assert!(contains("0.0.0.0/0", "255.255.255.255"));
        assert!(!contains("0.0.0.0/0", "::"));
        assert!(contains("::/0", "ffff::1"));
        assert!(!contains("::/0", "1.2.3.4"));
        assert!(contains("2001:db8::/33", "2001:db8:7fff::"));
        assert!(!contains("2001:db8::/33", "2001:db8:8000::"));
        assert!(contains("::1", "::1"));
        assert!(!contains("::1", "::"));
        assert!(!contains("::ffff:10.0.0.0/104", "10.0.0.1"), "families are apart");
    }

    #[test]
    fn a_playout_delay_is_what_its_extension_can_say() {
        let made = |least, most| PlayoutDelay::from_millis(least, most);
        assert_eq!(made(0, 0), Ok(PlayoutDelay::default()));
        assert_eq!(made(120, 40_950).unwrap().hundredths(), [12, 4_095]);
        let error = |least, most| made(least, most).unwrap_err();
        assert_eq!(error(200, 100), "the least, 200 ms, is more than the most, 100 ms");
        let bound = "cannot be said to browsers; write a multiple of 10 up to 40950";
        assert_eq!(error(0, 40_960), format!("40960 ms {bound}"));
        assert_eq!(error(5, 10), format!("5 ms {bound}"));
        assert_eq!(error(0, u64::MAX - 5), format!("{} ms {bound}", u64::MAX - 5));
    }

    #[test]
    fn what_is_no_block_is_refused_with_a_sentence() {
        let error = |text: &str| text.parse::<Network>().unwrap_err();
        assert_eq!(error("10.0.0.0/33"), "10.0.0.0/33: an IPv4 prefix has at most 32 bits");
        assert_eq!(error("::/129"), "::/129: an IPv6 prefix has at most 128 bits");
        assert_eq!(error("10.0.0.0/256"), "10.0.0.0/256: an IPv4 prefix has at most 32 bits");
        for bad in ["10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/-1", "10.0.0.0/a", "::/8/8"] {
            assert_eq!(error(bad), format!("{bad}: a number of bits comes after the slash"));
        }
        for bad in ["", "/8", "10.0.0/8", "example.com", "10.0.0.0 /8"] {
            let sentence = "this is no block of addresses; write one like 10.0.0.0/8";
            assert_eq!(error(bad), format!("{bad}: {sentence}"));
        }
    }
}
