//! The simulation as a tool for people who plan a CDN: a story goes in, a table, a page or JSON
//! comes out. It knows no world's inside.

mod chart;
mod find;
mod flags;
mod happening;
pub(crate) mod json;
mod layout;
mod map;
mod markup;
mod page;
mod pool;
pub(crate) mod progress;
mod runs;
mod table;
mod verdict;

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use flags::SimFlags;

use crate::outcome::Row;
use crate::story::Story;
use json::Document;
use runs::Run;

/// Does what the flags say. A story that is not as it should be ends with 1.
pub fn run(flags: &SimFlags) -> Result<ExitCode, String> {
    let Some(name) = &flags.story else {
        print(&find::list()?)?;
        return Ok(ExitCode::SUCCESS);
    };
    let story = find::story(name)?;
    let is_good = match flags.runs {
        Some(count) => many(flags, &story, count)?,
        None => one(flags, &story)?,
    };
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn one(flags: &SimFlags, story: &Story) -> Result<bool, String> {
    // Who cannot write should not have to wait for a story first.
    let page = flags.html.as_deref().map(Sheet::open).transpose()?;
    let trace = flags.trace.as_deref().map(Sheet::open).transpose()?;
    let whole = runs::one(story.clone(), flags.seed, flags.world, trace.is_some())?;
    if let Some(trace) = trace {
        trace.write(&whole.trace)?;
    }
    if let Some(page) = page {
        page.write(&page::text(&whole, flags.world))?;
    }
    let json = || json::text(&Document::new(&story.name, &whole.run));
    let told = format!("seed {}", flags.seed);
    tell(flags, story, std::slice::from_ref(&whole.run), &whole.run.rows, &told, json)
}

fn many(flags: &SimFlags, story: &Story, count: u64) -> Result<bool, String> {
    let many = runs::many(story, flags.seed, count, flags.world)?;
    let json = || {
        let documents = many.runs.iter().map(|run| Document::new(&story.name, run));
        json::text(&documents.collect::<Vec<_>>())
    };
    let told = format!(
        "seeds {} to {}; frames, viewers and freezes of all runs, their longest start-up",
        flags.seed,
        flags.seed + (count - 1)
    );
    tell(flags, story, &many.runs, &many.rows, &told, json)
}

/// Prints what came of it; whether everything is as it should be.
fn tell(
    flags: &SimFlags,
    story: &Story,
    runs: &[Run],
    rows: &[Row],
    told: &str,
    json: impl FnOnce() -> Result<String, String>,
) -> Result<bool, String> {
    let failures = verdict::failures(story, runs);
    if flags.json {
        eprint!("{failures}");
        print(&json()?)?;
        return Ok(failures.is_empty());
    }
    let gap = if failures.is_empty() { "" } else { "\n" };
    let colon = if story.about.is_empty() { "" } else { ": " };
    let title = table::shown(&[&story.name, colon, &story.about].concat());
    let (seconds, world) = (story.seconds, flags.world.name());
    let table = table::text(rows);
    let blind: String = table::blind(runs).into_iter().map(|line| line + "\n").collect();
    let summary = verdict::text(story, runs);
    print(&format!(
        "{failures}{gap}{title}\n{seconds} s {world}, {told}; times in milliseconds\n\n\
         {table}{blind}\n{summary}"
    ))?;
    Ok(failures.is_empty())
}

/// Prints, unless nobody listens any more, as with `farcast sim | head`.
pub(crate) fn print(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("cannot print: {error}"))
        }
        _ => Ok(()),
    }
}

/// A file to be written.
struct Sheet {
    path: PathBuf,
    file: File,
}

impl Sheet {
    fn open(path: &Path) -> Result<Sheet, String> {
        let file = File::create(path);
        let file = file.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(Sheet { path: path.to_owned(), file })
    }

    fn write(mut self, text: &str) -> Result<(), String> {
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| format!("cannot write {}: {error}", self.path.display()))
    }
}
