//! A TURN server that is a program of its own: its file, its flags, and what comes of them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use farcast_core::config::{Addresses, Config};
use serde::Deserialize;

use crate::address::{Listen, Public};
use crate::config::turn::{Alternate, Ip, Peer, Ports, Turn, User};
use crate::config::{self, Log, Runtime, Tls, one_or_many, or_list, word};
use crate::error::StartError;
use crate::node::{Certificate, Settings, certificate, is_usable};
use crate::secret::make_file;
use crate::turn;

/// The program's name.
pub const PROGRAM: &str = "farcast-turn";
/// Where it listens unless told otherwise (RFC 8656 section 4).
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 3478);
/// The ports of relayed addresses unless told otherwise (RFC 8656 section 7.2).
const PORTS: Ports = Ports(49152, 65535);
/// Allocations of one user unless told otherwise: a password that lasts has many devices.
const PER_USER: usize = 100;

/// What an operator asked for; what is `None` or empty has a default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "the settings of a TURN server")]
pub struct Wishes {
    /// Where clients come to, over UDP and TCP.
    #[serde(deserialize_with = "one_or_many")]
    pub listen: Vec<Listen>,
    /// Where clients come to over TLS, if not where they come to over TCP.
    #[serde(deserialize_with = "one_or_many")]
    pub tls_listen: Vec<Listen>,
    /// The IPs under which the world sees this machine.
    #[serde(deserialize_with = "one_or_many")]
    pub public: Vec<Public>,
    /// Which async runtime drives the server.
    #[serde(deserialize_with = "word")]
    pub runtime: Option<Runtime>,
    /// How much the log says.
    #[serde(deserialize_with = "word")]
    pub log: Option<Log>,
    /// The certificate.
    pub tls: Tls,
    /// The server itself.
    pub turn: Turn,
}

/// The flags of `farcast-turn`, each with its variable of the environment.
#[derive(Debug, Clone, Args)]
pub struct TurnFlags {
    /// The server's settings, TOML; see deploy/examples/turn.toml
    #[arg(long, value_name = "FILE", env = "FARCAST_CONFIG")]
    config: Option<PathBuf>,
    /// Take clients here, over UDP and TCP (TLS too, with --cert); repeatable [default:
    /// 0.0.0.0:3478]
    #[arg(long, value_name = "IP:PORT", env = "FARCAST_LISTEN", value_delimiter = ',')]
    listen: Vec<Listen>,
    /// Take clients over TLS here as well; repeatable
    #[arg(long, value_name = "IP:PORT", env = "FARCAST_TLS_LISTEN", value_delimiter = ',')]
    tls_listen: Vec<Listen>,
    /// The certificate chain for TLS, PEM
    #[arg(long, value_name = "FILE", env = "FARCAST_TLS_CERT")]
    cert: Option<PathBuf>,
    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", env = "FARCAST_TLS_KEY")]
    key: Option<PathBuf>,
    /// Announce this IP for relayed addresses instead of the bound one (1:1 NAT); repeatable
    #[arg(long, value_name = "IP", env = "FARCAST_PUBLIC", value_delimiter = ',')]
    public: Vec<Public>,
    /// Name this realm in challenges [default: farcast]
    #[arg(long, env = "FARCAST_TURN_REALM")]
    realm: Option<String>,
    /// Let this user in; repeatable. Everybody on the machine can read command lines: prefer the
    /// file
    #[arg(long, value_name = "NAME:PASSWORD", env = "FARCAST_TURN_USER", value_delimiter = ',')]
    user: Vec<User>,
    /// Let bearers of time-limited credentials in that were made with a secret of this file
    #[arg(long, value_name = "FILE", env = "FARCAST_TURN_SECRET_FILE")]
    secret_file: Option<PathBuf>,
    /// Relay from this IP of the machine; repeatable: one of each family [default: every interface]
    #[arg(long, value_name = "IP", env = "FARCAST_TURN_RELAY_IP", value_delimiter = ',')]
    relay_ip: Vec<Ip>,
    /// Relay from these ports [default: 49152-65535]
    #[arg(long, value_name = "FIRST-LAST", env = "FARCAST_TURN_PORTS")]
    ports: Option<Ports>,
    /// Let clients reach this network, IP or host, though it is private; repeatable
    #[arg(long, value_name = "PEER", env = "FARCAST_TURN_ALLOW_PEER", value_delimiter = ',')]
    allow_peer: Vec<Peer>,
    /// Do not let clients reach this network, IP or host; repeatable
    #[arg(long, value_name = "PEER", env = "FARCAST_TURN_DENY_PEER", value_delimiter = ',')]
    deny_peer: Vec<Peer>,
    /// Send every new client to this TURN server instead; repeatable: one of each family
    #[arg(long, value_name = "IP:PORT", env = "FARCAST_TURN_ALTERNATE", value_delimiter = ',')]
    alternate: Vec<Alternate>,
    /// The async runtime: tokio or smol [default: tokio]
    #[arg(long, env = "FARCAST_RUNTIME")]
    runtime: Option<Runtime>,
    /// How much the log says: debug, info or warn [default: info]
    #[arg(long, value_name = "LEVEL", env = "FARCAST_LOG")]
    log: Option<Log>,
}

