//! Addresses as people write them in files and flags; it does not know which of them are bound.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Where a node listens: an IP and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

/// An IP under which the world sees a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Public(pub IpAddr);

/// How a node is reached over HTTP: `http://10.77.2.1:8080`, without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeUrl(String);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Listen(address));
        }
        Err(match text.parse::<IpAddr>() {
            Ok(ip) => {
                format!("\"{text}\" has no port; write \"{}\"", SocketAddr::new(ip, 8080))
            }
            Err(_) => format!(
                "\"{text}\" is not an IP and a port; write them like \"0.0.0.0:8080\" or \
                 \"[::]:8080\""
            ),
        })
    }
}

impl FromStr for Public {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ip: IpAddr = text.parse().map_err(|_| {
            format!("\"{text}\" is not an IP; write one like \"203.0.113.7\", without a port")
        })?;
        if ip.is_unspecified() || ip.is_multicast() {
            return Err(format!(
                "nobody can reach \"{text}\"; write the IP under which the world sees this node"
            ));
        }
        Ok(Public(ip))
    }
}

impl NodeUrl {
    /// The whole URL, without a final slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let authority = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        if authority.is_some_and(is_authority) {
            return Ok(NodeUrl(text.to_owned()));
        }
        Err(format!(
            "\"{text}\" is not the address of a node; write \"http://HOST:PORT\" or \
             \"https://HOST\", without a path"
        ))
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port` (RFC 3986 section 3.2, without user information).
fn is_authority(text: &str) -> bool {
    let (host, port) = match split_port(text) {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let host_is_good = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let known = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
            !host.is_empty() && host.chars().all(known)
        }
    };
    host_is_good && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0))
}

fn split_port(authority: &str) -> Option<(&str, &str)> {
    authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_needs_an_ip_and_a_port() {
        assert!("10.77.1.1:8080".parse::<Listen>().is_ok());
        assert!("[::]:443".parse::<Listen>().is_ok());
        let error = |text: &str| text.parse::<Listen>().unwrap_err();
        assert_eq!(error("10.77.1.1"), "\"10.77.1.1\" has no port; write \"10.77.1.1:8080\"");
        assert_eq!(error("::"), "\"::\" has no port; write \"[::]:8080\"");
        assert_eq!(
            error("localhost:8080"),
            "\"localhost:8080\" is not an IP and a port; write them like \"0.0.0.0:8080\" or \
             \"[::]:8080\""
        );
    }

    #[test]
    fn a_public_address_is_one_that_others_can_reach() {
        assert!("203.0.113.7".parse::<Public>().is_ok());
        assert!("2001:db8::7".parse::<Public>().is_ok());
        assert!("0.0.0.0".parse::<Public>().unwrap_err().starts_with("nobody can reach"));
        assert!("224.0.0.1".parse::<Public>().is_err());
        assert!("203.0.113.7:80".parse::<Public>().unwrap_err().contains("without a port"));
    }

    #[test]
    fn a_node_is_named_by_scheme_and_host_alone() {
        let good = |text: &str| text.parse::<NodeUrl>().unwrap().to_string();
        assert_eq!(good("http://10.77.2.1:8080"), "http://10.77.2.1:8080");
        assert_eq!(good("https://edge1.example.com/"), "https://edge1.example.com");
        assert_eq!(good("http://[2001:db8::7]:8080"), "http://[2001:db8::7]:8080");
        assert_eq!(good("http://[::1]"), "http://[::1]");
        for bad in [
            "10.77.2.1:8080",
            "ftp://edge1",
            "http://",
            "http://edge1:port",
            "http://edge1:0",
            "http://edge1:70000",
            "http://edge1/whip",
            "http://me:secret@edge1",
            "http://2001:db8::7:8080",
            "http://edge 1",
        ] {
            assert!(bad.parse::<NodeUrl>().is_err(), "{bad}");
        }
    }
}
