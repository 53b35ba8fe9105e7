//! What a node that is examined says of itself: its ports, its names, the IPs that it announces. It
//! looks names up and does nothing else.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use farcast_core::config::IceServers;

use crate::node::Settings;

/// A node, or a TURN server that is alone.
pub(super) struct Patient {
    /// What it would be started with.
    pub(super) settings: Settings,
    /// How clients call it.
    pub(super) host: Option<String>,
}

impl Patient {
    /// `host` overrides what the settings say.
    pub(super) fn new(settings: Settings, host: Option<String>) -> Self {
        let host = host.or_else(|| settings.core.public_host.clone());
        Patient { settings, host }
    }

    /// Its UDP ports.
    pub(super) fn udp_ports(&self) -> Vec<u16> {
        ports(&self.settings.core.addresses.udp)
    }

    /// Its TCP ports, with TLS or without.
    pub(super) fn tcp_ports(&self) -> Vec<u16> {
        let tcp: Vec<SocketAddr> =
            self.settings.http.iter().chain(&self.settings.https).copied().collect();
        ports(&tcp)
    }

    /// The first and the last of a TURN server's relayed addresses: samples of what a firewall must
    /// pass.
    pub(super) fn relayed(&self) -> Vec<SocketAddr> {
        let Some(turn) = &self.settings.core.turn else { return Vec::new() };
        let Some((first, last)) = turn.ports else { return Vec::new() };
        let at = |ip: IpAddr| [first, last].map(|port| SocketAddr::new(ip, port));
        turn.relays.iter().flat_map(|relay| at(relay.bind)).collect()
    }

    /// The URL at which clients find its pages, or TURN over TLS, if somebody says by what name.
    pub(super) fn https_url(&self) -> Option<String> {
        let port = self.settings.https.first()?.port();
        let host = self.host.as_ref()?;
        let host = match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
            _ => host.clone(),
        };
        Some(match port {
            443 => format!("https://{host}"),
            port => format!("https://{host}:{port}"),
        })
    }

    /// The IPs that it tells the world: of each family the public ones, else its own.
    pub(super) fn announced(&self) -> BTreeSet<IpAddr> {
        let addresses = &self.settings.core.addresses;
        let own = addresses.udp.iter().flat_map(|bound| match bound.ip().is_unspecified() {
            true => addresses
                .interfaces
                .iter()
                .copied()
                .filter(|ip| ip.is_ipv4() == bound.is_ipv4())
                .collect(),
            false => vec![bound.ip()],
        });
        let public = |v4: bool| addresses.public.iter().any(|ip| ip.is_ipv4() == v4);
        let own = own.filter(|ip| !public(ip.is_ipv4()));
        addresses.public.iter().copied().chain(own).collect()
    }

    /// Every name that its certificate must have: its host's, and those of `turns:` URLs that lead
    /// to itself.
    pub(super) fn secure_hosts(&self) -> Vec<String> {
        let urls = self.settings.core.ice_servers.iter().flat_map(|told| &told.urls);
        let turns = urls.filter_map(|url| turns_host(url)).filter(|host| self.is_own(host));
        let hosts: BTreeSet<String> = self.host.iter().cloned().chain(turns).collect();
        hosts.into_iter().collect()
    }

    fn is_own(&self, host: &str) -> bool {
        host != IceServers::HOST && look_up(host).iter().any(|ip| self.announced().contains(ip))
    }
}

/// The IPs of a name; none if the DNS does not know it.
pub(super) fn look_up(host: &str) -> BTreeSet<IpAddr> {
    let found = (host, 0).to_socket_addrs();
    found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
}

/// Whether nobody outside reaches this IP.
pub(super) fn is_inner(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            // Behind carriers' NAT (RFC 6598).
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && b & 0xc0 == 64;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn ports(addresses: &[SocketAddr]) -> Vec<u16> {
    // Port 0 stands for one that nobody knows yet.
    let known = addresses.iter().map(SocketAddr::port).filter(|port| *port != 0);
    let ports: BTreeSet<u16> = known.collect();
    ports.into_iter().collect()
}

/// The host of a `turns:` URL (RFC 7065).
fn turns_host(url: &str) -> Option<String> {
    let rest = url.strip_prefix("turns:")?.split('?').next()?;
    let host = match rest.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => rest.split(':').next()?,
    };
    Some(host.to_owned())
}

#[cfg(test)]
mod tests {
    use farcast_core::config::{Addresses, Secret};

    use super::*;
    use crate::config::Wishes;
    use crate::node::EDGE;

    fn patient(public: &[&str], udp: &[&str], host: &str) -> Patient {
        let wishes = Wishes { open: Some(true), ..Wishes::default() };
        let mut settings = Settings::new(wishes, &EDGE, &["10.0.0.5".parse().unwrap()]).unwrap();
        let ip = |text: &&str| text.parse().unwrap();
        settings.core.addresses = Addresses {
            udp: udp.iter().map(|text| text.parse().unwrap()).collect(),
            interfaces: ["10.0.0.5", "2001:db8::5"].iter().map(ip).collect(),
            public: public.iter().map(ip).collect(),
            ..Addresses::default()
        };
        settings.https = vec!["0.0.0.0:8443".parse().unwrap()];
        Patient::new(settings, Some(host.to_owned()))
    }

    fn announced(public: &[&str], udp: &[&str]) -> String {
        let ips = patient(public, udp, "h").announced();
        ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn public_ips_stand_for_all_of_their_family() {
        let both = ["0.0.0.0:443", "[::]:443"];
        assert_eq!(announced(&[], &both), "10.0.0.5 2001:db8::5");
        assert_eq!(announced(&["203.0.113.7"], &both), "203.0.113.7 2001:db8::5");
        assert_eq!(announced(&["203.0.113.7"], &both[..1]), "203.0.113.7");
        assert_eq!(announced(&[], &["192.0.2.1:443"]), "192.0.2.1");
    }

    #[test]
    fn its_url_has_its_name_and_port() {
        let url = |host| patient(&[], &["0.0.0.0:443"], host).https_url().unwrap();
        assert_eq!(url("edge1.example.com"), "https://edge1.example.com:8443");
        assert_eq!(url("2001:db8::5"), "https://[2001:db8::5]:8443");
    }

    #[test]
    fn a_certificate_must_name_turn_urls_that_lead_here() {
        let mut patient = patient(&["203.0.113.7"], &["0.0.0.0:443"], "edge1.example.com");
        let urls = ["turns:203.0.113.7:443?transport=tcp", "turns:198.51.100.1:443", "turn:x:1"];
        let urls = urls.map(str::to_owned).to_vec();
        let told = IceServers { secret: Secret(vec![]), urls };
        patient.settings.core.ice_servers = Some(told);
        assert_eq!(patient.secure_hosts(), ["203.0.113.7", "edge1.example.com"]);
    }
}
