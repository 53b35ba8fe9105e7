//! Which of the latest indices were used. It does not know what for.

/// Bits of a word.
const BITS: u64 = u64::BITS as u64;

/// Words of a window that remembers so many latest indices: one more than they fill, for the word
/// that the highest index has only begun (RFC 6479).
pub(super) const fn words(indices: usize) -> usize {
    indices.div_ceil(u64::BITS as usize) + 1
}

/// A ring of words, a bit for each index.
pub(super) struct Window<const WORDS: usize> {
    used: [u64; WORDS],
    /// One more than the highest used index; 0: none was used.
    end: u64,
}

impl<const WORDS: usize> Window<WORDS> {
    /// Reads what the next index will need.
    pub(super) fn warm(&self) -> usize {
        let word = (self.end / u64::from(u64::BITS)) as usize % WORDS;
        self.used[word] as usize
    }

    pub(super) const fn new() -> Self {
        Window { used: [0; WORDS], end: 0 }
    }

    /// Whether an index was certainly not used. It says no to one that is too old to know.
    pub(super) fn is_fresh(&self, index: u64) -> bool {
        if index >= self.end {
            return true;
        }
        let remembered = (WORDS as u64 - 1) * BITS;
        let (word, bit) = Self::place(index);
        self.end - index <= remembered && self.used[word] & bit == 0
    }

    /// Takes an index below 2⁶⁴ − 1 as used from now on. However far it jumps ahead, each word is
    /// cleared at most once.
    pub(super) fn mark(&mut self, index: u64) {
        if index >= self.end {
            let last = index / BITS;
            let first = self.end.div_ceil(BITS).max((last + 1).saturating_sub(WORDS as u64));
            for word in first..=last {
                self.used[(word % WORDS as u64) as usize] = 0;
            }
            self.end = index + 1;
        }
        let (word, bit) = Self::place(index);
        self.used[word] |= bit;
    }

    fn place(index: u64) -> (usize, u64) {
        ((index / BITS % WORDS as u64) as usize, 1 << (index % BITS))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const REMEMBERED: u64 = 128;
    type Small = Window<{ words(REMEMBERED as usize) }>;

    fn take(window: &mut Small, index: u64) -> bool {
        let fresh = window.is_fresh(index);
        if fresh {
            window.mark(index);
        }
        fresh
    }

    #[test]
    fn exactly_the_latest_indices_are_remembered() {
        for highest in 1000..1000 + 3 * BITS {
            let mut window = Small::new();
            assert!(take(&mut window, highest));
            assert!(take(&mut window, highest - (REMEMBERED - 1)));
            assert!(!take(&mut window, highest - REMEMBERED));
            assert!(!take(&mut window, highest - (REMEMBERED - 1)));
        }
    }

    #[test]
    fn an_index_may_be_the_first_and_the_last() {
        let mut window = Small::new();
        assert!(take(&mut window, 0) && !take(&mut window, 0));
        assert!(take(&mut window, u64::MAX - 1) && !take(&mut window, u64::MAX - 1));
        assert!(!take(&mut window, 0) && take(&mut window, u64::MAX - 2));
    }

    proptest! {
        #[test]
        fn it_knows_what_a_set_knows(
            steps in prop::collection::vec((any::<bool>(), 0u64..400, 0u32..12), 1..300),
        ) {
            let (mut window, mut used, mut highest) = (Small::new(), BTreeSet::new(), 0_u64);
            for (ahead, distance, shift) in steps {
                let distance = distance >> shift;
                let behind = highest.saturating_sub(distance);
                let index = if ahead { highest + distance } else { behind };
                let known = used.last().is_some_and(|last| last - index.min(*last) >= REMEMBERED);
                prop_assert_eq!(take(&mut window, index), !known && used.insert(index));
                highest = highest.max(index);
            }
        }
    }
}
