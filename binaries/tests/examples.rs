//! The files in `deploy` are good, and show every key.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use farcast::config::Wishes;
use farcast::turn::alone;

const EXAMPLES: [&str; 2] = ["origin.toml", "edge.toml"];

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)
}

/// The example with every line that shows a key made one that sets it.
fn complete(name: &str) -> String {
    let text = fs::read_to_string(deploy("examples").join(name)).unwrap();
    let shown = |line: &str| {
        line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned()
    };
    text.lines().map(shown).collect::<Vec<_>>().join("\n")
}

#[test]
fn examples_load_as_they_are() {
    for name in EXAMPLES {
        let wishes = Wishes::load(&deploy("examples").join(name)).unwrap();
        assert_eq!(wishes.key_file.as_deref(), Some(Path::new("/etc/farcast/keys")), "{name}");
        assert_eq!(wishes.http.len(), 1, "{name}");
        assert_eq!(wishes.open, None, "{name} must not be open");
        assert!(wishes.keys.0.is_empty(), "{name} must not bring keys that everybody knows");
    }
    let origin = Wishes::load(&deploy("examples/origin.toml")).unwrap();
    assert_eq!(origin.edge.len(), 2);
}

#[test]
fn every_key_that_an_example_shows_is_a_good_one() {
    for name in EXAMPLES {
        Wishes::parse(&complete(name), name).unwrap();
    }
}

#[test]
fn examples_show_every_key() {
    for name in EXAMPLES {
        let value: toml::Table = toml::from_str(&complete(name)).unwrap();
        assert_eq!(keys(&value), known("nothing_like_it = 1"), "{name}");
        let tls = value["tls"].as_table().unwrap();
        assert_eq!(keys(tls), known("[tls]\nnothing_like_it = 1"), "{name}");
        let turn = value["turn"].as_table().unwrap();
        assert_eq!(keys(turn), known("[turn]\nnothing_like_it = 1"), "{name}");
        let edge = value["edge"][0].as_table().unwrap();
        let text = "[[edge]]\nurl = \"http://a\"\nnothing_like_it = 1";
        assert_eq!(keys(edge), known(text), "{name}");
        let stream = value["stream"][0].as_table().unwrap();
        let text = "[[stream]]\nname = \"a\"\nnothing_like_it = 1";
        assert_eq!(keys(stream), known(text), "{name}");
    }
}

#[test]
fn the_turn_servers_example_loads_and_shows_every_key_that_a_server_alone_has() {
    let load = |text: &str| toml::from_str::<alone::Wishes>(text);
    let wishes = alone::Wishes::load(&deploy("examples/turn.toml")).unwrap();
    assert_eq!(wishes.listen.len(), 2);
    assert_eq!(wishes.turn.secret_file.as_deref(), Some(Path::new("/etc/farcast/turn")));
    assert!(wishes.turn.users.is_empty(), "it must not bring a password that everybody knows");

    let text = complete("turn.toml");
    load(&text).unwrap();
    let listed = |text: &str| {
        let error = load(text).unwrap_err().to_string();
        let (_, list) = error.split_once("expected one of ").unwrap();
        list.split(", ").map(|key| key.trim().trim_matches('`').to_owned()).collect()
    };
    let value: toml::Table = toml::from_str(&text).unwrap();
    let all: BTreeSet<String> = listed("nothing_like_it = 1");
    assert_eq!(keys(&value), all);
    let mut turn: BTreeSet<String> = listed("[turn]\nnothing_like_it = 1");
    // These are for nodes, which tell their clients of servers.
    turn.retain(|key| key != "enabled" && key != "urls");
    assert_eq!(keys(value["turn"].as_table().unwrap()), turn);
}

fn keys(table: &toml::Table) -> BTreeSet<String> {
    table.keys().cloned().collect()
}

/// The keys that the error about an unknown one lists.
fn known(text: &str) -> BTreeSet<String> {
    let error = Wishes::parse(text, "a").unwrap_err().0;
    let (_, list) = error.split_once("the keys here are ").unwrap();
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn services_start_what_is_there_with_the_settings_that_are_there() {
    for (node, flag, secret) in [
        ("origin", "key-file", "keys"),
        ("edge", "key-file", "keys"),
        ("turn", "secret-file", "turn"),
    ] {
        let unit = fs::read_to_string(deploy(&format!("farcast-{node}.service"))).unwrap();
        for line in [
            &format!("ExecStart=/usr/local/bin/farcast-{node} --config /etc/farcast/{node}.toml \\")
                as &str,
            &format!("    --{flag} ${{CREDENTIALS_DIRECTORY}}/{secret}"),
            &format!("LoadCredential={secret}:/etc/farcast/{secret}"),
            "DynamicUser=yes",
            "AmbientCapabilities=CAP_NET_BIND_SERVICE",
            "Restart=always",
        ] {
            assert!(unit.lines().any(|other| other == line), "{node}: {line}");
        }
        assert!(unit.lines().any(|line| line.starts_with("LimitNOFILE=")), "{node}");
    }
}
