//! How many instructions small pieces of work take, held against the committed baseline.
//! `benches/README.md` tells how to read and refresh it.

use std::path::Path;
use std::process::ExitCode;

use farcast_benches::baseline::{self, Baseline, TOLERANCE};
use farcast_benches::{callgrind, work};

/// What is committed.
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.toml");
/// What it begins with.
const HEADING: &str = "\
# Instructions of the pieces of work in benches/src/work, as callgrind counts them.
# benches/README.md tells how to read and refresh them.
";
/// Reports of callgrind, for `callgrind_annotate`.
const REPORTS: &str = env!("CARGO_TARGET_TMPDIR");
/// With the features of `scripts/test`, so that nothing is built twice.
const REFRESH: &str = "cargo bench --workspace --features farcast/namespaces --bench instructions \
                       -- --refresh";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((_, make)) = work::ALL.iter().find(|(name, _)| arguments == [*name]) {
        callgrind::run(make().as_mut());
        return ExitCode::SUCCESS;
    }
    let refreshes = arguments.iter().any(|argument| argument == "--refresh");
    match count().and_then(|now| if refreshes { refresh(&now) } else { compare(&now) }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn count() -> Result<Baseline, String> {
    let compiler = baseline::compiler().ok_or("rustc does not tell its version")?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let count = |(name, _): (&str, _)| {
        let report = Path::new(REPORTS).join(format!("{name}.callgrind"));
        Ok((name.to_owned(), callgrind::count(&program, name, &report)?))
    };
    let instructions = work::ALL.into_iter().map(count).collect::<Result<_, String>>()?;
    Ok(Baseline { compiler, instructions })
}

fn refresh(now: &Baseline) -> Result<(), String> {
    let counts = toml::to_string(now).map_err(|error| error.to_string())?;
    std::fs::write(BASELINE, format!("{HEADING}{counts}"))
        .map_err(|error| format!("{BASELINE}: {error}"))?;
    println!("{BASELINE}:\n\n{counts}");
    Ok(())
}

fn compare(now: &Baseline) -> Result<(), String> {
    let text = std::fs::read_to_string(BASELINE).map_err(|error| format!("{BASELINE}: {error}"))?;
    let baseline: Baseline =
        toml::from_str(&text).map_err(|error| format!("{BASELINE}: {error}"))?;
    println!("{}", baseline.table(now));
    let far = baseline.far(now);
    if baseline.compiler != now.compiler {
        println!(
            "NOT HELD AGAINST THE BASELINE: it is of {}, this is {}.\nWith a new compiler, \
             `{REFRESH}` and commit.",
            baseline.compiler, now.compiler,
        );
    } else if !far.is_empty() {
        return Err(format!(
            "More than {:.0} % away from {BASELINE}: {}.\nIf that is meant to be, `{REFRESH}`, and \
             say in the commit why.",
            100.0 * TOLERANCE,
            far.join(", "),
        ));
    }
    Ok(())
}
