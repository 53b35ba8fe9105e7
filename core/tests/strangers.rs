//! Byte streams of strangers: a node takes nothing from them, and does not keep them.

#![allow(clippy::disallowed_methods, reason = "tests make up their instants from the clock's")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use farcast_core::config::{Addresses, Birth, Config};
use farcast_core::hub::session::crypto::Crypto;
use farcast_core::limits;
use farcast_core::machine::{Door, Input, Machine, Output, StreamId};
use farcast_core::node::Node;
use farcast_core::outbox::Outbox;

struct Scene {
    node: Node,
    out: Outbox,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        let now = Instant::now();
        let at = vec![SocketAddr::from(([192, 0, 2, 1], 443))];
        let addresses = Addresses { udp: at.clone(), tcp: at, ..Addresses::default() };
        let config = Config { addresses, ..Config::default() };
        let birth = Birth { seed: [7; 32], calendar: Duration::ZERO, start: now };
        let crypto = Crypto::generate().expect("the system has randomness");
        Scene { node: Node::new(config, birth, crypto), out: Outbox::default(), now }
    }

    /// Tells the node; which streams it ends.
    fn tell(&mut self, input: Input<'_>) -> Vec<u64> {
        self.node.handle(self.now, input, &mut self.out);
        let ended = self.out.errands().filter_map(|errand| match errand {
            Output::End { stream } => Some(stream.0),
            _ => None,
        });
        let ended = ended.collect();
        assert_eq!(self.out.writes().count(), 0, "a stranger is not answered");
        self.out.clear();
        ended
    }

    fn accept(&mut self, stream: u64) -> Vec<u64> {
        let (local, peer) = (([192, 0, 2, 1], 443).into(), ([198, 51, 100, 1], 7).into());
        self.tell(Input::Accepted { stream: StreamId(stream), door: Door::Ice, local, peer })
    }

    fn bytes(&mut self, stream: u64, bytes: &[u8]) -> Vec<u64> {
        self.tell(Input::Bytes { stream: StreamId(stream), bytes })
    }
}

#[test]
fn a_stream_that_does_not_begin_with_a_check_of_ours_is_ended() {
    let request = [0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let user = [0, 6, 0, 4, b'a', b':', b'b', b'c'];
    let check = [&[0, 28][..], &request, &user].concat();
    for first in [&[0, 0][..], &[0, 3, 1, 2, 3], &[0, 4, 128, 96, 0, 1], &[255, 255], &check] {
        let mut scene = Scene::new();
        assert!(scene.accept(1).is_empty());
        assert!(scene.bytes(1, &first[..1]).is_empty(), "nothing is known yet");
        assert_eq!(scene.bytes(1, &first[1..]), [1], "{first:?}");
        assert!(scene.bytes(1, first).is_empty(), "it is forgotten");
    }
}

#[test]
fn a_silent_stream_is_ended_after_ten_seconds() {
    let mut scene = Scene::new();
    scene.accept(1);
    scene.accept(2);
    scene.tell(Input::Ended { stream: StreamId(2) });
    scene.now += limits::STREAM_STRANGER - Duration::from_millis(1);
    assert!(scene.tell(Input::Timeout).is_empty());
    scene.now += Duration::from_millis(1);
    assert_eq!(scene.tell(Input::Timeout), [1]);
}

#[test]
fn only_so_many_strangers_are_kept() {
    let mut scene = Scene::new();
    let most = limits::STREAM_STRANGERS as u64;
    assert!((0..most).all(|stream| scene.accept(stream).is_empty()));
    assert_eq!(scene.accept(most), [most]);
    scene.tell(Input::Ended { stream: StreamId(0) });
    assert!(scene.accept(most + 1).is_empty());
}
