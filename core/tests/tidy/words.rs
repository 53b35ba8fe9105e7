//! Laws about words: what is unfinished, what the core must not say, and what has no order.

use crate::Breach;
use crate::tidy::source::Source;

/// In comments and code alike; in two parts, for this file is read as well.
const MARKS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
const MACROS: [&str; 3] = ["dbg!", "todo!", "unimplemented!"];

/// Crates that bring the world with them: runtimes, sockets, chance.
const WORLDLY_CRATES: [&str; 9] =
    ["tokio", "smol", "turmoil", "quinn_udp", "socket2", "hyper", "rand", "fastrand", "getrandom"];
/// Doors to the world in the standard library: files, the environment, threads, sockets.
const WORLDLY_PATHS: [&str; 9] = [
    "std::env",
    "std::fs",
    "std::io::stdin",
    "std::process",
    "std::thread",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os",
];
/// Questions for the time.
const CLOCKS: [&str; 4] =
    ["Instant::now", "Instant::elapsed", "SystemTime::now", "SystemTime::elapsed"];
/// str0m draws from `fastrand`; this file alone deals with that.
const ENTROPY: &str = "core/src/hub/session/entropy.rs";

/// Nothing is left for later, and nothing that only its author wanted to see.
pub(crate) fn unfinished(source: &Source) -> Vec<Breach> {
    let lines = source.text.lines().zip(source.code.lines()).enumerate();
    let breach = |line: usize, word: &str| Breach {
        law: "unfinished",
        place: source.path.clone(),
        line,
        amount: 0,
        what: format!("{word}: finish it, or leave it out"),
    };
    let mut breaches = Vec::new();
    for (index, (text, code)) in lines {
        let marks = MARKS.iter().filter(|mark| text.contains(**mark));
        let macros = MACROS.iter().filter(|name| code.contains(**name));
        breaches.extend(marks.chain(macros).map(|word| breach(index + 1, word)));
    }
    breaches
}

/// The core has no clock, no socket, no thread, no environment and no randomness of its own.
pub(crate) fn worldly(source: &Source) -> Vec<Breach> {
    if !source.path.starts_with("core/src/") {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for mention in source.mentions() {
        let path = mention.path.as_str();
        let head = path.split("::").next().unwrap_or("");
        let is_use = |door: &&&str| path == **door || path.starts_with(&format!("{door}::"));
        let clock = CLOCKS.iter().any(|clock| path.ends_with(clock));
        let foreign = WORLDLY_CRATES.contains(&head) && path != head;
        let door = WORLDLY_PATHS.iter().any(|door| is_use(&door));
        let entropy = head == "fastrand" && source.path == ENTROPY;
        if (clock || foreign || door) && !source.is_test(mention.line) && !entropy {
            breaches.push(Breach {
                law: "worldly core",
                place: source.path.clone(),
                line: mention.line,
                amount: 0,
                what: format!("{path}: let the world hand it in"),
            });
        }
    }
    breaches
}

/// The order of a hash map is random, so the core never walks over one. This finds maps by the name
/// of their field or variable, in their own file; clippy's bans know the types.
pub(crate) fn hash_order(source: &Source) -> Vec<Breach> {
    if !source.path.starts_with("core/src/") {
        return Vec::new();
    }
    let outside_tests = |(index, line): (usize, &str)| {
        if source.is_test(index + 1) { String::new() } else { line.to_owned() }
    };
    let lines: Vec<String> = source.code.lines().enumerate().map(outside_tests).collect();
    let squeezed: String = lines.join(" ").split_whitespace().collect();
    let mut breaches = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = map_name(line) else { continue };
        if let Some(walk) = walk_over(&squeezed, name) {
            breaches.push(Breach {
                law: "hash order",
                place: source.path.clone(),
                line: index + 1,
                amount: 0,
                what: format!("{walk}: its order is random; take a BTreeMap or keep a list"),
            });
        }
    }
    breaches
}

