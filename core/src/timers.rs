//! One table of deadlines; every deadline has a key that says what it is for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Deadlines by key. Setting and clearing cost O(log n), asking for the next one O(1).
#[derive(Debug)]
pub struct Timers<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: BTreeMap<K, Instant>,
    next: Option<Instant>,
}

impl<K: Ord + Clone> Timers<K> {
    /// An empty table.
    pub fn new() -> Self {
        Timers { by_time: BTreeSet::new(), by_key: BTreeMap::new(), next: None }
    }

    /// Sets the deadline of `key`, whatever it was before.
    pub fn set(&mut self, key: K, at: Instant) {
        if let Some(old) = self.by_key.insert(key.clone(), at) {
            self.by_time.remove(&(old, key.clone()));
        }
        self.by_time.insert((at, key));
        self.note_next();
    }

    /// Sets the deadline of `key` unless an earlier one is set. A key that fires too early is
    /// cheaper than one that moves with every packet.
    pub fn hasten(&mut self, key: K, at: Instant) {
        if self.by_key.get(&key).is_none_or(|old| at < *old) {
            self.set(key, at);
        }
    }

    /// Forgets the deadline of `key`.
    pub fn clear(&mut self, key: K) {
        if let Some(at) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
            self.note_next();
        }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Takes one key whose deadline has come, the earliest first.
    pub fn due(&mut self, now: Instant) -> Option<K> {
        if self.next? > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        self.note_next();
        Some(key)
    }

    /// How many deadlines are set.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no deadline is set.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    fn note_next(&mut self) {
        self.next = self.by_time.first().map(|(at, _)| *at);
    }
}

impl<K: Ord + Clone> Default for Timers<K> {
    fn default() -> Self {
        Timers::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn keys_fire_in_order_of_time_and_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::new();
        timers.set("late", at(30));
        timers.set("early", at(10));
        timers.set("moved", at(5));
        timers.set("moved", at(20));
        timers.set("gone", at(1));
        timers.clear("gone");
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.due(at(9)), None);
        let fired: Vec<_> = std::iter::from_fn(|| timers.due(at(25))).collect();
        assert_eq!(fired, ["early", "moved"]);
        assert_eq!(timers.next(), Some(at(30)));
    }

    #[test]
    fn hastening_never_delays() {
        let start = Instant::now();
        let mut timers = Timers::new();
        timers.hasten(1, start + Duration::from_secs(2));
        timers.hasten(1, start + Duration::from_secs(3));
        assert_eq!(timers.next(), Some(start + Duration::from_secs(2)));
        timers.hasten(1, start + Duration::from_secs(1));
        assert_eq!(timers.next(), Some(start + Duration::from_secs(1)));
        assert_eq!(timers.len(), 1);
    }
}
