//! Carries a connected session: datagrams between its peer and its socket, what came into its
//! tally. It knows no signalling.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use farcast_adapters::runtime::{Runtime, Udp};
use farcast_core::outbox::Transmit;
use futures_lite::future;
use str0m::media::MediaKind;

use super::session::House;
use super::tally::Tally;
use crate::peer::{Peer, Received};
use crate::viewer::Viewer;

/// From an answer to a connection.
const SETUP: Duration = Duration::from_secs(10);
/// How often somebody looks whether it is time to leave, if nothing else wakes them.
const LOOK: Duration = Duration::from_millis(500);

/// A session that has been answered.
pub(super) struct Watch<'a, R: Runtime> {
    house: &'a House<R>,
    socket: R::Udp,
    peer: Peer,
    publishes: bool,
    viewer: Viewer,
    tally: &'a mut Tally,
    /// What was read.
    inbox: Vec<(SocketAddr, Vec<u8>)>,
}

impl<'a, R: Runtime> Watch<'a, R> {
    /// Nothing has come yet.
    pub(super) fn new(
        house: &'a House<R>,
        socket: R::Udp,
        peer: Peer,
        publishes: bool,
        tally: &'a mut Tally,
    ) -> Self {
        let (viewer, inbox) = (Viewer::default(), Vec::new());
        Watch { house, socket, peer, publishes, viewer, tally, inbox }
    }

    /// Goes on until the crowd leaves; the error is why it could not.
    pub(super) async fn watch(&mut self) -> Result<(), String> {
        let setup = self.now() + SETUP;
        loop {
            self.send()?;
            if self.house.crowd.leaves() {
                return self.verdict();
            }
            if self.peer.is_closed() {
                return Err("the server closed the session".to_owned());
            }
            if self.tally.connected.is_none() && self.now() >= setup {
                return Err(format!("no connection came about within {} s", SETUP.as_secs()));
            }
            let read = self.read().await.map_err(|error| format!("a socket failed: {error}"))?;
            if read {
                let at = self.house.crowd.time(self.now());
                // Whoever else has got something reads first, so that it does not seem late only
                // because we take so long to open ours.
                future::yield_now().await;
                self.take(at);
            }
            let now = self.now();
            if self.peer.deadline() <= now {
                self.peer.advance(now);
            }
            self.note(now);
        }
    }

    /// Whether the server has ended it.
    pub(super) fn is_closed(&self) -> bool {
        self.peer.is_closed()
    }

    /// They look no longer.
    pub(super) fn end(&mut self) {
        self.tally.end(self.house.crowd.time(self.now()));
    }

    /// Says goodbye as a page does that is closed, to a server that was told no other way.
    pub(super) fn close(&mut self) {
        self.peer.close(self.now());
        // Whoever may not be sent to has been told before.
        self.send().ok();
    }

    fn verdict(&self) -> Result<(), String> {
        match (self.tally.connected, self.tally.first_frame) {
            (None, _) => Err("the run ended before there was a connection".to_owned()),
            (_, None) if !self.publishes => Err("connected, but no picture came".to_owned()),
            _ => Ok(()),
        }
    }

    fn now(&self) -> Instant {
        self.house.runtime.now()
    }

    fn send(&mut self) -> Result<(), String> {
        let local = self.peer.address();
        while let Some((peer, payload)) = self.peer.next_outgoing() {
            if self.house.fence.as_ref().is_some_and(|ips| !ips.contains(&peer.ip())) {
                let ip = peer.ip();
                return Err(format!(
                    "media would leave this machine, to {ip}; that takes --i-own-this-server"
                ));
            }
            let segment = payload.len();
            // A full socket loses a datagram, as a network does.
            self.socket.send(&Transmit { local, peer, payload: &payload, segment }).ok();
        }
        Ok(())
    }

    /// Waits for datagrams, which it reads, or for the time; whether any came.
    async fn read(&mut self) -> io::Result<bool> {
        let stuck = self.viewer.deadline().map(|at| self.house.crowd.start() + at);
        let until = self.peer.deadline().min(self.now() + LOOK);
        let until = stuck.map_or(until, |at| at.min(until));
        let Watch { house, socket, inbox, .. } = self;
        let come = poll_fn(|cx| {
            let mut batch = house.batch.borrow_mut();
            ready!(socket.poll_recv(cx, &mut batch))?;
            batch.view(|all| inbox.extend(all.iter().map(|d| (d.peer, d.payload.to_vec()))));
            Poll::Ready(Ok(true))
        });
        let late = async {
            house.runtime.sleep_until(until).await;
            Ok(false)
        };
        future::or(come, late).await
    }

    /// Takes what was read `at` that time.
    fn take(&mut self, at: Duration) {
        let now = self.now();
        for (from, payload) in self.inbox.drain(..) {
            self.peer.receive(now, from, &payload);
        }
        let packets = self.peer.take_received();
        self.house.crowd.receive(packets.len());
        for packet in packets {
            self.tally.packet(at, packet.kind, packet.sequence);
            if packet.kind == MediaKind::Video {
                let Received { sequence, timestamp, stamp, marker, .. } = packet;
                self.viewer.take(at, sequence, timestamp, stamp, marker);
            }
        }
        let saw = self.tally.first_frame.is_some();
        let mut latency = self.house.latency.borrow_mut();
        for frame in self.viewer.take_shown() {
            self.tally.frame(frame, &mut latency);
        }
        if !saw && self.tally.first_frame.is_some() {
            self.house.crowd.settle();
        }
    }

    /// Notes how far it has come.
    fn note(&mut self, now: Instant) {
        let crowd = &self.house.crowd;
        if self.tally.connected.is_none() && self.peer.is_connected() {
            self.tally.connected = Some(crowd.time(now));
            crowd.connect();
            if self.publishes {
                crowd.settle();
            }
        }
        if self.publishes {
            self.tally.keyframes_asked += self.peer.take_keyframes_asked().len() as u64;
        } else if self.viewer.wants_keyframe(crowd.time(now)) {
            self.peer.ask_keyframe(now);
        }
    }
}