impl TurnFlags {
    /// What flags and environment say, over what the file says that they name.
    pub fn wishes(self) -> Result<Wishes, StartError> {
        let below = match &self.config {
            Some(path) => Wishes::load(path)?,
            None => Wishes::default(),
        };
        Ok(self.alone().over(below))
    }

    fn alone(self) -> Wishes {
        Wishes {
            listen: self.listen,
            tls_listen: self.tls_listen,
            public: self.public,
            runtime: self.runtime,
            log: self.log,
            tls: Tls { cert: self.cert, key: self.key, ca: None },
            turn: Turn {
                realm: self.realm,
                users: self.user,
                secret_file: self.secret_file,
                relay_ip: self.relay_ip,
                ports: self.ports,
                allow_peers: self.allow_peer,
                deny_peers: self.deny_peer,
                alternate: self.alternate,
                ..Turn::default()
            },
        }
    }
}

impl Wishes {
    /// Reads a file. Paths in it are relative to it.
    pub fn load(path: &Path) -> Result<Self, StartError> {
        let mut wishes: Wishes = config::load(path, "turn.toml")?;
        let tls = &mut wishes.tls;
        config::beside(path, [&mut wishes.turn.secret_file, &mut tls.cert, &mut tls.key]);
        Ok(wishes)
    }

    fn over(self, below: Wishes) -> Wishes {
        Wishes {
            listen: or_list(self.listen, below.listen),
            tls_listen: or_list(self.tls_listen, below.tls_listen),
            public: or_list(self.public, below.public),
            runtime: self.runtime.or(below.runtime),
            log: self.log.or(below.log),
            tls: self.tls.over(below.tls),
            turn: self.turn.over(below.turn),
        }
    }
}

/// Checks wishes and fills in defaults. `interfaces` are all IPs of this machine.
pub fn settings(wishes: Wishes, interfaces: &[IpAddr]) -> Result<Settings, StartError> {
    let ports = wishes.turn.ports.or(Some(PORTS));
    let per_user = wishes.turn.per_user.or(Some(PER_USER));
    let turn = Turn { ports, per_user, ..wishes.turn };
    if turn.users.is_empty() && turn.secrets.0.is_empty() && turn.secret_file.is_none() {
        return Err(open_relay());
    }
    let bare = |list: &[Listen]| list.iter().map(|listen| listen.0).collect::<Vec<_>>();
    let (mut listen, secure) = (bare(&wishes.listen), bare(&wishes.tls_listen));
    if listen.is_empty() && secure.is_empty() {
        listen.push(LISTEN);
    }
    let certificate = certificate_of(&wishes.tls, !secure.is_empty())?;
    let tcp: BTreeSet<SocketAddr> = listen.iter().chain(&secure).copied().collect();
    let tcp = tcp.into_iter().collect();
    let (http, https) = if certificate.is_some() { (vec![], tcp) } else { (tcp, vec![]) };
    let addresses = Addresses {
        udp: listen,
        interfaces: interfaces.iter().copied().filter(|ip| is_usable(*ip)).collect(),
        public: wishes.public.iter().map(|public| public.0).collect(),
        ..Addresses::default()
    };
    let server = turn::server(&turn, &addresses, true)?;
    let core = Config { name: "turn".into(), addresses, turn: server, ..Config::default() };
    Ok(Settings {
        core,
        alone: true,
        http,
        https,
        certificate,
        ca: None,
        runtime: wishes.runtime.unwrap_or_default(),
        log: wishes.log.unwrap_or_default(),
        home: None,
        warnings: Vec::new(),
    })
}

fn certificate_of(tls: &Tls, wanted: bool) -> Result<Option<Certificate>, StartError> {
    certificate(tls, wanted || tls.cert.is_some())
}

fn open_relay() -> StartError {
    StartError(format!(
        "this TURN server has no users, so nobody could use it.\n\
         Either make a secret and give it to all your nodes, which then let their viewers in:\n    \
         {make}\n    \
         {PROGRAM} --secret-file farcast.turn\n\
         or name a user:\n    \
         {PROGRAM} --user alice:secret",
        make = make_file("farcast.turn"),
    ))
}
