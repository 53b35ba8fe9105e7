//! How much goes over connections to peers (RFC 6062): what the operator grants an allocation, all
//! of it, and in order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use farcast_core::config::Turn;
use farcast_core::machine::{Input, Output, StreamId};

use super::connections::{allocated, connect, join, number};
use super::lab::{Lab, config};

/// What one read of a stream brings at most.
const READ: usize = 64 * 1024;
/// More than any of these floods may bring.
const TOO_MUCH: usize = 100 * 1024 * 1024;
const MILLISECOND: Duration = Duration::from_millis(1);

/// A client with connections to peers, and the world around its server.
struct Stage {
    lab: Lab,
    /// The peer's stream and the client's of each connection.
    connections: Vec<[StreamId; 2]>,
    /// Streams that are not read.
    stopped: BTreeSet<StreamId>,
    /// Bytes that each stream has brought, all of which have arrived at the other end.
    brought: BTreeMap<StreamId, usize>,
}

impl Stage {
    fn new(bitrate: u64, connections: u64) -> Self {
        let mut lab = Lab::with(Turn { bitrate: Some(bitrate), ..config() });
        let (mut client, relayed) = allocated(&mut lab);
        let connected = |each: u64| {
            let (peer, near) = (StreamId(100 + each), StreamId(10 + each));
            let port = 8000 + each as u16;
            let (_, errand) = connect(&mut lab, &mut client, ([203, 0, 113, 9], port).into());
            let connect = errand.expect("an errand");
            lab.feed(Input::Connected { connect, result: Ok((peer, relayed)) });
            let number = number(&mut lab);
            assert_eq!(join(&mut lab, near.0, &number, "alice"), None);
            lab.written(near);
            [peer, near]
        };
        let connections = (0..connections).map(connected).collect();
        lab.errands.clear();
        Stage { lab, connections, stopped: BTreeSet::new(), brought: BTreeMap::new() }
    }

    /// One end says the next bytes of an endless row, if it is read, and the other end gets them.
    fn say(&mut self, from: StreamId, to: StreamId, len: usize) -> bool {
        if self.stopped.contains(&from) {
            return false;
        }
        let brought = self.brought.entry(from).or_default();
        let bytes: Vec<u8> = (*brought..*brought + len).map(|place| (place % 251) as u8).collect();
        *brought += len;
        self.lab.feed(Input::Bytes { stream: from, bytes: &bytes });
        assert!(self.lab.written(to) == bytes, "whole, in order, and at once");
        self.look();
        true
    }

    /// One end says so much that it is not read any more.
    fn exhaust(&mut self, from: StreamId, to: StreamId) {
        let said = (0..10).take_while(|_| self.say(from, to, READ)).count();
        assert!(said < 10, "nobody stops it");
    }

    fn wait(&mut self, time: Duration) {
        self.lab.wait(time);
        self.look();
    }

    /// Stops or begins to read, as the server wants.
    fn look(&mut self) {
        for errand in self.lab.errands.drain(..) {
            match errand {
                Output::Read { stream, on: true } => assert!(self.stopped.remove(&stream)),
                Output::Read { stream, on: false } => assert!(self.stopped.insert(stream)),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Everybody says as much as is read, for so long; the bytes of all peers, and of the client.
    fn flood(&mut self, time: Duration) -> [usize; 2] {
        let end = self.lab.now + time;
        while self.lab.now < end {
            for [peer, near] in self.connections.clone() {
                self.say(peer, near, READ);
                self.say(near, peer, READ);
            }
            self.wait(MILLISECOND);
            assert!(self.brought.values().all(|bytes| *bytes < TOO_MUCH));
        }
        let of = |side: usize| {
            let streams = self.connections.iter().map(|ends| self.brought[&ends[side]]);
            streams.sum()
        };
        [of(0), of(1)]
    }
}

#[test]
fn a_flood_goes_as_fast_as_the_operator_wants_in_either_direction_and_nothing_is_lost() {
    for (bitrate, connections) in [(64_000, 1), (8_000_000, 1), (8_000_000, 5)] {
        let seconds = 60;
        let mut stage = Stage::new(bitrate, connections);
        // What comes in the first second is granted at once.
        let granted = (bitrate / 8 * (seconds + 1)) as usize;
        for bytes in stage.flood(Duration::from_secs(seconds)) {
            let reads = READ * connections as usize;
            assert!(bytes.abs_diff(granted) <= reads, "{bytes} of {granted}, {connections}");
        }
    }
}

#[test]
fn whoever_says_less_than_is_granted_is_not_held_up() {
    let mut stage = Stage::new(800_000, 1);
    let [peer, near] = stage.connections[0];
    for _ in 0..5_000 {
        assert!(stage.say(peer, near, 95) && stage.say(near, peer, 95));
        stage.wait(MILLISECOND);
    }
    stage.flood(Duration::from_secs(5));
    // Who was too fast has that behind him soon.
    stage.wait(Duration::from_secs(1));
    assert!(stage.say(peer, near, 10_000) && stage.say(near, peer, 10_000));
    assert!(stage.stopped.is_empty());
}

#[test]
fn one_direction_does_not_use_up_the_other() {
    let mut stage = Stage::new(800_000, 1);
    let [peer, near] = stage.connections[0];
    stage.exhaust(peer, near);
    assert!(stage.say(near, peer, READ));
    assert_eq!(stage.stopped, BTreeSet::from([peer]));
}

#[test]
fn whoever_was_too_fast_for_both_his_share_and_the_other_end_waits_for_both() {
    let mut stage = Stage::new(800_000, 1);
    let [peer, near] = stage.connections[0];
    stage.exhaust(peer, near);
    let unsent = |bytes| Input::Unsent { stream: near, bytes };
    stage.lab.feed(unsent(100_000));
    stage.wait(Duration::from_secs(5));
    assert!(stage.stopped.contains(&peer), "the other end does not take it");
    stage.lab.feed(unsent(0));
    stage.look();
    stage.exhaust(peer, near);
    stage.lab.feed(unsent(100_000));
    stage.lab.feed(unsent(0));
    stage.look();
    assert!(stage.stopped.contains(&peer), "he has had his share");
    stage.wait(Duration::from_secs(1));
    assert!(stage.stopped.is_empty());
}

#[test]
fn a_connection_that_ends_while_it_is_held_up_leaves_nothing_behind() {
    let mut stage = Stage::new(8_000, 1);
    let [peer, near] = stage.connections[0];
    stage.exhaust(peer, near);
    stage.exhaust(near, peer);
    stage.lab.feed(Input::Ended { stream: peer });
    stage.lab.finish();
}
