//! Examinations on loopback, with whole programs: what is well, what is not, and what to do.

#![allow(missing_docs, clippy::unwrap_used)]

mod clinic;
mod ports;

use std::process::Command;

use clinic::{Clinic, Running, Told};
use ports::ports;

/// Settings of a node at this port with a neighbour at that one.
fn settings(clinic: &Clinic, port: u16, neighbour: u16) -> String {
    let top = format!(
        "https = \"127.0.0.1:{port}\"\nudp = \"127.0.0.1:{port}\"\npublic_host = \"127.0.0.1\""
    );
    let edge = format!("[[edge]]\nname = \"edge1\"\nurl = \"http://127.0.0.1:{neighbour}\"\n");
    clinic.settings(&top, &edge)
}

#[test]
fn before_an_event_everything_is_good() {
    let (clinic, [port, neighbour]) = (Clinic::new(), ports());
    clinic.issue("127.0.0.1", 90);
    let _edge = Running::edge(&clinic, neighbour, "keys");
    let told = Told::of(&settings(&clinic, port, neighbour), &[]);
    for part in [
        "node.toml can be read",
        "fullchain.pem is valid for 90 more days",
        "the certificate is for 127.0.0.1",
        "an authority vouches for the certificate",
        "edge1 is reached",
        "the clocks here and at edge1 agree",
        &format!("UDP {port} is open: edge1 reaches 127.0.0.1"),
        &format!("TCP {port} is open: edge1 reaches 127.0.0.1"),
        &format!("https://127.0.0.1:{port} answers edge1"),
        "edge1 sees this machine as 127.0.0.1, as announced",
        "127.0.0.1 leads to 127.0.0.1",
        &format!("STUN at UDP 127.0.0.1:{port} sees this machine as 127.0.0.1"),
    ] {
        assert!(told.good(part), "{part}: {}", told.text);
    }
    assert_eq!(told.bad(), [""; 0], "{}", told.text);
    assert!(!told.text.contains('\x1b'), "no colours but on a terminal");
}

#[test]
fn an_expired_certificate_is_red() {
    let (clinic, [port, neighbour]) = (Clinic::new(), ports());
    clinic.issue("127.0.0.1", -3);
    let _edge = Running::edge(&clinic, neighbour, "keys");
    let told = Told::of(&settings(&clinic, port, neighbour), &[]);
    assert_eq!(told.code, 1);
    assert!(told.cure("expired 2 days ago").starts_with("sudo certbot renew"));
    assert!(told.bad().iter().any(|line| line.contains("https://127.0.0.1")), "edge1 knocked");
}

#[test]
fn a_certificate_for_another_name_is_red() {
    let (clinic, [port, neighbour]) = (Clinic::new(), ports());
    clinic.issue("edge2.example.com", 90);
    let told = Told::of(&settings(&clinic, port, neighbour), &[]);
    let cure = told.cure("the certificate is for edge2.example.com, and clients call this node");
    assert_eq!(cure, "sudo certbot certonly --standalone -d 127.0.0.1");
}

#[test]
fn a_key_of_another_certificate_is_red() {
    let (clinic, [port, neighbour]) = (Clinic::new(), ports());
    clinic.issue("127.0.0.1", 90);
    let chain = std::fs::read_to_string(clinic.path("fullchain.pem")).unwrap();
    clinic.issue("127.0.0.1", 90);
    clinic.write("fullchain.pem", &chain);
    let told = Told::of(&settings(&clinic, port, neighbour), &[]);
    assert!(told.cure("does not belong to certificate").contains("issued together"));
}

#[test]
fn a_neighbour_with_another_key_is_red_and_knocks_nowhere() {
    let (clinic, [port, neighbour]) = (Clinic::new(), ports());
    clinic.issue("127.0.0.1", 90);
    let _edge = Running::edge(&clinic, neighbour, "other");
    let told = Told::of(&settings(&clinic, port, neighbour), &[]);
    assert_eq!(told.code, 1);
    assert!(told.cure("edge1 does not take our token").starts_with("key_file = "));
    assert!(told.unsure(&format!("nobody knocked from outside at UDP {port}, TCP {port}")));
    assert!(told.good("the clocks here and at edge1 agree"), "its Date tells: {}", told.text);
}

