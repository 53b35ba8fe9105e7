//! Where a URL leads, and whether the way there is safe. It opens no socket.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use hyper::Uri;

/// Whom to connect to, how, and what to ask there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) node: Node,
    /// Path and query.
    pub(super) path: String,
}

/// One HTTP server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Node {
    pub(super) secure: bool,
    /// A name or an IP address, IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Reads an absolute `http` or `https` URL; the error is a sentence.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let wrong = || format!("{url} is not a node's URL; write https://HOST or http://HOST:PORT");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Address { node: Node { secure, host, port }, path })
    }
}

/// The authority as a `Host` field has it: without the scheme's own port.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => Ok(()),
            (_, port) => write!(f, ":{port}"),
        }
    }
}

/// The host and the port that an absolute `http` or `https` URL leads to; the error is a sentence.
pub fn host_and_port(url: &str) -> Result<(String, u16), String> {
    Address::parse(url).map(|Address { node, .. }| (node.host, node.port))
}

/// A sentence for the operator if tokens would travel to `url` in the clear over networks that
/// are not their own.
pub fn plain_http_warning(url: &str) -> Option<String> {
    let node = Address::parse(url).ok()?.node;
    let own = match node.host.parse::<IpAddr>() {
        Ok(address) => is_private(address),
        Err(_) => is_private_name(&node.host),
    };
    (!node.secure && !own).then(|| {
        format!(
            "{url} is plain HTTP to a public address: tokens and streams' names can be read on the \
             way; use https:// or a private network"
        )
    })
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            // Addresses behind carriers' NAT (RFC 6598), which overlay networks use as well.
            let shared = v4.to_bits() >> 22 == Ipv4Addr::new(100, 64, 0, 0).to_bits() >> 22;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Names that the public DNS does not have: single labels and the endings reserved for own use.
fn is_private_name(host: &str) -> bool {
    let endings = [".localhost", ".local", ".internal", ".home.arpa"];
    !host.contains('.') || endings.iter().any(|ending| host.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(secure: bool, host: &str, port: u16) -> Node {
        Node { secure, host: host.into(), port }
    }

    #[test]
    fn urls_lead_to_nodes() {
        let cases = [
            ("https://edge1.example.com", node(true, "edge1.example.com", 443), "/"),
            ("http://10.0.0.2:8080/v1/load?x=1", node(false, "10.0.0.2", 8080), "/v1/load?x=1"),
            ("http://[2001:db8::1]/whip/a", node(false, "2001:db8::1", 80), "/whip/a"),
        ];
        for (url, node, path) in cases {
            let expected = Address { node, path: path.to_owned() };
            assert_eq!(Address::parse(url), Ok(expected), "{url}");
        }
        for bad in ["edge1.example.com", "ftp://a", "/v1/load", "http://", "", "rtmp://a/b"] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_field_names_a_port_that_is_not_the_schemes() {
        assert_eq!(node(true, "::1", 443).to_string(), "[::1]");
        assert_eq!(node(true, "a", 80).to_string(), "a:80");
    }

    #[test]
    fn plain_http_is_for_own_networks() {
        let public = [
            "http://8.8.8.8",
            "http://edge1.example.com:8080",
            "http://[2a00::1]",
            "http://172.32.0.1",
            "http://100.128.0.1",
        ];
        let own = [
            "http://127.0.0.1",
            "http://192.168.1.1",
            "http://[::1]",
            "http://[fd00::1]",
            "http://localhost:8080",
            "http://edge1:8080",
            "http://edge1.internal",
            "http://[::ffff:10.0.0.1]",
            "http://100.64.0.1",
            "https://8.8.8.8",
        ];
        for url in public {
            assert!(plain_http_warning(url).is_some_and(|text| text.contains(url)), "{url}");
        }
        for url in own {
            assert_eq!(plain_http_warning(url), None, "{url}");
        }
    }
}
