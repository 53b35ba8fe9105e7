//! Turns an operator's wishes for a TURN server into what its machine is told, inside a node or
//! alone; it opens no socket but to look names up.

pub mod alone;

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use farcast_core::config::{Addresses, IceServers, Network, RelayIp, Secret, Turn, TurnUser};

use crate::config::turn::{Peer, Ports, Turn as Wishes, TurnUrl};
use crate::error::StartError;
use crate::secret::Secrets;

/// Named in challenges unless the operator wants another one.
const REALM: &str = "farcast";
/// Allocations of one user: a browser makes one for each of its interfaces, each of our addresses
/// and both families.
const PER_USER: usize = 12;

/// A TURN server as wished. `None` if none is wanted.
pub fn server(
    wishes: &Wishes,
    addresses: &Addresses,
    enabled: bool,
) -> Result<Option<Turn>, StartError> {
    if !wishes.enabled.unwrap_or(enabled) {
        return Ok(None);
    }
    let realm = wishes.realm.clone().unwrap_or_else(|| REALM.to_owned());
    if realm.is_empty() || realm.len() > Turn::LONGEST_REALM || !realm.is_ascii() {
        return Err(StartError(format!(
            "the realm \"{}\" of the TURN server cannot be used; write 1 to {} ASCII characters, \
             so that answers to strangers stay short",
            realm.escape_debug(),
            Turn::LONGEST_REALM
        )));
    }
    let relays = relays(wishes, addresses)?;
    let user = |user: &crate::config::turn::User| TurnUser {
        name: user.name.clone(),
        password: user.password.clone(),
    };
    Ok(Some(Turn {
        realm,
        users: wishes.users.iter().map(user).collect(),
        secrets: secrets(wishes)?,
        machine: machine(&relays, addresses),
        relays,
        ports: wishes.ports.map(|Ports(first, last)| (first, last)),
        allow: networks(&wishes.allow_peers)?,
        deny: networks(&wishes.deny_peers)?,
        per_user: wishes.per_user.unwrap_or(PER_USER),
        bitrate: wishes.kilobits.map(|kilobits| kilobits * 1000),
        alternates: wishes.alternate.iter().map(|alternate| alternate.0).collect(),
    }))
}

/// The TURN servers that a node's clients are told of: those that the operator names, else its own.
pub fn ice_servers(wishes: &Wishes, own: Option<&Turn>) -> Result<Option<IceServers>, StartError> {
    let urls: Vec<String> = wishes.urls.iter().map(|TurnUrl(url)| url.clone()).collect();
    let secret = secrets(wishes)?.into_iter().next();
    match (urls.is_empty(), own, secret) {
        (true, None, _) => Ok(None),
        (false, None, None) => Err(StartError(
            "[turn] names urls of TURN servers, and no secret that they share with this node; add \
             secret_file"
                .into(),
        )),
        (_, _, secret) => Ok(Some(IceServers { secret: secret.unwrap_or(Secret(vec![])), urls })),
    }
}

/// The URLs of a node's own TURN server, in order of how direct they are. Not over UDP: where that
/// gets through, media gets through directly, and Chromium takes everything that comes from a TURN
/// server's address for the TURN server's, direct media from the same port too.
pub fn own_urls(http: Option<u16>, https: Option<u16>) -> Vec<String> {
    let host = IceServers::HOST;
    let tcp = https.or(http).map(|port| format!("turn:{host}:{port}?transport=tcp"));
    let tls = https.map(|port| format!("turns:{host}:{port}?transport=tcp"));
    tcp.into_iter().chain(tls).collect()
}

fn secrets(wishes: &Wishes) -> Result<Vec<Secret>, StartError> {
    let mut keys = wishes.secrets.keys();
    if let Some(path) = &wishes.secret_file {
        keys.extend(Secrets::load(path)?.keys());
    }
    Ok(keys.into_iter().map(|key| Secret(key.secret)).collect())
}

