//! One living node after another, in the order of the configuration.

use crate::director::balance::fleet::Fleet;

/// Remembers whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct RoundRobin {
    next: usize,
}

impl RoundRobin {
    /// The next living member's index; `None` if none lives.
    pub(crate) fn pick(&mut self, fleet: &Fleet) -> Option<usize> {
        let count = fleet.members().len();
        let turns = (0..count).map(|turn| (self.next + turn) % count);
        let chosen = turns.into_iter().find(|index| fleet.members()[*index].alive)?;
        self.next = (chosen + 1) % count;
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Edge;
    use crate::director::balance::fleet::LoadReport;

    fn fleet(alive: &[bool]) -> Fleet {
        let edges: Vec<_> = alive.iter().map(|_| Edge::default()).collect();
        let mut fleet = Fleet::new(&edges);
        for (index, alive) in alive.iter().enumerate() {
            if *alive {
                fleet.answered(index, LoadReport::default());
            }
        }
        fleet
    }

    proptest! {
        #[test]
        fn it_is_fair_over_living_nodes_and_never_names_a_dead_one(
            before in prop::collection::vec(any::<bool>(), 1..8),
            asked in 0usize..20,
            flips in any::<u8>(),
            rounds in 1usize..5,
        ) {
            let mut policy = RoundRobin::default();
            let first = fleet(&before);
            for _ in 0..asked {
                policy.pick(&first);
            }
            let alive: Vec<bool> =
                before.iter().enumerate().map(|(n, was)| was ^ (flips >> n & 1 == 1)).collect();
            let second = fleet(&alive);
            let living = alive.iter().filter(|alive| **alive).count();
            let mut named = vec![0; alive.len()];
            for _ in 0..rounds * living {
                named[policy.pick(&second).unwrap()] += 1;
            }
            for (count, alive) in named.iter().zip(&alive) {
                prop_assert_eq!(*count, if *alive { rounds } else { 0 });
            }
            prop_assert_eq!(living == 0, policy.pick(&second).is_none());
        }
    }
}
