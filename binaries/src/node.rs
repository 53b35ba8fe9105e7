//! Turns an operator's wishes into what a node is told at birth, and refuses what cannot work; it
//! opens no socket and does not know where the wishes come from.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use farcast_adapters::http::plain_http_warning;
use farcast_core::config::{Access, Addresses, Config, Edge, Stream};
use farcast_core::limits;
use farcast_sim::wired::Home;

use crate::config::{self, Log, Runtime, Tls, Wishes};
use crate::error::StartError;
use crate::secret::{Secrets, make_file};
use crate::turn;

/// In what the programs for nodes differ.
#[derive(Debug, Clone, Copy)]
pub struct Role {
    /// The program's name.
    pub program: &'static str,
    /// The node's name unless it is given another.
    pub name: &'static str,
}

/// The node that publishers come to.
pub const ORIGIN: Role = Role { program: "farcast-origin", name: "origin" };
/// A node near viewers.
pub const EDGE: Role = Role { program: "farcast-edge", name: "edge" };

/// Everything that it takes to run a node. No `Debug`: it holds secrets.
#[derive(Clone)]
pub struct Settings {
    /// What the core is told.
    pub core: Config,
    /// Whether nothing but the TURN server in `core` runs.
    pub alone: bool,
    /// Where to listen for plain HTTP.
    pub http: Vec<SocketAddr>,
    /// Where to listen for HTTPS.
    pub https: Vec<SocketAddr>,
    /// The certificate for HTTPS; there if `https` is not empty.
    pub certificate: Option<Certificate>,
    /// A private authority that vouches for the other nodes, PEM.
    pub ca: Option<PathBuf>,
    /// Which async runtime drives the node.
    pub runtime: Runtime,
    /// How much the log says.
    pub log: Log,
    /// Where the node is in a world with distances; `None`: in this one.
    pub home: Option<Home>,
    /// What the operator should know, though the node starts.
    pub warnings: Vec<String>,
}

/// The files of a certificate, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The chain.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Settings {
    /// Checks wishes and fills in defaults. `interfaces` are all IPs of this machine.
    pub fn new(wishes: Wishes, role: &Role, interfaces: &[IpAddr]) -> Result<Self, StartError> {
        let access = access(&wishes, role)?;
        let certificate = certificate(&wishes.tls, !wishes.https.is_empty())?;
        if let Some(ca) = &wishes.tls.ca {
            readable(ca, "the certificate authority's file (ca)")?;
        }
        let (http, https, udp) = listening(&wishes)?;
        let addresses = Addresses {
            udp,
            tcp: Vec::new(),
            interfaces: interfaces.iter().copied().filter(|ip| is_usable(*ip)).collect(),
            public: wishes.public.iter().map(|public| public.0).collect(),
        };
        reachable(&addresses)?;
        let edges = edges(&wishes.edge)?;
        let server = turn::server(&wishes.turn, &addresses, true)?;
        let core = Config {
            name: name(wishes.name, role, &addresses)?,
            access,
            addresses,
            http_port: http.first().map(SocketAddr::port),
            https_port: https.first().map(SocketAddr::port),
            public_host: wishes.public_host.map(host).transpose()?,
            edges,
            ice_servers: turn::ice_servers(&wishes.turn, server.as_ref())?,
            turn: server,
            egress: wishes.egress.unwrap_or_default(),
            cores: wishes.cores.map_or_else(all_cores, |cores| cores.0),
            streams: streams(wishes.stream)?,
        };
        Ok(Settings {
            core,
            alone: false,
            http,
            https,
            certificate,
            ca: wishes.tls.ca,
            runtime: wishes.runtime.unwrap_or_default(),
            log: wishes.log.unwrap_or_default(),
            home: None,
            warnings: wishes.edge.iter().filter_map(exposed).collect(),
        })
    }
}

/// As many cores as this process may use, or one if nobody tells.
fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |all| all.get().min(limits::CORES))
}

/// The IPs of this machine's interfaces that are up, loopback included.
pub fn interfaces() -> Result<Vec<IpAddr>, StartError> {
    match if_addrs::get_if_addrs() {
        Ok(all) => {
            let up = all.iter().filter(|one| one.is_oper_up() || one.is_loopback());
            Ok(up.map(|one| one.ip()).collect())
        }
        Err(error) => Err(StartError(format!(
            "cannot list this machine's network interfaces: {error}; name the address that \
             browsers reach with --public IP"
        ))),
    }
}

