//! Every story that comes with the program keeps the laws, or breaks those that it names.

use farcast_sim::laws;
use farcast_sim::memory;
use farcast_sim::plan::Plan;
use farcast_sim::story::{STORIES, Story};

/// Panics with everything that is needed to see it again.
fn assert_good(name: &str, seed: u64) {
    let story = Story::named(name).expect("it comes with the program");
    let plan = Plan::new(story, seed).expect("it can be");
    let told = memory::tell(&plan, false, &|_| {}).expect("it can be told");
    let verdict = laws::judge(&plan, &told.evidence).expect("it can be judged");
    let broken: Vec<String> = verdict.broken.iter().map(ToString::to_string).collect();
    assert!(
        verdict.is_good(),
        "story {name}, seed {seed}, commit {}\nbroken: {broken:#?}\nkept after all: {:?}",
        farcast_sim::COMMIT,
        verdict.overdue,
    );
}

#[test]
fn every_story_keeps_the_laws_or_names_what_is_missing() {
    for (name, _) in STORIES {
        assert_good(name, 1);
    }
}

#[test]
fn fifty_seeds_of_random_faults_keep_the_laws() {
    for seed in 1..=50 {
        assert_good("random-faults", seed);
    }
}
