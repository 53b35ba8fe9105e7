//! Who gets the packets of a track. It knows keys, not packets or sessions.

use std::collections::BTreeMap;

/// A sink: the key of a viewer's or a downstream node's session.
pub(crate) type SinkId = usize;

/// The sinks of every track. Written when somebody joins or leaves, read for every packet.
#[derive(Debug, Default)]
pub(crate) struct Fanout {
    /// BTreeMap: a handful of tracks, and a fixed order.
    /// Vec, sorted: it is walked for every packet, and a crowd that comes or goes searches it.
    tracks: BTreeMap<u64, Vec<SinkId>>,
}

impl Fanout {
    /// Who gets the packets of this track.
    pub(crate) fn sinks(&self, track: u64) -> &[SinkId] {
        self.tracks.get(&track).map_or(&[], Vec::as_slice)
    }

    /// Adds a sink to a track; once, however often it is called.
    pub(crate) fn attach(&mut self, track: u64, sink: SinkId) {
        let sinks = self.tracks.entry(track).or_default();
        if let Err(place) = sinks.binary_search(&sink) {
            sinks.insert(place, sink);
        }
    }

    /// Takes a sink from these tracks.
    pub(crate) fn detach(&mut self, tracks: impl IntoIterator<Item = u64>, sink: SinkId) {
        for track in tracks {
            if let Some(sinks) = self.tracks.get_mut(&track) {
                if let Ok(place) = sinks.binary_search(&sink) {
                    sinks.remove(place);
                }
                if sinks.is_empty() {
                    self.tracks.remove(&track);
                }
            }
        }
    }

    /// Forgets a track and with it who watched it.
    pub(crate) fn remove(&mut self, track: u64) {
        self.tracks.remove(&track);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_reaches_exactly_those_who_are_attached(
            steps in prop::collection::vec((0u8..3, 0u64..4, 0usize..6), 0..200)
        ) {
            let mut fanout = Fanout::default();
            let mut model = BTreeSet::new();
            for (step, track, sink) in steps {
                match step {
                    0 => {
                        fanout.attach(track, sink);
                        model.insert((track, sink));
                    }
                    1 => {
                        fanout.detach([track], sink);
                        model.remove(&(track, sink));
                    }
                    _ => {
                        fanout.remove(track);
                        model.retain(|(other, _)| *other != track);
                    }
                }
                for track in 0..4 {
                    let reached: BTreeSet<_> =
                        fanout.sinks(track).iter().map(|sink| (track, *sink)).collect();
                    prop_assert_eq!(reached.len(), fanout.sinks(track).len());
                    let expected =
                        model.iter().filter(|(t, _)| *t == track).copied().collect();
                    prop_assert_eq!(reached, expected);
                }
            }
        }
    }
}
