//! A node behind 1:1 NAT, in network namespaces: it binds a private wildcard address, announces the
//! public one, and browsers outside reach it. Needs root, which makes namespaces.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use farcast_adapters::runtime::Runtime;
use farcast_adapters::smol::{self, Smol};
use farcast_sim::browse::browse;
use farcast_sim::peer::Peer;
use farcast_sim::wish::{Video, Wish};
use futures_lite::future;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const PUBLISH: Wish = Wish { publishes: true, audio: true, video: Video::Vp8 };
const PLAY: Wish = Wish { publishes: false, audio: true, video: Video::All };
const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

/// Three namespaces in a row: the browsers, the NAT, the node.
struct Network {
    names: [String; 3],
}

impl Network {
    fn new(name: &str) -> Network {
        let names = ["outside", "nat", "inside"]
            .map(|part| format!("farcast-{name}-{}-{part}", std::process::id()));
        let network = Network { names };
        let [outside, nat, inside] = &network.names;
        for name in &network.names {
            run(&format!("ip netns add {name}"));
            run(&format!("ip -n {name} link set lo up"));
        }
        for (host, port, ip, gateway) in [
            (outside, "public", "198.51.100.2/24", "198.51.100.1/24"),
            (inside, "private", "10.0.0.5/24", "10.0.0.1/24"),
        ] {
            run(&format!("ip -n {host} link add wire type veth peer name {port} netns {nat}"));
            run(&format!("ip -n {host} addr add {ip} dev wire"));
            run(&format!("ip -n {nat} addr add {gateway} dev {port}"));
            run(&format!("ip -n {host} link set wire up"));
            run(&format!("ip -n {nat} link set {port} up"));
        }
        run(&format!("ip -n {outside} route add default via 198.51.100.1"));
        run(&format!("ip -n {inside} route add default via 10.0.0.1"));
        run(&format!("ip netns exec {nat} sysctl -qw net.ipv4.ip_forward=1"));
        for rule in [
            "add table ip nat",
            // What is private stays private, but for what the NAT itself brings in.
            "add chain ip nat raw { type filter hook prerouting priority -300 ; }",
            "add rule ip nat raw iifname public ip daddr 10.0.0.0/8 drop",
            "add chain ip nat in { type nat hook prerouting priority -100 ; }",
            "add chain ip nat out { type nat hook postrouting priority 100 ; }",
            "add rule ip nat in ip daddr 203.0.113.7 dnat to 10.0.0.5",
            "add rule ip nat out ip saddr 10.0.0.5 snat to 203.0.113.7",
        ] {
            run(&format!("ip netns exec {nat} nft {rule}"));
        }
        network
    }

    /// Starts a node inside.
    fn node(&self, flags: &str) -> Node {
        let program = env!("CARGO_BIN_EXE_farcast-edge");
        let command = format!(
            "ip netns exec {} {program} --http 0.0.0.0:8080 --udp 0.0.0.0:8080 --open {flags}",
            self.names[2]
        );
        let mut words = command.split_ascii_whitespace();
        let mut child = Command::new(words.next().expect("not empty"))
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program is built");
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).lines().next().expect("a word when it listens").expect("text");
        Node(child)
    }

    /// A publisher and a viewer outside.
    fn watch(&self) -> (Peer, std::io::Result<Peer>) {
        let space = File::open(format!("/run/netns/{}", self.names[0])).expect("just made");
        let network = Some(LinkNameSpaceType::Network);
        let watching = std::thread::spawn(move || {
            move_into_link_name_space(space.as_fd(), network).expect("root may");
            smol::block_on(Box::pin(watch())).expect("a runtime")
        });
        watching.join().expect("no assertion in there")
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.names {
            Command::new("ip").args(["netns", "del", name]).status().ok();
        }
    }
}

struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn run(command: &str) {
    let mut words = command.split_ascii_whitespace();
    let program = words.next().expect("not empty");
    let status = Command::new(program).args(words).status();
    let status = status.unwrap_or_else(|error| panic!("{command}: {error}"));
    assert!(status.success(), "{command}: {status}; this test needs root, ip and nft");
}

async fn watch() -> (Peer, std::io::Result<Peer>) {
    let at = SocketAddr::from((OUTSIDE, 0));
    let node = SocketAddr::from((PUBLIC, 8080));
    let end = Smol.now() + Duration::from_secs(4);
    let publisher = browse(&Smol, at, node, "/whip/stream1", PUBLISH, end);
    let viewer = browse(&Smol, at, node, "/whep/stream1", PLAY, end);
    let (publisher, viewer) = future::zip(publisher, viewer).await;
    (publisher.expect("HTTP passes the NAT in any case"), viewer)
}

#[test]
fn a_node_behind_one_to_one_nat_is_reached_at_its_public_address() {
    let network = Network::new("nat");
    let _node = network.node("--public 203.0.113.7");
    let (publisher, viewer) = network.watch();
    assert!(publisher.is_connected());
    assert!(viewer.expect("it plays").received().len() > 200);
}

#[test]
fn without_the_public_address_nobody_outside_reaches_it() {
    let network = Network::new("bare");
    let _node = network.node("");
    let (publisher, _) = network.watch();
    assert!(!publisher.is_connected());
}
