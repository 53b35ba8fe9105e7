//! Nodes that talk over HTTPS with a certificate of a private authority, as whole programs.

mod ports;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use farcast_adapters::runtime::Runtime;
use farcast_adapters::tokio::{self, Tokio};
use farcast_sim::browse::browse;
use farcast_sim::peer::Peer;
use farcast_sim::wish::{Video, Wish};
use futures_lite::future;
use ports::ports;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

const PUBLISH: Wish = Wish { publishes: true, audio: true, video: Video::Vp8 };
const PLAY: Wish = Wish { publishes: false, audio: true, video: Video::All };

/// The files of a private authority and of a node that it vouches for.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Files {
        let folder = std::env::temp_dir().join(format!("farcast-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for temporary files");
        let authority_key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = authority.self_signed(&authority_key).expect("a certificate");
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().expect("a key");
        let node = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
        let chain = node.signed_by(&key, &issuer).expect("a certificate");
        for (file, text) in [
            ("ca.pem", root.pem()),
            ("fullchain.pem", chain.pem()),
            ("privkey.pem", key.serialize_pem()),
        ] {
            std::fs::write(folder.join(file), text).expect("room on the disk");
        }
        Files(folder)
    }

    fn path(&self, file: &str) -> String {
        self.0.join(file).display().to_string()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

struct Node(Child);

impl Node {
    /// Starts a program and waits until it listens.
    fn start(program: &str, flags: &str) -> Node {
        let mut child = Command::new(program)
            .args(flags.split_ascii_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program is built");
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).lines().next().expect("a word when it listens").expect("text");
        Node(child)
    }

    /// Ends the program; what it logged.
    fn log(mut self) -> String {
        self.0.kill().expect("it still runs");
        let mut log = String::new();
        let mut stderr = self.0.stderr.take().expect("piped");
        stderr.read_to_string(&mut log).expect("text");
        log
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// An edge with HTTPS and an origin that relays to it; a viewer at the edge, and the origin's log.
fn relay(name: &str, trust: bool) -> (Option<Peer>, String) {
    let files = Files::new(name);
    let [secure, plain, origin] = ports();
    let _edge = Node::start(
        env!("CARGO_BIN_EXE_farcast-edge"),
        &format!(
            "--https 127.0.0.1:{secure} --http 127.0.0.1:{plain} --udp 127.0.0.1:{secure} --open \
             --cert {} --key {}",
            files.path("fullchain.pem"),
            files.path("privkey.pem")
        ),
    );
    let ca = if trust { format!("--ca {}", files.path("ca.pem")) } else { String::new() };
    let node = Node::start(
        env!("CARGO_BIN_EXE_farcast-origin"),
        &format!(
            "--http 127.0.0.1:{origin} --udp 127.0.0.1:{origin} --open {ca} \
             --edge https://127.0.0.1:{secure}"
        ),
    );
    let watching = async {
        let end = Tokio.now() + Duration::from_secs(4);
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let publisher = browse(&Tokio, at(0), at(origin), "/whip/stream1", PUBLISH, end);
        let viewer = browse(&Tokio, at(0), at(plain), "/whep/stream1", PLAY, end);
        future::zip(publisher, viewer).await
    };
    let (publisher, viewer) = tokio::block_on(Box::pin(watching)).expect("a runtime");
    publisher.expect("a free name");
    (viewer.ok(), node.log())
}

#[test]
fn a_private_authority_vouches_for_the_edge() {
    let (viewer, log) = relay("trusted", true);
    let viewer = viewer.unwrap_or_else(|| panic!("the relay is up: {log}"));
    assert!(viewer.received().len() > 100, "{log}");
}

#[test]
fn without_it_the_log_says_what_to_do() {
    let (viewer, log) = relay("unknown", false);
    assert!(viewer.is_none());
    assert!(log.contains("is not trusted; pass --ca FILE"), "{log}");
}