/// The field or variable that this line declares as a hash map or set.
fn map_name(line: &str) -> Option<&str> {
    let at = line.find("HashMap").or_else(|| line.find("HashSet"))?;
    let before = line[..at].trim_end_matches(|c: char| c.is_alphanumeric() || "&_:= ".contains(c));
    let rest = &line[before.len()..at];
    let name = rest.split([':', '=']).next()?.trim();
    name.rsplit(' ').next().filter(|name| !name.is_empty() && *name != "use")
}

fn walk_over(squeezed: &str, name: &str) -> Option<String> {
    const WALKS: [&str; 9] = [
        "iter()",
        "iter_mut()",
        "into_iter()",
        "keys()",
        "into_keys()",
        "values()",
        "values_mut()",
        "drain()",
        "retain(",
    ];
    let called = WALKS.iter().map(|walk| format!("{name}.{walk}"));
    let looped =
        ["in", "in&", "in&mut"].map(|to| [format!("{to}self.{name}{{"), format!("{to}{name}{{")]);
    called.chain(looped.into_iter().flatten()).find(|walk| {
        let own = |(at, _): (usize, &str)| {
            !squeezed[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                || walk.starts_with("in")
        };
        squeezed.match_indices(walk.as_str()).any(own)
    })
}

#[test]
fn unfinished_work_is_found_in_comments_and_code() {
    let count = |text: &str| unfinished(&Source::new("a.rs", text)).len();
    for mark in MARKS {
        assert_eq!(count(&format!("// {mark}: later")), 1, "{mark}");
    }
    for name in MACROS {
        assert_eq!(count(&format!("fn a() {{ {name}(1) }}")), 1, "{name}");
        assert_eq!(count(&format!("let a = \"{name}\";")), 0, "{name}");
    }
}

#[test]
fn a_worldly_word_is_found_in_the_core_alone() {
    let count = |path: &str, text: &str| worldly(&Source::new(path, text)).len();
    for text in [
        "use tokio::net::UdpSocket;",
        "use std::{fmt, fs};",
        "use std::net::{IpAddr, UdpSocket};",
        "let now = std::time::Instant::now();",
        "let now = Instant::now();",
        "let then = SystemTime::now();",
        "std::thread::spawn(f);",
        "let x = std::env::var(name);",
        "let x = fastrand::u8(..);",
        "let x = rand::random();",
    ] {
        assert_eq!(count("core/src/a.rs", text), 1, "{text}");
        assert_eq!(count("adapters/src/a.rs", text), 0, "{text}");
        assert_eq!(count("core/src/a.rs", &format!("#[cfg(test)]\nmod t {{ {text} }}")), 0);
        assert_eq!(count("core/src/a.rs", &format!("// {text}")), 0, "{text}");
    }
    assert_eq!(count("core/src/a.rs", "use std::net::SocketAddr; let rand = 1;"), 0);
    assert_eq!(count(ENTROPY, "fastrand::seed(1)"), 0);
    assert_eq!(count(ENTROPY, "Instant::now()"), 1);
}

#[test]
fn a_walk_over_a_hash_map_is_found() {
    let count = |text: &str| hash_order(&Source::new("core/src/a.rs", text)).len();
    let map = "struct A {\n by_id: HashMap<u8, u8>,\n}\n";
    for walk in [
        "self.by_id.iter()",
        "self\n  .by_id\n  .keys()",
        "a.by_id.values().max()",
        "for x in &self.by_id { }",
        "for (k, v) in &mut self.by_id {}",
        "self.by_id.retain(|_, _| true)",
    ] {
        assert_eq!(count(&format!("{map}fn f() {{ {walk} }}")), 1, "{walk}");
    }
    assert_eq!(count("fn f() {\nlet mut seen = HashSet::new();\nfor x in seen {} }"), 1);
    assert_eq!(count(&format!("{map}fn f() {{ self.by_id.get(&1); self.other_by_id.iter() }}")), 0);
    assert_eq!(count("use std::collections::HashMap;\nfn f() { x.iter() }"), 0);
}
