//! Tells a story once, or with many seeds on all cores. It prints nothing.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use super::flags::World;
use super::pool::Pool;
use super::progress::Bar;
use crate::laws::{self, Verdict};
use crate::outcome::{self, Row};
use crate::plan::Plan;
use crate::story::Story;
use crate::told::{Progress, QUIET};

/// A story that was told and judged.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) seed: u64,
    pub(super) verdict: Verdict,
    pub(super) rows: Vec<Row>,
    /// How many viewers of each name never saw a picture.
    pub(super) blind: BTreeMap<String, usize>,
}

/// The same, with what a page about it needs.
pub(super) struct Whole {
    pub(super) plan: Plan,
    pub(super) run: Run,
    pub(super) trace: String,
}

/// Many runs of one story.
pub(super) struct Many {
    /// In order of their seeds; without points.
    pub(super) runs: Vec<Run>,
    /// All of them together.
    pub(super) rows: Vec<Row>,
}

/// Tells a story once.
pub(super) fn one(story: Story, seed: u64, world: World, trace: bool) -> Result<Whole, String> {
    let bar = Bar::new();
    let all = story.seconds + QUIET.as_secs_f64();
    let progress = |now: Duration| bar.show(now.as_secs_f64(), all, "virtual seconds");
    tell(story, seed, world, trace, &progress)
}

fn tell(
    story: Story,
    seed: u64,
    world: World,
    trace: bool,
    progress: &Progress<'_>,
) -> Result<Whole, String> {
    let plan = Plan::new(story, seed)?;
    let told = world.tell(&plan, trace, progress)?;
    let verdict = laws::judge(&plan, &told.evidence)?;
    let rows = outcome::rows(&plan, &told.evidence, &plan.net()?);
    let blind = outcome::blind(&plan, &told.evidence);
    Ok(Whole { plan, run: Run { seed, verdict, rows, blind }, trace: told.trace })
}

/// Tells a story with `count` seeds from `first` on.
pub(super) fn many(story: &Story, first: u64, count: u64, world: World) -> Result<Many, String> {
    let bar = Bar::new();
    let queue = Queue { story, first, count, world, next: AtomicU64::new(0), off: false.into() };
    let mut pool = Pool::default();
    let mut runs = Vec::new();
    thread::scope(|scope| {
        let (done, results) = mpsc::channel();
        let cores = thread::available_parallelism().map_or(1, NonZero::get) as u64;
        for _ in 0..cores.min(count) {
            let done = done.clone();
            scope.spawn(|| queue.work(done));
        }
        drop(done);
        for result in results {
            let mut run: Run = result.inspect_err(|_| queue.off.store(true, Ordering::Relaxed))?;
            pool.add(&run.rows);
            run.rows.iter_mut().for_each(|row| row.points = Vec::new());
            runs.push(run);
            bar.show(runs.len() as f64, count as f64, "runs");
        }
        Ok::<_, String>(())
    })?;
    runs.sort_by_key(|run| run.seed);
    Ok(Many { runs, rows: pool.rows() })
}

/// What the threads share.
struct Queue<'a> {
    story: &'a Story,
    first: u64,
    count: u64,
    world: World,
    next: AtomicU64,
    /// Whether somebody failed, so that nobody needs to go on.
    off: AtomicBool,
}

impl Queue<'_> {
    fn work(&self, done: Sender<Result<Run, String>>) {
        while !self.off.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.count {
                return;
            }
            let seed = self.first + number;
            let whole = tell(self.story.clone(), seed, self.world, false, &|_| {});
            let run = whole.map(|whole| whole.run);
            if done.send(run.map_err(|why| format!("seed {seed}: {why}"))).is_err() {
                return;
            }
        }
    }
}