#[test]
fn a_neighbour_that_is_not_there_is_red() {
    let (clinic, [port, neighbour]) = (Clinic::new(), ports());
    clinic.issue("127.0.0.1", 90);
    let told = Told::of(&settings(&clinic, port, neighbour), &[]);
    assert!(told.cure("edge1 cannot be reached: connection refused").contains("systemctl start"));
}

#[test]
fn a_shell_that_may_open_few_files_is_red() {
    let clinic = Clinic::new();
    let file = clinic.write("node.toml", "open = true\nhttp = \"127.0.0.1:0\"\n");
    let script = "ulimit -n 1024; exec \"$0\" doctor \"$1\"";
    let mut shell = Command::new("sh");
    let told = Told::by(shell.args(["-c", script, env!("CARGO_BIN_EXE_farcast"), &file]));
    assert_eq!(told.code, 1);
    assert_eq!(
        told.cure("this shell may open 1024 files"),
        "ulimit -n 65536   (before you start the node by hand)"
    );
}

#[test]
fn settings_that_are_wrong_are_red_at_once() {
    let clinic = Clinic::new();
    let file = clinic.write("node.toml", "open = true\nhtpp = \"127.0.0.1:0\"\n");
    let told = Told::of(&file, &[]);
    assert_eq!(told.code, 1);
    assert_eq!(told.text.lines().filter(|line| line.starts_with("BAD")).count(), 1);
    assert!(told.cure("did you mean \"http\"").starts_with("farcast check"));
}

#[test]
fn a_node_that_runs_is_examined_beside_itself() {
    for turn in [true, false] {
        let (clinic, [port]) = (Clinic::new(), ports());
        let at = format!("127.0.0.1:{port}");
        let text = format!("open = true\nhttp = \"{at}\"\nudp = \"{at}\"\nturn.enabled = {turn}\n");
        let file = clinic.write("node.toml", &text);
        let _node = Running::start(&[env!("CARGO_BIN_EXE_farcast-origin"), "--config", &file]);
        let told = Told::of(&file, &[]);
        assert!(told.good(&format!("TCP {at} answers: the node runs")), "{}", told.text);
        // Without TURN, nobody there answers STUN.
        assert_eq!(told.good(&format!("UDP {at} answers: the node runs")), turn, "{}", told.text);
        assert_eq!(told.unsure(&format!("UDP {at} is taken")), !turn, "{}", told.text);
        assert_eq!(told.bad(), [""; 0], "{}", told.text);
    }
}

#[test]
fn a_turn_server_is_examined_as_well() {
    let (clinic, [port, neighbour]) = (Clinic::new(), ports());
    let _edge = Running::edge(&clinic, neighbour, "keys");
    let turn = "users = \"alice:secret\"\nrelay_ip = \"127.0.0.1\"\nports = \"61000-61999\"";
    let text = format!("listen = \"127.0.0.1:{port}\"\n[turn]\n{turn}\n");
    let file = clinic.write("turn.toml", &text);
    let check = Command::new(env!("CARGO_BIN_EXE_farcast")).args(["check", &file]).output();
    assert!(check.unwrap().status.success());

    let url = format!("http://127.0.0.1:{neighbour}");
    let told = Told::of(&file, &["--ask", &url, "--host", "127.0.0.1"]);
    assert!(told.cure("does not take our token").contains("--act relay"), "{}", told.text);
    let mint = ["token", "--key-file", &clinic.path("keys"), "--stream", "*", "--act", "relay"];
    let minted =
        Command::new(env!("CARGO_BIN_EXE_farcast")).args(mint).args(["--for", "1h"]).output();
    let token = String::from_utf8(minted.unwrap().stdout).unwrap();
    let told = Told::of(&file, &["--ask", &url, "--host", "127.0.0.1", "--token", token.trim()]);
    for port in [port, 61_000, 61_999] {
        let part = format!("UDP {port} is open: {url} reaches 127.0.0.1");
        assert!(told.good(&part), "{part}: {}", told.text);
    }
}
