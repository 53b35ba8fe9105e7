//! What clients are told of TURN servers: where they are, and credentials made for one session. It
//! knows no TURN server.

use std::net::IpAddr;
use std::time::Duration;

use crate::config;
use crate::credential;
use crate::limits;
use crate::ticket::IceServer;

/// The TURN servers of this node's clients.
#[derive(Debug)]
pub(crate) struct IceServers(config::IceServers);

impl IceServers {
    pub(crate) fn new(config: config::IceServers) -> Self {
        IceServers(config)
    }

    /// For a client that has reached this node by `host`; good for
    /// [`limits::TURN_CREDENTIALS`] from `calendar` on. `user` is what revokes them.
    pub(crate) fn credentials(&self, calendar: Duration, user: &str, host: &str) -> IceServer {
        let config::IceServers { secret, urls } = &self.0;
        let expires = calendar + limits::TURN_CREDENTIALS;
        let credential = credential::mint(secret, expires, user);
        let host = bracketed(host);
        IceServer {
            urls: urls.iter().map(|url| url.replace(config::IceServers::HOST, &host)).collect(),
            username: credential.username,
            credential: credential.password,
        }
    }
}

/// An IPv6 address as it stands in a URL (RFC 3986 section 3.2.2).
fn bracketed(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn servers() -> IceServers {
        let secret = Secret(b"shared".to_vec());
        let urls = ["turn:{host}:443?transport=udp", "turns:turn.example.com:443?transport=tcp"];
        IceServers::new(config::IceServers { secret, urls: urls.map(str::to_owned).to_vec() })
    }

    #[test]
    fn urls_name_the_host_that_the_client_has_reached() {
        let day = Duration::from_secs(86_400);
        let told = servers().credentials(day, "x-7", "edge1.example.com");
        assert_eq!(
            told.urls,
            [
                "turn:edge1.example.com:443?transport=udp",
                "turns:turn.example.com:443?transport=tcp"
            ]
        );
        let told = servers().credentials(day, "x-7", "2001:db8::1");
        assert_eq!(told.urls[0], "turn:[2001:db8::1]:443?transport=udp");
    }

    #[test]
    fn credentials_name_their_end_and_their_user() {
        let told = servers().credentials(Duration::from_secs(86_400), "x-7", "h");
        assert_eq!(told.username, "87000:x-7");
    }
}
