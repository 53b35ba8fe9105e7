//! Datagrams as strangers may send them to a node that has a live session, before and after its ICE
//! and DTLS.
//!
//! An input is a row of records: a byte that says what happens, two bytes (big-endian) with the
//! length of what follows, and that. 0: a stranger sends it. 1: it comes from the publisher's
//! address. 2: publisher and node talk until both are silent. 3: time passes, ten milliseconds for
//! each unit of the first byte. 4 and 5: the publisher's real datagram whose number is the first
//! byte comes again, from its own address or from a stranger's, with the other bytes XORed on it.

use std::net::SocketAddr;
use std::time::Duration;

use farcast_core::config::Access;
use farcast_sim::peer::Peer;
use farcast_sim::wish::{Video, Wish};

use crate::stage::Stage;

/// Where the publisher is, and where somebody else is.
const PUBLISHER: ([u8; 4], u16) = ([198, 51, 100, 1], 40_000);
const STRANGER: ([u8; 4], u16) = ([203, 0, 113, 1], 40_000);
/// Records of one input; more teach nothing new.
const RECORDS: usize = 200;
/// Between two steps of a talk: longer than the pause after which DTLS or ICE goes on.
const STEP: Duration = Duration::from_millis(20);

/// A node and its one publisher.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    publisher: Peer,
    /// What the publisher has really sent.
    sent: Vec<Vec<u8>>,
}

/// Datagrams, one after another.
pub fn datagrams(data: &[u8]) {
    let mut scene = Scene::new();
    let mut rest = data;
    for _ in 0..RECORDS {
        let [kind, high, low, tail @ ..] = rest else { break };
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (payload, after) = tail.split_at(len);
        scene.act(kind % 6, payload);
        rest = after;
    }
    scene.stage.finish();
}

/// A node with a live stream, `stream1`.
pub(crate) fn live() -> Scene {
    let mut scene = Scene::new();
    for _ in 0..100 {
        if scene.stage.population().streams > 0 {
            break;
        }
        scene.talk();
    }
    assert_eq!(scene.stage.population().streams, 1, "a publisher connects within two seconds");
    scene
}

impl Scene {
    fn new() -> Self {
        let mut stage = Stage::new(Access::Open);
        let wish = Wish { publishes: true, audio: true, video: Video::Vp8 };
        let (mut publisher, offer) = Peer::new(stage.now(), SocketAddr::from(PUBLISHER), wish);
        let reply = stage.post("/whip/stream1", &offer);
        let answer = String::from_utf8(reply.body).expect("an answer is text");
        publisher.accept(stage.now(), &answer);
        Scene { stage, publisher, sent: Vec::new() }
    }

    fn act(&mut self, kind: u8, payload: &[u8]) {
        let before = self.stage.population();
        match (kind, payload) {
            (0, _) => drop(self.stage.deliver(SocketAddr::from(STRANGER), payload)),
            (1, _) => drop(self.stage.deliver(SocketAddr::from(PUBLISHER), payload)),
            (2, _) => self.talk(),
            (3, [time, ..]) => drop(self.stage.run_for(Duration::from_millis(10) * (*time).into())),
            (4, [number, mask @ ..]) => self.again(PUBLISHER, *number, mask),
            (5, [number, mask @ ..]) => self.again(STRANGER, *number, mask),
            _ => {}
        }
        if kind == 0 || kind == 5 {
            assert_eq!(self.stage.population(), before, "a stranger ended or began a session");
        }
    }

    /// A datagram that the publisher has sent comes again, changed.
    fn again(&mut self, from: ([u8; 4], u16), number: u8, mask: &[u8]) {
        let Some(len) = self.sent.len().checked_sub(1) else { return };
        let mut payload = self.sent[usize::from(number).min(len)].clone();
        payload.iter_mut().zip(mask).for_each(|(byte, flip)| *byte ^= flip);
        self.stage.deliver(SocketAddr::from(from), &payload);
    }

    /// What publisher and node have to say to each other now and soon is carried.
    fn talk(&mut self) {
        let at_node = self.stage.run_for(STEP);
        self.publisher.advance(self.stage.now());
        self.hear(at_node);
        while let Some((_, payload)) = self.publisher.next_outgoing() {
            let heard = self.stage.deliver(SocketAddr::from(PUBLISHER), &payload);
            if self.sent.len() < usize::from(u8::MAX) {
                self.sent.push(payload);
            }
            self.hear(heard.datagrams);
        }
    }

    fn hear(&mut self, datagrams: Vec<(SocketAddr, Vec<u8>)>) {
        let node = SocketAddr::from(crate::stage::NODE);
        for (to, payload) in datagrams {
            if to == SocketAddr::from(PUBLISHER) {
                self.publisher.receive(self.stage.now(), node, &payload);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_of_the_corpus_are_answered_by_a_live_node() {
        for offer in [
            include_str!("../corpus/sdp_offer/chromium_plays.sdp"),
            include_str!("../corpus/sdp_offer/firefox_plays.sdp"),
        ] {
            let mut scene = live();
            assert!(scene.sent.len() > 2, "{} datagrams of a publisher", scene.sent.len());
            let reply = scene.stage.post("/whep/stream1", offer);
            assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
            assert_eq!(scene.stage.population().sessions, 2);
        }
    }
}
