//! Examinations behind a real firewall, in network namespaces: a neighbour outside knocks. Needs
//! root, which makes namespaces.

#![allow(missing_docs, clippy::unwrap_used)]

mod clinic;

use std::process::Command;

use clinic::{Clinic, Running, Told};

/// The node's machine and a neighbour's, with a wire between them.
struct Network {
    node: String,
    neighbour: String,
}

impl Network {
    fn new(name: &str) -> Network {
        let [node, neighbour] = ["node", "neighbour"]
            .map(|part| format!("farcast-{name}-{}-{part}", std::process::id()));
        let network = Network { node, neighbour };
        let Network { node, neighbour } = &network;
        for name in [node, neighbour] {
            run(&format!("ip netns add {name}"));
            run(&format!("ip -n {name} link set lo up"));
        }
        run(&format!("ip -n {node} link add wire type veth peer name wire netns {neighbour}"));
        for (name, ip) in [(node, "203.0.113.7/24"), (neighbour, "203.0.113.9/24")] {
            run(&format!("ip -n {name} addr add {ip} dev wire"));
            run(&format!("ip -n {name} link set wire up"));
        }
        network
    }

    /// The node's firewall drops what this rule matches.
    fn drop_at_node(&self, rule: &str) {
        for rule in [
            "add table inet wall",
            "add chain inet wall in { type filter hook input priority 0 ; }",
            &format!("add rule inet wall in {rule} drop"),
        ] {
            run(&format!("ip netns exec {} nft {rule}", self.node));
        }
    }

    fn neighbour(&self, clinic: &Clinic) -> Running {
        let program = env!("CARGO_BIN_EXE_farcast-edge");
        let (keys, ca) = (clinic.path("keys"), clinic.path("ca.pem"));
        let inside = ["ip", "netns", "exec", &self.neighbour, program];
        let at = "203.0.113.9:8080";
        let flags = ["--http", at, "--udp", at, "--key-file", &keys, "--ca", &ca];
        Running::start(&[&inside[..], &flags].concat())
    }

    /// Examines the node, which announces this IP.
    fn examine(&self, clinic: &Clinic, public: &str) -> Told {
        clinic.issue("203.0.113.7", 90);
        let top = format!(
            "https = \"0.0.0.0:443\"\npublic = \"{public}\"\npublic_host = \"203.0.113.7\""
        );
        let edge = "[[edge]]\nname = \"edge1\"\nurl = \"http://203.0.113.9:8080\"\n";
        let file = clinic.settings(&top, edge);
        let inside = ["netns", "exec", &self.node, env!("CARGO_BIN_EXE_farcast")];
        Told::by(Command::new("ip").args(inside).args(["doctor", &file]))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in [&self.node, &self.neighbour] {
            Command::new("ip").args(["netns", "del", name]).status().ok();
        }
    }
}

fn run(command: &str) {
    let mut words = command.split_ascii_whitespace();
    let program = words.next().expect("not empty");
    let status = Command::new(program).args(words).status();
    let status = status.unwrap_or_else(|error| panic!("{command}: {error}"));
    assert!(status.success(), "{command}: {status}; this test needs root, ip and nft");
}

#[test]
fn without_a_firewall_a_neighbour_reaches_every_port() {
    let (network, clinic) = (Network::new("open"), Clinic::new());
    let _edge = network.neighbour(&clinic);
    let told = network.examine(&clinic, "203.0.113.7");
    assert_eq!(told.bad(), [""; 0], "{}", told.text);
    for part in ["UDP 443 is open", "TCP 443 is open", "https://203.0.113.7 answers edge1"] {
        assert!(told.good(part), "{part}: {}", told.text);
    }
}

#[test]
fn a_dropped_udp_port_is_red_and_says_what_to_let_through() {
    let (network, clinic) = (Network::new("udp"), Clinic::new());
    network.drop_at_node("iifname wire udp dport 443");
    let _edge = network.neighbour(&clinic);
    let told = network.examine(&clinic, "203.0.113.7");
    assert_eq!(told.code, 1);
    assert_eq!(told.bad(), ["UDP 443 is shut: edge1 knocked at 203.0.113.7, no answer"]);
    assert!(told.cure("UDP 443 is shut").starts_with("sudo ufw allow 443/udp"));
}

#[test]
fn a_dropped_tcp_port_is_red_and_so_are_the_pages_behind_it() {
    let (network, clinic) = (Network::new("tcp"), Clinic::new());
    network.drop_at_node("iifname wire tcp dport 443");
    let _edge = network.neighbour(&clinic);
    let told = network.examine(&clinic, "203.0.113.7");
    assert!(told.cure("TCP 443 is shut").starts_with("sudo ufw allow 443/tcp"));
    assert!(told.good("UDP 443 is open"), "{}", told.text);
    assert!(told.cure("https://203.0.113.7 fails for edge1").starts_with("curl -i"));
}

#[test]
fn a_wrong_public_address_is_seen_by_a_neighbour() {
    let (network, clinic) = (Network::new("wrong"), Clinic::new());
    let _edge = network.neighbour(&clinic);
    let told = network.examine(&clinic, "203.0.113.8");
    let cure = told.cure("edge1 sees this machine as 203.0.113.7");
    assert!(cure.starts_with("public = \"203.0.113.7\""), "{}", told.text);
}
