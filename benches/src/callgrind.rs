//! Counts instructions under valgrind's callgrind: of Rust alone, since the code of C libraries is
//! another one on another machine. It knows neither what work that is nor how many there should be.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::meter::Meter;
use crate::work::Work;

/// [`counted`] forgets what was counted before, and what meters measure is counted.
const COLLECT: [&str; 2] =
    ["--zero-before=*callgrind::counted*", "--toggle-collect=*meter::measured*"];

/// Does work in the program that callgrind runs: once, so that all is in place, and once more,
/// which counts.
pub fn run(work: &mut dyn Work) {
    let meter = Meter::new();
    work.round(&meter);
    counted(work, &meter);
}

#[inline(never)]
fn counted(work: &mut dyn Work, meter: &Meter) {
    work.round(meter);
}

/// How many instructions a program executes in what [`run`] counts. What callgrind saw is left in
/// `report`, for `callgrind_annotate`.
pub fn count(program: &Path, argument: &str, report: &Path) -> Result<u64, String> {
    let mut valgrind = Command::new("valgrind");
    // The environment tunes libraries, and shifts the stack.
    let path = std::env::var_os("PATH").unwrap_or_default();
    valgrind.env_clear().env("PATH", path).stdout(Stdio::null());
    valgrind.args(["--quiet", "--tool=callgrind"]).args(COLLECT);
    valgrind.arg(format!("--callgrind-out-file={}", report.display()));
    let status = valgrind.arg(program).arg(argument).status();
    let status = status.map_err(|error| format!("valgrind does not run ({error}): install it"))?;
    if !status.success() {
        return Err(format!("valgrind {} {argument}: {status}", program.display()));
    }
    let failed = |error| format!("{}: {error}", report.display());
    let text = std::fs::read_to_string(report).map_err(failed)?;
    // callgrind_annotate takes a call that is counted no times for the caller's own work.
    std::fs::write(report, text.replace("calls=0 ", "calls=1 ")).map_err(failed)?;
    match of_rust(&text) {
        0 => Err(format!("{}: nothing was counted", report.display())),
        count => Ok(count),
    }
}

/// Sums a report's costs of lines in Rust files, those of calls left out: the callee has them, too.
/// The format is in valgrind's manual, "Callgrind Format Specification".
fn of_rust(report: &str) -> u64 {
    let (mut total, mut is_rust) = (0, false);
    // A file is named in full only once, where it is first mentioned.
    let mut files = HashMap::new();
    let mut lines = report.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("calls=") {
            lines.next();
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok());
            total += cost.filter(|_| is_rust).unwrap_or(0);
        } else if let Some((key @ ("fl" | "fi" | "fe" | "cfi" | "cfl"), file)) =
            line.split_once('=')
        {
            let (id, name) = file.split_once(' ').unwrap_or((file, ""));
            let known = files.entry(id).or_insert(name.ends_with(".rs"));
            if !key.starts_with('c') {
                is_rust = *known;
            }
        }
    }
    total
}

#[test]
fn rust_alone_is_counted_and_calls_are_not_counted_twice() {
    let report = "\
        events: Ir\nsummary: 1115\n\n\
        ob=(1) /target/instructions\nfl=(1) /core/src/hub.rs\nfn=(1) hub\n5 100\n+2 7\n\
        fi=(2) /aws-lc/crypto/internal.h\n9 1000\n\
        fe=(1)\n* 3\n\
        cfi=(3) /core/src/lane.rs\ncfn=(2) lane\ncalls=2 4\n5 5\n\
        fl=(3)\nfn=(2)\n4 4\n-1 1\n\
        totals: 1115\n";
    assert_eq!(of_rust(report), 100 + 7 + 3 + 4 + 1);
    assert_eq!(of_rust("events: Ir\ntotals: 0\n"), 0);
}
