//! What the laws say, in words for people.

use std::collections::BTreeSet;

use super::runs::Run;
use super::table::shown;
use crate::COMMIT;
use crate::laws::{Breach, Law, Verdict};
use crate::story::Story;

/// Seeds whose failures are told one by one.
const TOLD: usize = 5;
/// Breaches of one law that are told.
const OF_ONE_LAW: usize = 3;

/// The laws that a story should have kept, each once.
pub(super) fn broken(verdict: &Verdict) -> BTreeSet<Law> {
    verdict.broken.iter().map(|breach| breach.law).collect()
}

/// What somebody needs to see a failure again, and what it was; nothing if all is good.
pub(super) fn failures(story: &Story, runs: &[Run]) -> String {
    let failed: Vec<&Run> = runs.iter().filter(|run| !run.verdict.is_good()).collect();
    let mut text: String = failed.iter().take(TOLD).map(|run| failure(story, run)).collect();
    if failed.len() > TOLD {
        let (more, all) = (failed.len() - TOLD, runs.len());
        text += &format!("and {more} seeds more; {} of {all} failed\n", failed.len());
    }
    text
}

fn failure(story: &Story, run: &Run) -> String {
    let name = shown(&story.name);
    let mut text = format!("seed {}, commit {COMMIT}: {name} is not as it should be\n", run.seed);
    for law in broken(&run.verdict) {
        let breaches = run.verdict.broken.iter().filter(|breach| breach.law == law);
        let breaches: Vec<&Breach> = breaches.collect();
        for breach in breaches.iter().take(OF_ONE_LAW) {
            text += &format!("  broken: {}\n", shown(&breach.to_string()));
        }
        if let Some(more) = breaches.len().checked_sub(OF_ONE_LAW).filter(|more| *more > 0) {
            text += &format!("  broken: {} {more} times more\n", law.name());
        }
    }
    for law in &run.verdict.overdue {
        text += &format!("  kept after all: {}; take it out of expected_to_fail\n", law.name());
    }
    text
}

/// Which laws were kept, which were broken, and which nobody expects to be kept: what, and names.
pub(super) fn summary(story: &Story, runs: &[Run]) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let mut kept = Vec::new();
    for law in in_force(story) {
        let breaks = runs.iter().filter(|run| broken(&run.verdict).contains(&law)).count();
        let expected = |run: &&Run| first_expected(run, law).is_some();
        let often = |count: usize| match runs {
            [_] => law.name().to_owned(),
            all => format!("{} in {count} of {} runs", law.name(), all.len()),
        };
        match (breaks, runs.iter().filter(expected).count()) {
            (0, 0) => kept.push(law.name()),
            (0, count) => {
                let missing = runs.iter().find_map(|run| first_expected(run, law)).unwrap_or("");
                lines.push(("known to break", often(count) + ", for want of " + &shown(missing)));
            }
            (count, _) => lines.push(("broken", often(count))),
        }
    }
    lines.insert(0, ("kept", kept.join(", ")));
    lines
}

/// The same for terminals.
pub(super) fn text(story: &Story, runs: &[Run]) -> String {
    let line = |(what, laws): (&str, String)| format!("{what:<16}{laws}\n");
    summary(story, runs).into_iter().map(line).collect()
}

/// What is missing for this law, if the run broke it and the story knows.
fn first_expected(run: &Run, law: Law) -> Option<&str> {
    let mut expected = run.verdict.expected.iter();
    expected.find(|(breach, _)| breach.law == law).map(|(_, missing)| missing.as_str())
}

/// The laws that are there for a story; one of them is its own.
fn in_force(story: &Story) -> impl Iterator<Item = Law> {
    let has_limit = story.limits.p99_above_floor_ms.is_some();
    Law::ALL.into_iter().filter(move |law| *law != Law::P99 || has_limit)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    fn breach(law: Law, seconds: u64) -> Breach {
        let at = Duration::from_secs(seconds);
        Breach { law, at, who: "home".to_owned(), what: "late".to_owned() }
    }

    fn run(seed: u64, broken: &[Law]) -> Run {
        let broken = broken.iter().zip(10..).map(|(law, at)| breach(*law, at)).collect();
        Run {
            seed,
            verdict: Verdict { broken, ..Verdict::default() },
            rows: Vec::new(),
            blind: Default::default(),
        }
    }

    fn story() -> Story {
        Story::named("edge-dies").expect("it comes with the program")
    }

    #[test]
    fn every_law_is_among_all() {
        let words = StrDeserializer::<Error>::new("none");
        let error = Law::deserialize(words).expect_err("there is no such law").to_string();
        let written = error.split('`').skip(3).step_by(2);
        assert!(written.eq(Law::ALL.map(Law::name)), "{error}");
    }

    #[test]
    fn a_failure_begins_with_seed_and_commit_and_tells_the_moments() {
        let laws = [Law::P99, Law::OnTime, Law::P99, Law::P99, Law::P99];
        let text = failures(&story(), &[run(1, &[]), run(7, &laws)]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with(&format!("seed 7, commit {COMMIT}: ")), "{text}");
        assert_eq!(lines[1], "  broken: on-time at 11.000 s: home: late");
        assert_eq!(lines[2], "  broken: p99 at 10.000 s: home: late");
        assert_eq!(lines[5], "  broken: p99 1 times more");
        assert_eq!(lines.len(), 6);
        assert_eq!(failures(&story(), &[run(1, &[])]), "");
    }

    #[test]
    fn a_law_that_was_kept_after_all_is_a_failure() {
        let verdict = Verdict { overdue: vec![Law::PictureReturns], ..Verdict::default() };
        let text = failures(
            &story(),
            &[Run { seed: 3, verdict, rows: Vec::new(), blind: Default::default() }],
        );
        assert!(text.starts_with("seed 3, ") && text.contains("kept after all: picture-returns"));
    }

    #[test]
    fn the_first_seeds_that_failed_are_told_and_all_are_counted() {
        let runs: Vec<Run> = (1..=9).map(|seed| run(seed, &[Law::OnTime])).collect();
        let text = failures(&story(), &runs);
        assert_eq!(text.lines().filter(|line| line.starts_with("seed ")).count(), TOLD);
        assert!(text.ends_with("and 4 seeds more; 9 of 9 failed\n"), "{text}");
    }

    #[test]
    fn the_summary_sorts_the_laws() {
        let mut known = run(1, &[Law::OnTime]);
        let expected = (breach(Law::PictureReturns, 12), "healing".to_owned());
        known.verdict.expected.push(expected);
        let one = text(&story(), std::slice::from_ref(&known));
        let lines: Vec<&str> = one.lines().collect();
        assert!(lines[0].starts_with("kept            within-a-second, ") && !one.contains("p99"));
        assert_eq!(lines[1], "broken          on-time");
        assert_eq!(lines[2], "known to break  picture-returns, for want of healing");
        let both = text(&story(), &[known, run(2, &[])]);
        assert!(both.contains("\nbroken          on-time in 1 of 2 runs\n"), "{both}");
    }
}
