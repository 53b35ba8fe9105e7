//! Every story that comes with the program keeps the laws, or breaks those that it names.

use std::time::Instant;

use farcast_sim::laws::{self, Verdict};
use farcast_sim::memory;
use farcast_sim::outcome;
use farcast_sim::plan::Plan;
use farcast_sim::story::{STORIES, Story};

fn tell(story: &str, seed: u64) -> (Plan, Verdict) {
    let story = Story::named(story).expect("it comes with the program");
    let plan = Plan::new(story, seed).expect("it can be");
    let start = Instant::now();
    let told = memory::tell(&plan, false, &|_| {}).expect("it can be told");
    println!("{} told in {:?}", plan.story.name, start.elapsed());
    let net = plan.net().expect("it can be");
    for row in outcome::rows(&plan, &told.evidence, &net) {
        println!(
            "  {row:?}",
            row = (
                &row.name,
                row.viewers,
                row.floor_ms,
                row.p50_ms,
                row.p99_ms,
                row.max_ms,
                row.startup_ms,
                row.freezes
            )
        );
    }
    let verdict = laws::judge(&plan, &told.evidence).expect("it can be judged");
    (plan, verdict)
}

#[test]
fn every_story_in_memory() {
    for (name, _) in STORIES {
        let (_, verdict) = tell(name, 1);
        for breach in verdict.broken.iter().take(8) {
            println!("  BROKEN {breach}");
        }
        for (breach, missing) in verdict.expected.iter().take(4) {
            println!("  expected {breach} ({missing})");
        }
        println!("  overdue {:?}", verdict.overdue);
    }
}
