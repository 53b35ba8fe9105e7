//! The command line and environment of a node, which override its file; it does not know what is
//! right together.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use farcast_core::config::Egress;

use crate::address::{Listen, NodeUrl, Public};
use crate::config::turn::Turn;
use crate::config::{Cores, Edge, Log, Runtime, Tls, Wishes};
use crate::error::StartError;
use crate::secret::Secrets;

/// The variable that holds keys for tokens. There is no such flag: everybody on the machine can
/// read command lines.
pub const KEYS: &str = "FARCAST_KEYS";

/// What every `--help` of a node ends with.
pub const AFTER_HELP: &str = "\
Keys for tokens may also stand in the environment variable FARCAST_KEYS, with commas between them.
A flag overrides the environment, and both override the file.";

/// The flags of a node, each with its variable of the environment.
#[derive(Debug, Clone, Args)]
pub struct NodeFlags {
    /// The node's settings, TOML; see deploy/examples
    #[arg(long, value_name = "FILE", env = "FARCAST_CONFIG")]
    config: Option<PathBuf>,
    /// How other nodes and people call this node
    #[arg(long, env = "FARCAST_NAME")]
    name: Option<String>,
    /// Listen for plain HTTP here; repeatable [default: 0.0.0.0:8080, without --https]
    #[arg(long, value_name = "IP:PORT", env = "FARCAST_HTTP", value_delimiter = ',')]
    http: Vec<Listen>,
    /// Listen for HTTPS here; repeatable
    #[arg(long, value_name = "IP:PORT", env = "FARCAST_HTTPS", value_delimiter = ',')]
    https: Vec<Listen>,
    /// The certificate chain for HTTPS, PEM
    #[arg(long, value_name = "FILE", env = "FARCAST_TLS_CERT")]
    cert: Option<PathBuf>,
    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", env = "FARCAST_TLS_KEY")]
    key: Option<PathBuf>,
    /// Trust this authority too for https:// to other nodes, PEM
    #[arg(long, value_name = "FILE", env = "FARCAST_TLS_CA")]
    ca: Option<PathBuf>,
    /// Receive media here; repeatable [default: where HTTPS listens, else where HTTP does]
    #[arg(long, value_name = "IP:PORT", env = "FARCAST_UDP", value_delimiter = ',')]
    udp: Vec<Listen>,
    /// Announce this IP for media instead of the bound ones (1:1 NAT, containers); repeatable
    #[arg(long, value_name = "IP", env = "FARCAST_PUBLIC", value_delimiter = ',')]
    public: Vec<Public>,
    /// Tell viewers this host for this node, if it has no edges
    #[arg(long, value_name = "HOST", env = "FARCAST_PUBLIC_HOST")]
    public_host: Option<String>,
    /// Send every stream to the node at this URL; repeatable: edge1, edge2, …
    #[arg(long, value_name = "URL", env = "FARCAST_EDGE", value_delimiter = ',')]
    edge: Vec<NodeUrl>,
    /// Want tokens signed with a key of this file, one key a line; the first one signs ours
    #[arg(long, value_name = "FILE", env = "FARCAST_KEY_FILE")]
    key_file: Option<PathBuf>,
    /// Want no tokens: everybody may publish, watch and relay
    #[arg(
        long,
        env = "FARCAST_OPEN",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    open: Option<bool>,
    /// Let viewers behind firewalls through by a TURN server inside the node [default: true]
    #[arg(
        long,
        env = "FARCAST_TURN",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    turn: Option<bool>,
    /// The async runtime: tokio or smol [default: tokio]
    #[arg(long, env = "FARCAST_RUNTIME")]
    runtime: Option<Runtime>,
    /// Who seals what goes to viewers: own, or str0m to compare with [default: own]
    #[arg(long, env = "FARCAST_EGRESS")]
    egress: Option<Egress>,
    /// Share the work among so many cores [default: all of this machine]
    #[arg(long, value_name = "NUMBER", env = "FARCAST_CORES")]
    cores: Option<Cores>,
    /// How much the log says: debug, info or warn [default: info]
    #[arg(long, value_name = "LEVEL", env = "FARCAST_LOG")]
    log: Option<Log>,
}

impl NodeFlags {
    /// What flags and environment say, over what the file says that they name.
    pub fn wishes(self) -> Result<Wishes, StartError> {
        let below = match &self.config {
            Some(path) => Wishes::load(path)?,
            None => Wishes::default(),
        };
        let keys = match std::env::var(KEYS) {
            Ok(list) => {
                Secrets::parse_list(&list).map_err(|why| StartError(format!("{KEYS}: {why}")))?
            }
            Err(_) => Secrets::default(),
        };
        Ok(self.alone(keys).over(below))
    }

    fn alone(self, keys: Secrets) -> Wishes {
        let edge = |url| Edge { name: None, url, public_url: None, token: None };
        Wishes {
            name: self.name,
            http: self.http,
            https: self.https,
            udp: self.udp,
            public: self.public,
            public_host: self.public_host,
            open: self.open,
            keys,
            key_file: self.key_file,
            runtime: self.runtime,
            egress: self.egress,
            cores: self.cores,
            log: self.log,
            tls: Tls { cert: self.cert, key: self.key, ca: self.ca },
            turn: Turn { enabled: self.turn, ..Turn::default() },
            edge: self.edge.into_iter().map(edge).collect(),
            stream: Vec::new(),
        }
    }
}
