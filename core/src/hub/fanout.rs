//! Who gets the packets of a layer of a track. It knows keys, not packets or sessions.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::hub::demux::SessionKey;

/// A sink: one lane to a viewer or to a downstream node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SinkId {
    /// Whose.
    pub(crate) session: SessionKey,
    /// Its number there.
    pub(crate) lane: usize,
}

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

    /// Takes a sink from a track.
    pub(crate) fn detach(&mut self, track: u64, sink: SinkId) {
        self.cut(track, |sinks| match sinks.binary_search(&sink) {
            Ok(place) => place..place + 1,
            Err(place) => place..place,
        });
    }

    /// Takes all lanes of a session from a track.
    pub(crate) fn leave(&mut self, track: u64, session: SessionKey) {
        self.cut(track, |sinks| {
            let first = sinks.partition_point(|sink| sink.session < session);
            first..sinks.partition_point(|sink| sink.session <= session)
        });
    }

    fn cut(&mut self, track: u64, which: impl FnOnce(&[SinkId]) -> Range<usize>) {
        let Some(sinks) = self.tracks.get_mut(&track) else { return };
        let range = which(sinks);
        sinks.drain(range);
        if sinks.is_empty() {
            self.tracks.remove(&track);
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
            steps in prop::collection::vec((0u8..4, 0u64..4, 0usize..6), 0..200)
        ) {
            let mut fanout = Fanout::default();
            let mut model = BTreeSet::new();
            for (step, track, number) in steps {
                let sink = SinkId { session: number / 2, lane: number % 2 };
                match step {
                    0 => {
                        fanout.attach(track, sink);
                        model.insert((track, sink));
                    }
                    1 => {
                        fanout.detach(track, sink);
                        model.remove(&(track, sink));
                    }
                    2 => {
                        fanout.leave(track, sink.session);
                        model.retain(|(t, other)| *t != track || other.session != sink.session);
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
