//! The laws of the repository that no compiler holds: sizes, words, and who may know whom. It reads
//! every Rust file as text; what a law cannot see that way, `clippy.toml` bans.

#![allow(clippy::disallowed_methods, reason = "it reads the repository")]

mod tidy {
    pub(crate) mod exceptions;
    pub(crate) mod rooms;
    pub(crate) mod shape;
    pub(crate) mod source;
    pub(crate) mod words;
}

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tidy::exceptions::EXCEPTIONS;
use tidy::source::Source;

/// Something that a law forbids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Breach {
    /// The law's name.
    pub(crate) law: &'static str,
    /// The file, from the root of the repository, and the function if the law is about one.
    pub(crate) place: String,
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// How much there is where the law sets a limit, else 0.
    pub(crate) amount: usize,
    /// What is wrong and what to do.
    pub(crate) what: String,
}

/// All laws; each looks at one file.
const LAWS: &[fn(&Source) -> Vec<Breach>] = &[
    shape::functions,
    shape::files,
    shape::lines,
    shape::openings,
    words::unfinished,
    words::worldly,
    words::hash_order,
    rooms::str0m,
    rooms::acquaintances,
];
use tidy::{rooms, shape, words};

#[test]
fn the_repository_keeps_its_laws() {
    let breaches = breaches();
    let unexcused: Vec<String> = breaches
        .iter()
        .filter(|breach| !EXCEPTIONS.iter().any(|exception| exception.excuses(breach)))
        .map(|breach| format!("{}:{} {}: {}", breach.place, breach.line, breach.law, breach.what))
        .collect();
    assert!(unexcused.is_empty(), "\n{}\n", unexcused.join("\n"));
}

#[test]
fn exceptions_only_shrink() {
    let breaches = breaches();
    for exception in EXCEPTIONS {
        let worst = breaches
            .iter()
            .filter(|breach| breach.law == exception.law && breach.place == exception.place)
            .map(|breach| breach.amount)
            .max();
        let stale = exception.stale(worst);
        assert!(stale.is_none(), "{}: {}: {}", exception.place, exception.law, stale.unwrap_or(""));
    }
}

#[test]
fn every_room_of_the_core_has_said_whom_it_knows() {
    let rooms: BTreeSet<String> =
        sources().iter().filter_map(|source| rooms::room(&source.path)).collect();
    let known = rooms::ROOMS.iter().map(|room| room.name.to_owned()).collect();
    assert_eq!(rooms, known, "left: the rooms of core/src; right: ROOMS in core/tests/tidy");
}

fn breaches() -> Vec<Breach> {
    let sources = sources();
    assert!(sources.len() > 50, "the repository has more files than {}", sources.len());
    sources.iter().flat_map(|source| LAWS.iter().flat_map(move |law| law(source))).collect()
}

/// Every Rust file of the repository.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("core lies in the repository");
    let mut files = Vec::new();
    collect(root, &mut files);
    let read = |file: &PathBuf| {
        let path = file.strip_prefix(root).expect("found below the root");
        let path = path.to_str().expect("our file names are ASCII").replace('\\', "/");
        Source::new(&path, &std::fs::read_to_string(file).expect("our files are readable text"))
    };
    files.iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("our folders are readable");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a readable entry").path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        let foreign = name.starts_with('.') || ["target", "node_modules"].contains(&name);
        if path.is_dir() && !foreign {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