/// Where relayed addresses are: as wished, else where media is.
fn relays(wishes: &Wishes, addresses: &Addresses) -> Result<Vec<RelayIp>, StartError> {
    let mut binds: Vec<IpAddr> = wishes.relay_ip.iter().map(|ip| ip.0).collect();
    if binds.is_empty() {
        let bound = addresses.udp.iter().map(SocketAddr::ip);
        binds = bound
            .flat_map(|ip| match ip.is_unspecified() {
                true => addresses.interfaces.clone(),
                false => vec![ip],
            })
            .collect();
    }
    let announced = |bind: IpAddr| {
        let public = || addresses.public.iter().find(|ip| ip.is_ipv4() == bind.is_ipv4());
        match addresses.public.contains(&bind) {
            true => bind,
            false => public().copied().unwrap_or(bind),
        }
    };
    let first = |v4: bool| binds.iter().copied().find(|ip| ip.is_ipv4() == v4);
    let relays: Vec<RelayIp> = [first(true), first(false)]
        .into_iter()
        .flatten()
        .map(|bind| RelayIp { bind, announced: announced(bind) })
        .collect();
    match relays.iter().find(|relay| relay.announced.is_unspecified()) {
        Some(_) => Err(StartError(
            "a wildcard is no address that a TURN server can relay from; name one of this \
             machine's with --relay-ip (relay_ip)"
                .into(),
        )),
        None => Ok(relays),
    }
}

/// Everything that leads back to this machine.
fn machine(relays: &[RelayIp], addresses: &Addresses) -> Vec<IpAddr> {
    let relays = relays.iter().flat_map(|relay| [relay.bind, relay.announced]);
    addresses.interfaces.iter().chain(&addresses.public).copied().chain(relays).collect()
}

fn networks(peers: &[Peer]) -> Result<Vec<Network>, StartError> {
    let mut networks = Vec::new();
    for peer in peers {
        match peer {
            Peer::Network(network) => networks.push(*network),
            Peer::Host(host) => networks.extend(addresses_of(host)?),
        }
    }
    Ok(networks)
}

fn addresses_of(host: &str) -> Result<Vec<Network>, StartError> {
    let found = (host, 0).to_socket_addrs().map_err(|error| {
        StartError(format!(
            "cannot look up the peer {host}: {error}; correct the name, or write its IP"
        ))
    })?;
    let whole = |ip: IpAddr| Network { ip, prefix: if ip.is_ipv4() { 32 } else { 128 } };
    Ok(found.map(|address| whole(address.ip())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media() -> Addresses {
        Addresses {
            udp: vec!["0.0.0.0:443".parse().unwrap()],
            interfaces: vec!["10.0.0.5".parse().unwrap(), "2001:db8::5".parse().unwrap()],
            public: vec!["203.0.113.7".parse().unwrap()],
            ..Addresses::default()
        }
    }

    #[test]
    fn a_nodes_own_server_relays_where_its_media_is() {
        let turn = server(&Wishes::default(), &media(), true).unwrap().unwrap();
        let relay = |bind: &str, announced: &str| RelayIp {
            bind: bind.parse().unwrap(),
            announced: announced.parse().unwrap(),
        };
        assert_eq!(
            turn.relays,
            [relay("10.0.0.5", "203.0.113.7"), relay("2001:db8::5", "2001:db8::5")]
        );
        assert_eq!(turn.ports, None);
    }

    #[test]
    fn clients_are_told_the_most_direct_way_first() {
        assert_eq!(
            own_urls(Some(80), Some(443)),
            ["turn:{host}:443?transport=tcp", "turns:{host}:443?transport=tcp"]
        );
        assert_eq!(own_urls(Some(8080), None), ["turn:{host}:8080?transport=tcp"]);
    }

    #[test]
    fn urls_of_other_servers_need_a_secret() {
        let urls = vec!["turn:turn.example.com:443".parse().unwrap()];
        let wishes = Wishes { urls, ..Wishes::default() };
        assert!(ice_servers(&wishes, None).unwrap_err().0.contains("secret_file"));
    }
}
