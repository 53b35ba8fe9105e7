//! Laws about rooms: who may know whom in the core, and where str0m stops.

use crate::Breach;
use crate::tidy::source::Source;

/// A file or folder right below `core/src`, and the parts of `crate` that it may name.
pub(crate) struct Room {
    /// Without `.rs`.
    pub(crate) name: &'static str,
    /// Paths below `crate`; its own is always among them.
    knows: &'static [&'static str],
}

/// Everybody's acquaintances. The values at the bottom know nobody; the two houses, `hub` and
/// `director`, share those values and `hub::words`; `node` alone composes.
pub(crate) const ROOMS: &[Room] = &[
    Room { name: "limits", knows: &[] },
    // Settings for streams name them.
    Room { name: "config", knows: &["media"] },
    Room { name: "http", knows: &[] },
    Room { name: "report", knows: &[] },
    Room { name: "seed", knows: &[] },
    Room { name: "timers", knows: &[] },
    // Who asks the director for TURN is given what the TURN server takes.
    Room { name: "credential", knows: &["config"] },
    // The words of media: a description is bounded by limits, and that is all it needs.
    Room { name: "media", knows: &["limits"] },
    // The door names what passes through it: requests and replies are facts and errands, and so are
    // reports; the outbox is what a machine is lent. It knows no room that has a machine in it.
    Room { name: "machine", knows: &["cores", "http", "outbox", "report"] },
    // What cores tell each other are values of the hub's.
    Room { name: "cores", knows: &["hub"] },
    Room { name: "outbox", knows: &["limits", "machine", "report"] },
    Room { name: "ticket", knows: &["machine"] },
    Room {
        name: "hub",
        knows: &[
            "config", "cores", "http", "limits", "machine", "media", "outbox", "report", "seed",
            "ticket", "timers",
        ],
    },
    Room {
        name: "director",
        knows: &[
            "config",
            "credential",
            "http",
            "hub::words",
            "limits",
            "machine",
            "media",
            "outbox",
            "report",
            "seed",
            "sorting",
            "ticket",
            "timers",
        ],
    },
    // Names, addresses and first bytes.
    Room { name: "sorting", knows: &["machine"] },
    Room {
        name: "turn",
        knows: &[
            "config",
            "credential",
            "http",
            "limits",
            "machine",
            "outbox",
            "report",
            "seed",
            "sorting",
            "timers",
        ],
    },
    Room {
        name: "node",
        knows: &[
            "config", "cores", "director", "hub", "machine", "outbox", "seed", "sorting", "ticket",
            "turn",
        ],
    },
];

/// The only places that may say str0m: its room, and peers that are made of it to meet our nodes.
const STR0M: [&str; 3] = ["core/src/hub/session/", "sim/", "benches/"];

/// The room that a file of the core belongs to.
pub(crate) fn room(path: &str) -> Option<String> {
    let name = path.strip_prefix("core/src/")?.split('/').next()?.trim_end_matches(".rs");
    (name != "lib").then(|| name.to_owned())
}

/// str0m's types stop at the door of its room.
pub(crate) fn str0m(source: &Source) -> Vec<Breach> {
    if source.is_test_file() || STR0M.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    let is_str0m = |path: &str| path.split("::").any(|part| part.starts_with("str0m"));
    let breach = |line| Breach {
        law: "str0m outside its room",
        place: source.path.clone(),
        line,
        amount: 0,
        what: "say it in core/src/hub/session and hand out words of ours".to_owned(),
    };
    let mentions = source.mentions().into_iter().filter(|mention| is_str0m(&mention.path));
    mentions.map(|mention| breach(mention.line)).collect()
}

/// A room names only those whom it may know.
pub(crate) fn acquaintances(source: &Source) -> Vec<Breach> {
    let Some(name) = room(&source.path) else { return Vec::new() };
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else { return Vec::new() };
    let mut breaches = Vec::new();
    for mention in source.mentions() {
        let Some(inside) = mention.path.strip_prefix("crate::") else { continue };
        let is_in = |known: &str| inside == known || inside.starts_with(&format!("{known}::"));
        if !is_in(room.name) && !room.knows.iter().any(|known| is_in(known)) {
            breaches.push(Breach {
                law: "acquaintance",
                place: source.path.clone(),
                line: mention.line,
                amount: 0,
                what: format!("{name} must not know {}; pass a value instead", mention.path),
            });
        }
    }
    breaches
}

#[test]
fn str0m_is_found_outside_its_room() {
    let count = |path: &str, text: &str| str0m(&Source::new(path, text)).len();
    let text = "use str0m::Rtc;";
    for path in ["core/src/hub/mod.rs", "core/src/media/packet.rs", "adapters/src/driver.rs"] {
        assert_eq!(count(path, text), 1, "{path}");
    }
    for path in ["core/src/hub/session/mod.rs", "sim/src/peer.rs", "adapters/tests/a.rs"] {
        assert_eq!(count(path, text), 0, "{path}");
    }
    assert_eq!(count("core/src/hub/mod.rs", "// str0m wants to hear of the time\n"), 0);
}

#[test]
fn a_forbidden_acquaintance_is_found() {
    let count = |path: &str, text: &str| acquaintances(&Source::new(path, text)).len();
    let bad = [
        ("core/src/media/sdp.rs", "use crate::http::Problem;"),
        ("core/src/media/sdp.rs", "use crate::{limits, hub};"),
        ("core/src/machine.rs", "fn f(a: crate::media::packet::Packet) {}"),
        ("core/src/machine.rs", "use crate::director::Director;"),
        ("core/src/hub/mod.rs", "use crate::director::Director;"),
        ("core/src/hub/mod.rs", "use super::director::Director;"),
        ("core/src/director/whip.rs", "use crate::hub::Hub;"),
        ("core/src/director/whip.rs", "use super::super::hub::session::Session;"),
        ("core/src/director/mod.rs", "use crate::node::Node;"),
    ];
    for (path, text) in bad {
        assert_eq!(count(path, text), 1, "{path}: {text}");
    }
    let good = [
        ("core/src/media/sdp.rs", "use crate::{limits, media::track::Kind};"),
        ("core/src/director/whip.rs", "use crate::hub::words::{Command, SessionId};"),
        ("core/src/director/whip.rs", "fn f() { super::signal::reply::http() }"),
        ("core/src/node.rs", "use crate::{director::Director, hub::Hub};"),
    ];
    for (path, text) in good {
        assert_eq!(count(path, text), 0, "{path}: {text}");
    }
}
