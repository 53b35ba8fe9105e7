//! Local addresses and what candidates say about them: 1:1 NAT, containers, wildcards. It knows
//! addresses alone.

use std::net::{IpAddr, SocketAddr};

use crate::config::Addresses;

/// One address that media may arrive at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// The address that datagrams carry here.
    pub local: SocketAddr,
    /// The address that candidates announce for it.
    pub announced: SocketAddr,
}

/// The paths of one or more sockets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths(Vec<Path>);

impl Paths {
    /// The paths of the sockets bound at `bound`.
    pub fn new(bound: &[SocketAddr], addresses: &Addresses) -> Self {
        let mut paths = Vec::new();
        for socket in bound {
            for ip in local_ips(*socket, &addresses.interfaces) {
                let announced = announced_ip(ip, &addresses.public);
                let port = socket.port();
                paths.push(Path {
                    local: SocketAddr::new(ip, port),
                    announced: SocketAddr::new(announced, port),
                });
            }
        }
        Paths(paths)
    }

    /// What candidates say, each address once.
    pub fn announced(&self) -> Vec<SocketAddr> {
        let mut list: Vec<SocketAddr> = Vec::new();
        for path in &self.0 {
            if !list.contains(&path.announced) {
                list.push(path.announced);
            }
        }
        list
    }

    /// Every path.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Path> {
        self.0.iter()
    }

    /// Every local address.
    pub fn locals(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(|path| path.local)
    }

    /// What candidates say about the address that a datagram was sent to. A socket that cannot
    /// tell (unspecified IP) stands for its first path.
    pub fn announced_for(&self, local: SocketAddr) -> Option<SocketAddr> {
        let unknown = local.ip().is_unspecified();
        let fits = |path: &&Path| {
            path.local == local
                || unknown
                    && path.local.port() == local.port()
                    && path.local.is_ipv4() == local.is_ipv4()
        };
        self.0.iter().find(fits).map(|path| path.announced)
    }

    /// The local address to send from when str0m names the announced one: the one that the peer
    /// was heard on if it fits, else the first that does.
    pub fn local_for(&self, announced: SocketAddr, heard: Option<SocketAddr>) -> SocketAddr {
        let candidates = || self.0.iter().filter(|path| path.announced == announced);
        if let Some(heard) = heard
            && (heard.ip().is_unspecified() || candidates().any(|path| path.local == heard))
        {
            return heard;
        }
        candidates().next().map_or(announced, |path| path.local)
    }
}

fn local_ips(bound: SocketAddr, interfaces: &[IpAddr]) -> Vec<IpAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound.ip()];
    }
    interfaces.iter().filter(|ip| ip.is_ipv4() == bound.is_ipv4()).copied().collect()
}

fn announced_ip(local: IpAddr, public: &[IpAddr]) -> IpAddr {
    if public.contains(&local) {
        return local;
    }
    public.iter().find(|ip| ip.is_ipv4() == local.is_ipv4()).copied().unwrap_or(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(interfaces: &[&str], public: &[&str]) -> Addresses {
        let ips = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect();
        Addresses { interfaces: ips(interfaces), public: ips(public), ..Addresses::default() }
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_bound_address_announces_itself() {
        let paths = Paths::new(&[at("10.77.1.1:8080")], &addresses(&["192.0.2.9"], &[]));
        assert_eq!(paths.announced(), [at("10.77.1.1:8080")]);
    }

    #[test]
    fn a_wildcard_stands_for_every_interface_of_its_family() {
        let known = addresses(&["192.0.2.9", "198.51.100.1", "2001:db8::1"], &[]);
        let paths = Paths::new(&[at("0.0.0.0:1")], &known);
        assert_eq!(paths.announced(), [at("192.0.2.9:1"), at("198.51.100.1:1")]);
        assert_eq!(paths.announced_for(at("198.51.100.1:1")), Some(at("198.51.100.1:1")));
        assert_eq!(paths.announced_for(at("203.0.113.1:1")), None);
    }

    #[test]
    fn one_to_one_nat_announces_the_public_address_and_sends_from_the_private_one() {
        let known = addresses(&["10.0.0.5", "10.0.1.5"], &["203.0.113.7"]);
        let paths = Paths::new(&[at("0.0.0.0:1")], &known);
        assert_eq!(paths.announced(), [at("203.0.113.7:1")]);
        assert_eq!(paths.announced_for(at("10.0.1.5:1")), Some(at("203.0.113.7:1")));
        let heard = Some(at("10.0.1.5:1"));
        assert_eq!(paths.local_for(at("203.0.113.7:1"), heard), at("10.0.1.5:1"));
        assert_eq!(paths.local_for(at("203.0.113.7:1"), None), at("10.0.0.5:1"));
    }

    #[test]
    fn a_socket_that_cannot_tell_its_address_still_works() {
        let paths = Paths::new(&[at("0.0.0.0:1")], &addresses(&["192.0.2.9"], &[]));
        assert_eq!(paths.announced_for(at("0.0.0.0:1")), Some(at("192.0.2.9:1")));
        assert_eq!(paths.local_for(at("192.0.2.9:1"), Some(at("0.0.0.0:1"))), at("0.0.0.0:1"));
    }
}
