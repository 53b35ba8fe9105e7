//! The words about a TURN server: the table `[turn]` of a node's file, which the file and the flags
//! of `farcast-turn` share. It does not know what is right together.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use farcast_core::config::Network;
use serde::Deserialize;

use super::{one_or_many, or_list, word};
use crate::secret::Secrets;

/// What an operator wants of a TURN server; what is `None` or empty has a default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table [turn] with settings of a TURN server")]
pub struct Turn {
    /// Whether there is one.
    pub enabled: Option<bool>,
    /// Named in challenges.
    pub realm: Option<String>,
    /// Users whose passwords last.
    #[serde(deserialize_with = "one_or_many")]
    pub users: Vec<User>,
    /// Secrets that time-limited credentials are made with.
    pub secrets: Secrets,
    /// A file with such secrets.
    pub secret_file: Option<PathBuf>,
    /// What clients are told instead of this node's own addresses.
    #[serde(deserialize_with = "one_or_many")]
    pub urls: Vec<TurnUrl>,
    /// Where relayed addresses are.
    #[serde(deserialize_with = "one_or_many")]
    pub relay_ip: Vec<Ip>,
    /// The ports of relayed addresses.
    #[serde(deserialize_with = "word")]
    pub ports: Option<Ports>,
    /// Peers that clients may reach though they are refused by default.
    #[serde(deserialize_with = "one_or_many")]
    pub allow_peers: Vec<Peer>,
    /// Peers that clients may not reach.
    #[serde(deserialize_with = "one_or_many")]
    pub deny_peers: Vec<Peer>,
    /// Allocations of one user.
    pub per_user: Option<usize>,
    /// Kilobits a second in each direction of one allocation.
    pub kilobits: Option<u64>,
    /// Where new clients shall go instead.
    #[serde(deserialize_with = "one_or_many")]
    pub alternate: Vec<Alternate>,
}

impl Turn {
    /// These wishes where they say something, and those of `below` where they do not.
    #[must_use]
    pub fn over(self, below: Turn) -> Turn {
        let keyed = !self.secrets.0.is_empty() || self.secret_file.is_some();
        let (secrets, secret_file) = if keyed {
            (self.secrets, self.secret_file)
        } else {
            (below.secrets, below.secret_file)
        };
        Turn {
            enabled: self.enabled.or(below.enabled),
            realm: self.realm.or(below.realm),
            users: or_list(self.users, below.users),
            secrets,
            secret_file,
            urls: or_list(self.urls, below.urls),
            relay_ip: or_list(self.relay_ip, below.relay_ip),
            ports: self.ports.or(below.ports),
            allow_peers: or_list(self.allow_peers, below.allow_peers),
            deny_peers: or_list(self.deny_peers, below.deny_peers),
            per_user: self.per_user.or(below.per_user),
            kilobits: self.kilobits.or(below.kilobits),
            alternate: or_list(self.alternate, below.alternate),
        }
    }
}

/// A user and a password that lasts.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({}, …)", self.name)
    }
}

impl FromStr for User {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((name, password)) if !name.is_empty() && !password.is_empty() => {
                Ok(User { name: name.to_owned(), password: password.to_owned() })
            }
            _ => Err("a TURN user is written NAME:PASSWORD, like alice:secret".into()),
        }
    }
}

/// A `turn:` or `turns:` URL (RFC 7065).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnUrl(pub String);

impl FromStr for TurnUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("turn:").or_else(|| text.strip_prefix("turns:"));
        match rest {
            Some(rest) if !rest.is_empty() && !rest.starts_with('/') && text.is_ascii() => {
                Ok(TurnUrl(text.to_owned()))
            }
            _ => Err(format!(
                "\"{text}\" is no TURN server's URL; write one like \
                 \"turns:turn.example.com:443?transport=tcp\""
            )),
        }
    }
}

/// An IP of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ip(pub IpAddr);

impl FromStr for Ip {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ip = text.parse().map_err(|_| {
            format!("\"{text}\" is not an IP; write one of this machine, without a port")
        })?;
        Ok(Ip(ip))
    }
}

/// A range of ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports(pub u16, pub u16);

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = text.split_once('-').and_then(|(first, last)| {
            Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
        });
        match range {
            Some((first, last)) if 1024 <= first && first <= last => Ok(Ports(first, last)),
            _ => Err(format!(
                "\"{text}\" is no range of ports; write one like \"49152-65535\", from 1024 on"
            )),
        }
    }
}

/// Somebody whom clients may or may not reach: a network, an IP, or a host by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// `10.0.0.0/8`, `192.0.2.7`.
    Network(Network),
    /// `edge1.example.com`; its addresses are looked up at the start.
    Host(String),
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_address = text.contains(['/', ':']) || text.parse::<IpAddr>().is_ok();
        if is_address {
            return text.parse().map(Peer::Network);
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if !text.is_empty() && text.chars().all(fits) {
            return Ok(Peer::Host(text.to_owned()));
        }
        Err(format!(
            "\"{text}\" is no peer; write a network like \"10.0.0.0/8\", an IP, or a host's name"
        ))
    }
}

/// Another TURN server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alternate(pub SocketAddr);

impl FromStr for Alternate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse().map_err(|_| {
            format!("\"{text}\" is not an IP and a port; write them like \"203.0.113.9:443\"")
        })?;
        Ok(Alternate(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_wrong_ones_say_what_to_write() {
        assert_eq!("49152-65000".parse(), Ok(Ports(49152, 65000)));
        for bad in ["443-500", "5000-4000", "5000", "a-b"] {
            assert!(bad.parse::<Ports>().unwrap_err().contains("49152-65535"), "{bad}");
        }
        let alice: User = "alice:se:cret".parse().unwrap();
        assert_eq!((&*alice.name, &*alice.password), ("alice", "se:cret"));
        assert!("alice".parse::<User>().is_err());
        assert!("turns:turn.example.com:443?transport=tcp".parse::<TurnUrl>().is_ok());
        assert!("https://turn.example.com".parse::<TurnUrl>().is_err());
        assert_eq!("edge1.example.com".parse(), Ok(Peer::Host("edge1.example.com".into())));
        assert!(matches!("10.0.0.0/8".parse(), Ok(Peer::Network(_))));
        assert!("10.0.0.0/33".parse::<Peer>().is_err());
    }

    #[test]
    fn a_password_is_not_shown() {
        let user: User = "alice:secret".parse().unwrap();
        assert!(!format!("{user:?}").contains("secret"));
    }
}