/// Whether browsers can reach this IP of ours as it stands; Chromium never tries loopback, and a
/// link-local IPv6 address needs a zone, which candidates do not carry.
pub fn is_usable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !(ip.is_loopback() || ip.is_unspecified() || ip.is_link_local()),
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local()),
    }
}

/// What to do on a machine that has nothing but loopback.
pub const NO_INTERFACE: &str = "this machine has no network interface but loopback, which browsers \
    do not take for media; connect it to a network, or make an interface with: sudo ip link add \
    farcast0 type dummy && sudo ip addr add 10.99.0.1/24 dev farcast0 && sudo ip link set farcast0 \
    up";

fn access(wishes: &Wishes, role: &Role) -> Result<Access, StartError> {
    let mut keys = wishes.keys.keys();
    if let Some(path) = &wishes.key_file {
        keys.extend(Secrets::load(path)?.keys());
    }
    match (wishes.open.unwrap_or(false), keys.is_empty()) {
        (true, true) => Ok(Access::Open),
        (false, false) => Ok(Access::Keys(keys)),
        (true, false) => Err(StartError(
            "this node has keys for tokens and is open to everybody, which contradict each other; \
             take out the keys or --open (open = true)"
                .into(),
        )),
        (false, true) => Err(StartError(format!(
            "this node has no keys for tokens, so nobody could publish or watch.\n\
             Either make a key and give it to all your nodes (beside your other flags):\n    \
             {make}\n    \
             {program} --key-file farcast.keys\n\
             or let everybody do everything, in a network that you trust:\n    \
             {program} --open",
            make = make_file("farcast.keys"),
            program = role.program
        ))),
    }
}

pub(crate) fn certificate(tls: &Tls, https: bool) -> Result<Option<Certificate>, StartError> {
    let needs = |what: &str| Err(StartError(what.into()));
    match (&tls.cert, &tls.key, https) {
        (None, None, false) => Ok(None),
        (None, None, true) => {
            needs("HTTPS needs a certificate; add --cert fullchain.pem --key privkey.pem")
        }
        (Some(_), None, _) => needs("the certificate has no private key; add --key privkey.pem"),
        (None, Some(_), _) => needs(
            "--key is the private key of a certificate, and there is none; add --cert \
             fullchain.pem (keys for tokens go with --key-file)",
        ),
        (Some(_), Some(_), false) => {
            needs("there is a certificate, but nothing listens for HTTPS; add --https 0.0.0.0:443")
        }
        (Some(chain), Some(key), true) => {
            readable(chain, "the certificate (cert)")?;
            readable(key, "the certificate's private key (key)")?;
            Ok(Some(Certificate { chain: chain.clone(), key: key.clone() }))
        }
    }
}

fn readable(path: &Path, what: &str) -> Result<(), StartError> {
    match std::fs::File::open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(StartError(format!(
            "cannot open {what} {}: {error}; correct the path, or let this user read it",
            path.display()
        ))),
    }
}

type Sockets = (Vec<SocketAddr>, Vec<SocketAddr>, Vec<SocketAddr>);

/// Where HTTP, HTTPS and UDP listen.
fn listening(wishes: &Wishes) -> Result<Sockets, StartError> {
    let bare = |list: &[crate::address::Listen]| -> Vec<SocketAddr> {
        list.iter().map(|listen| listen.0).collect()
    };
    let (mut http, https, mut udp) = (bare(&wishes.http), bare(&wishes.https), bare(&wishes.udp));
    if http.is_empty() && https.is_empty() {
        http.push(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), DEFAULT_PORT));
    }
    if udp.is_empty() {
        // One port for everything, so that a firewall needs one rule.
        let web = if https.is_empty() { &http } else { &https };
        let beside: BTreeSet<SocketAddr> = web.iter().copied().map(media_beside).collect();
        udp.extend(beside);
    }
    let web: Vec<SocketAddr> = http.iter().chain(&https).copied().collect();
    for list in [&web, &udp] {
        let mut seen = BTreeSet::new();
        if let Some(twice) = list.iter().find(|address| !seen.insert(**address)) {
            return Err(StartError(format!(
                "{twice} is listed twice; one address serves either HTTP or HTTPS, once"
            )));
        }
    }
    Ok((http, https, udp))
}

/// The UDP address for media of a node whose pages are at `web`. Browsers reach no media on
/// loopback, where a proxy or a test may well have the pages.
fn media_beside(web: SocketAddr) -> SocketAddr {
    match web.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => {
            SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), web.port())
        }
        IpAddr::V6(ip) if ip.is_loopback() => {
            SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), web.port())
        }
        _ => web,
    }
}

