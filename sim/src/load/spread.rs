//! How long many things took, in bounded memory: shares to a sixty-fourth, the longest exactly. It
//! knows not what took so long.

use std::time::Duration;

/// Microseconds below which every one has a bucket of its own.
const EXACT: u64 = 128;
/// Buckets in each power of two above.
const STEPS: u64 = 64;
/// Powers of two above: up to an hour and more.
const POWERS: u64 = 26;
const BUCKETS: usize = (EXACT + POWERS * STEPS) as usize;

/// Times, counted by how long they were.
#[derive(Debug, Clone)]
pub(super) struct Spread {
    buckets: Vec<u64>,
    count: u64,
    longest: Duration,
}

impl Default for Spread {
    fn default() -> Self {
        Spread { buckets: vec![0; BUCKETS], count: 0, longest: Duration::ZERO }
    }
}

impl Spread {
    /// One more.
    pub(super) fn add(&mut self, time: Duration) {
        self.buckets[bucket(micros(time))] += 1;
        self.count += 1;
        self.longest = self.longest.max(time);
    }

    /// All of the other one's too.
    pub(super) fn merge(&mut self, other: &Spread) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(mine, theirs)| *mine += theirs);
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }

    /// What this share of all took no longer than; `None` if there were none.
    pub(super) fn at(&self, share: f64) -> Option<Duration> {
        let wanted = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        let found = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map(|bucket| Duration::from_micros(last_of(bucket)).min(self.longest))
    }

    /// The longest; `None` if there were none.
    pub(super) fn longest(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.longest)
    }
}

impl FromIterator<Duration> for Spread {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        let mut spread = Spread::default();
        times.into_iter().for_each(|time| spread.add(time));
        spread
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn bucket(micros: u64) -> usize {
    if micros < EXACT {
        return micros as usize;
    }
    let power = u64::from(micros.ilog2() - EXACT.ilog2());
    let step = (micros >> (power + 1)) - STEPS;
    ((EXACT + power * STEPS + step) as usize).min(BUCKETS - 1)
}

/// The longest time of a bucket.
fn last_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    match bucket.checked_sub(EXACT) {
        None => bucket,
        Some(above) => {
            let (power, step) = (above / STEPS, above % STEPS);
            ((step + STEPS + 1) << (power + 1)) - 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_ends_where_the_next_one_begins() {
        for index in 0..BUCKETS - 1 {
            assert_eq!(bucket(last_of(index)), index);
            assert_eq!(bucket(last_of(index) + 1), index + 1);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn shares_are_right_to_a_sixty_fourth() {
        let spread: Spread = (1..=10_000).map(Duration::from_micros).collect();
        for (share, micros) in [(0.5, 5_000.0), (0.99, 9_900.0), (0.001, 10.0)] {
            let found = spread.at(share).expect("there are some").as_secs_f64() * 1e6;
            assert!(found >= micros && found <= micros * (1.0 + 1.0 / 64.0), "{share}: {found}");
        }
        assert_eq!(spread.at(1.0), Some(Duration::from_millis(10)));
        assert_eq!(spread.longest(), Some(Duration::from_millis(10)));
    }

    #[test]
    fn none_has_no_share_and_one_has_all() {
        let mut spread = Spread::default();
        assert_eq!((spread.at(0.5), spread.longest()), (None, None));
        let second = Duration::from_secs(1);
        spread.merge(&[second].into_iter().collect());
        assert_eq!((spread.at(0.01), spread.at(1.0)), (Some(second), Some(second)));
    }
}