/// Refuses a node that could not name any address in its candidates.
fn reachable(addresses: &Addresses) -> Result<(), StartError> {
    let named = |udp: &SocketAddr| {
        !udp.ip().is_unspecified()
            || addresses.interfaces.iter().any(|ip| ip.is_ipv4() == udp.is_ipv4())
    };
    if !addresses.public.is_empty() || addresses.udp.iter().any(named) {
        return Ok(());
    }
    if addresses.interfaces.is_empty() {
        let or = "or name the address under which browsers reach it with --public IP";
        return Err(StartError(format!("{NO_INTERFACE}; {or}")));
    }
    let (has, wildcard) = match addresses.interfaces[0] {
        IpAddr::V4(_) => ("IPv4", "0.0.0.0"),
        IpAddr::V6(_) => ("IPv6", "[::]"),
    };
    let port = addresses.udp[0].port();
    Err(StartError(format!(
        "this machine has {has} addresses alone; receive media there with --udp {wildcard}:{port}"
    )))
}

/// Nodes tell streams apart by who holds them, so no two nodes should have one name: unless told, a
/// node is called by what it is and where.
fn name(wish: Option<String>, role: &Role, addresses: &Addresses) -> Result<String, StartError> {
    let name = wish.unwrap_or_else(|| {
        let bound = addresses.udp.first().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified());
        let ip = bound.or_else(|| addresses.interfaces.first().copied());
        let port = addresses.udp.first().map_or(0, SocketAddr::port);
        let ip = ip.map(|ip| ip.to_string().replace(':', "_")).unwrap_or_default();
        format!("{}-{ip}-{port}", role.name)
    });
    if is_name(&name) { Ok(name) } else { Err(bad_name(&name)) }
}

/// Names go into header fields, metrics and logs.
fn is_name(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=limits::NODE_NAME).contains(&name.len()) && name.chars().all(known)
}

fn bad_name(name: &str) -> StartError {
    StartError(format!(
        "\"{}\" cannot name a node; write 1 to {} letters, digits and . _ -",
        name.escape_debug(),
        limits::NODE_NAME
    ))
}

fn host(host: String) -> Result<String, StartError> {
    let is_host = host.parse::<IpAddr>().is_ok() || is_name(&host);
    is_host.then_some(()).ok_or_else(|| {
        let shown = host.escape_debug();
        StartError(format!(
            "public_host \"{shown}\" is no host; write a name or an IP without scheme and port, \
             like edge1.example.com"
        ))
    })?;
    Ok(host)
}

fn edges(wishes: &[config::Edge]) -> Result<Vec<Edge>, StartError> {
    if wishes.len() > limits::EDGES {
        return Err(StartError(format!(
            "{} edges are too many for one node, which feeds up to {}; let some edges feed others",
            wishes.len(),
            limits::EDGES
        )));
    }
    let mut names = BTreeSet::new();
    let mut urls = BTreeSet::new();
    let mut edges = Vec::with_capacity(wishes.len());
    for (index, wish) in wishes.iter().enumerate() {
        let name = wish.name.clone().unwrap_or_else(|| format!("edge{}", index + 1));
        if !is_name(&name) {
            return Err(bad_name(&name));
        }
        if !names.insert(name.clone()) {
            return Err(StartError(format!(
                "two edges are called {name}; give each [[edge]] its own name"
            )));
        }
        if !urls.insert(wish.url.as_str()) {
            return Err(StartError(format!("the edge {} is listed twice; take one out", wish.url)));
        }
        edges.push(Edge {
            name,
            url: wish.url.to_string(),
            public_url: wish.public_url.as_ref().map(ToString::to_string),
            token: wish.token.as_ref().map(|bearer| bearer.0.clone()),
        });
    }
    Ok(edges)
}

fn streams(wishes: Vec<config::Stream>) -> Result<Vec<Stream>, StartError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = wishes.iter().find(|wish| !names.insert(wish.name.to_string())) {
        return Err(StartError(format!(
            "the streams {} are listed twice; say all about them in one [[stream]]",
            twice.name
        )));
    }
    let stream = |config::Stream { name, playout_delay }| Stream { name, playout_delay };
    Ok(wishes.into_iter().map(stream).collect())
}

fn exposed(edge: &config::Edge) -> Option<String> {
    plain_http_warning(edge.url.as_str())
}

/// The port of a node that is told none.
pub const DEFAULT_PORT: u16 = 8080;

#[cfg(test)]
mod tests;
