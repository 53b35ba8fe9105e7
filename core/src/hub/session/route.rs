//! Where a peer is reached, over what, and by which rule media follows it there. It knows neither
//! sessions nor messages.

use std::net::SocketAddr;
use std::time::Instant;

use crate::limits;
use crate::machine::Carrier;

/// One way to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// What carries datagrams there.
    pub(crate) carrier: Carrier,
    /// The peer's address.
    pub(crate) peer: SocketAddr,
}

/// An ICE check that a peer sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check {
    /// Where it came from.
    pub(crate) from: Place,
    /// The address of ours that it came to.
    pub(crate) local: SocketAddr,
    /// Whether it has USE-CANDIDATE.
    pub(crate) nominates: bool,
    /// Its PRIORITY.
    pub(crate) priority: u32,
}

/// All ways to one peer, and the one that media takes.
#[derive(Debug, Default)]
pub(crate) struct Route {
    /// Learned from authenticated checks, the newest last.
    known: Vec<Known>,
    target: Option<Target>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    place: Place,
    /// Bytes that the stream below it has not taken yet.
    unsent: usize,
}

/// Where everything but STUN goes.
#[derive(Debug, Clone, Copy)]
struct Target {
    place: Place,
    /// The address of ours that it is reached from.
    local: SocketAddr,
    rank: (u8, u32),
    heard_at: Instant,
    /// Whether the peer's latest check from there did not nominate it any more.
    withdrawn: bool,
}

impl Target {
    fn is_left(&self, now: Instant) -> bool {
        self.withdrawn || now.saturating_duration_since(self.heard_at) >= limits::LEFT
    }
}

/// What nominations are worth to each other: a direct way is better than a stream, and any way
/// better than one through a relay (RFC 8445 section 5.1.2.2, RFC 6544 section 4.2). A check from a
/// relayed address does not say so: its PRIORITY is that of a peer-reflexive candidate.
fn rank(check: &Check) -> (u8, u32) {
    let carrier = match check.from.carrier {
        Carrier::Udp => 2,
        Carrier::Stream(_) => 1,
        Carrier::Relay => 0,
    };
    (carrier, check.priority)
}

impl Route {
    /// Remembers a way to the peer; returns one to forget if there are too many.
    pub(crate) fn learn(&mut self, place: Place) -> Option<Place> {
        if self.known.last().is_some_and(|known| known.place == place) {
            return None;
        }
        let unsent = self.unsent_of(place);
        self.known.retain(|known| known.place != place);
        self.known.push(Known { place, unsent });
        let too_many = self.known.len() > limits::PEER_ADDRESSES;
        too_many.then(|| self.known.remove(0).place)
    }

    /// A way is gone: whatever the peer nominates next is better.
    pub(crate) fn lose(&mut self, place: Place) {
        self.known.retain(|known| known.place != place);
        if let Some(target) = self.target.as_mut().filter(|target| target.place == place) {
            target.withdrawn = true;
        }
    }

    /// The peer begins its checks anew: it may nominate whatever it wants.
    pub(crate) fn restart(&mut self) {
        if let Some(target) = &mut self.target {
            target.withdrawn = true;
        }
    }

    /// Whether [`Route::heed`] would change anything; then the check must be authentic.
    pub(crate) fn would_heed(&self, check: &Check) -> bool {
        match &self.target {
            Some(target) if target.place == check.from => target.withdrawn == check.nominates,
            _ => check.nominates,
        }
    }

    /// Takes an authentic check of a peer that nominates. A lite agent sends where the peer
    /// nominates (RFC 8445 section 7.3.2). Who nominates several ways at once gets the best
    /// one (section 8.1.1) that it is still heard on. Others (Chromium, towards a lite agent) send
    /// USE-CANDIDATE on the way that they have selected alone and go on checking the rest: where
    /// it is missing from then on, it was withdrawn, and the next nomination counts, better or
    /// worse. `true`: the peer has moved, and what was sent to its old place may be lost.
    pub(crate) fn heed(&mut self, now: Instant, check: &Check) -> bool {
        let (place, local, rank) = (check.from, check.local, rank(check));
        let fresh = Target { place, local, rank, heard_at: now, withdrawn: false };
        let Some(target) = &mut self.target else {
            self.target = check.nominates.then_some(fresh);
            return false;
        };
        if target.place == place {
            target.withdrawn = !check.nominates;
            return false;
        }
        let left = target.is_left(now);
        if !check.nominates || !(left || rank > target.rank) {
            return false;
        }
        *target = fresh;
        left
    }

    /// Whether the peer means to be where an authentic check comes from, rather than where it is
    /// now: nothing of it was heard before, media would follow the check, or nothing is heard of it
    /// any more.
    pub(crate) fn is_drawn(&self, now: Instant, check: &Check) -> bool {
        let Some(target) = &self.target else { return self.known.is_empty() || check.nominates };
        let left = target.is_left(now);
        left || check.nominates && target.place != check.from && rank(check) > target.rank
    }

    /// Media goes here from now on, as the agent has decided that leads. `true`: it went over
    /// another kind of carrier before, or over none.
    pub(crate) fn follow(&mut self, now: Instant, place: Place, local: SocketAddr) -> bool {
        let before = self.target.replace(Target {
            place,
            local,
            rank: (0, 0),
            heard_at: now,
            withdrawn: false,
        });
        let is_stream = |place: Place| matches!(place.carrier, Carrier::Stream(_));
        before.map(|target| is_stream(target.place)) != Some(is_stream(place))
    }

    /// Something came from the peer.
    pub(crate) fn heard(&mut self, now: Instant, place: Place, local: SocketAddr) {
        if let Some(target) = self.target.as_mut().filter(|target| target.place == place) {
            target.heard_at = now;
            target.local = local;
        }
    }

    /// Where everything but STUN goes, and from which address of ours.
    pub(crate) fn target(&self) -> Option<(Place, SocketAddr)> {
        self.target.map(|target| (target.place, target.local))
    }

    /// On its way there so many bytes wait for a stream.
    pub(crate) fn waits(&mut self, place: Place, bytes: usize) {
        if let Some(known) = self.known.iter_mut().find(|known| known.place == place) {
            known.unsent = bytes;
        }
    }

    /// Bytes that wait where media goes; none where it goes in datagrams all the way.
    pub(crate) fn unsent(&self) -> usize {
        let waits = |target: &Target| target.place.carrier != Carrier::Udp;
        self.target.filter(waits).map_or(0, |target| self.unsent_of(target.place))
    }

    fn unsent_of(&self, place: Place) -> usize {
        self.known.iter().find(|known| known.place == place).map_or(0, |known| known.unsent)
    }

    /// Whether it is known, and alive.
    pub(crate) fn knows(&self, place: Place) -> bool {
        self.known.iter().any(|known| known.place == place)
    }

    /// The newest way to an address, over streams or without.
    pub(crate) fn find(&self, peer: SocketAddr, over_stream: bool) -> Option<Place> {
        let fits = |place: &Place| {
            place.peer == peer && matches!(place.carrier, Carrier::Stream(_)) == over_stream
        };
        self.known.iter().rev().map(|known| known.place).find(fits)
    }

    /// Every way, the newest last.
    pub(crate) fn places(&self) -> impl DoubleEndedIterator<Item = Place> {
        self.known.iter().map(|known| known.place)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::machine::StreamId;

    const DIRECT: Carrier = Carrier::Udp;
    const STREAM: Carrier = Carrier::Stream(StreamId(1));

    fn place(carrier: Carrier) -> Place {
        Place { carrier, peer: ([192, 0, 2, 1], 1).into() }
    }

    fn check(carrier: Carrier, nominates: bool) -> Check {
        let local = ([192, 0, 2, 9], 443).into();
        Check { from: place(carrier), local, nominates, priority: 7 }
    }

    /// Hears checks of all these at once; where media goes then, and who told of a loss.
    fn hear(
        route: &mut Route,
        now: Instant,
        checks: &[(Carrier, bool)],
    ) -> (Carrier, Vec<Carrier>) {
        let mut losses = Vec::new();
        for (carrier, nominates) in checks {
            let check = check(*carrier, *nominates);
            route.learn(check.from);
            let heeds = route.would_heed(&check);
            let before = route.target();
            if route.heed(now, &check) {
                losses.push(*carrier);
            }
            assert!(heeds || route.target() == before, "{carrier:?}");
            route.heard(now, check.from, check.local);
        }
        let (target, _) = route.target().expect("something was nominated");
        (target.carrier, losses)
    }

    #[test]
    fn media_climbs_from_relay_to_stream_to_udp_as_each_is_selected() {
        let (mut route, now) = (Route::default(), Instant::now());
        let relay = (Carrier::Relay, true);
        assert_eq!(hear(&mut route, now, &[relay]), (Carrier::Relay, vec![]));
        let stream = [(Carrier::Relay, true), (STREAM, true)];
        assert_eq!(hear(&mut route, now, &stream), (STREAM, vec![]));
        let direct = [(Carrier::Relay, false), (STREAM, false), (DIRECT, true)];
        let lossy = vec![DIRECT];
        assert_eq!(hear(&mut route, now, &direct), (DIRECT, lossy));
        let pings = [(Carrier::Relay, false), (STREAM, false), (DIRECT, true)];
        assert_eq!(hear(&mut route, now, &pings), (DIRECT, vec![]));
    }

    #[test]
    fn a_worse_way_is_taken_when_the_peer_selects_it_though_the_better_is_still_heard() {
        let (mut route, now) = (Route::default(), Instant::now());
        assert_eq!(hear(&mut route, now, &[(DIRECT, true), (STREAM, false)]).0, DIRECT);
        assert_eq!(hear(&mut route, now, &[(STREAM, true)]), (DIRECT, vec![]), "not yet");
        let selected = [(DIRECT, false), (STREAM, true)];
        assert_eq!(hear(&mut route, now, &selected), (STREAM, vec![STREAM]));
        assert_eq!(hear(&mut route, now, &[(DIRECT, false), (STREAM, true)]), (STREAM, vec![]));
    }

    #[test]
    fn of_several_nominated_ways_the_best_is_taken_that_is_heard() {
        let (mut route, now) = (Route::default(), Instant::now());
        let all = [(STREAM, true), (DIRECT, true), (Carrier::Relay, true)];
        for _ in 0..3 {
            assert_eq!(hear(&mut route, now, &all), (DIRECT, vec![]));
        }
        let later = now + limits::LEFT - Duration::from_millis(1);
        assert_eq!(hear(&mut route, later, &[(STREAM, true)]).0, DIRECT);
        let later = now + limits::LEFT;
        assert_eq!(hear(&mut route, later, &[(STREAM, true)]), (STREAM, vec![STREAM]));
        assert_eq!(hear(&mut route, later, &[(DIRECT, true)]), (DIRECT, vec![]), "it is back");
    }

    #[test]
    fn after_a_restart_or_a_loss_the_next_nomination_counts() {
        let now = Instant::now();
        for lost in [false, true] {
            let mut route = Route::default();
            hear(&mut route, now, &[(DIRECT, true)]);
            match lost {
                true => route.lose(place(DIRECT)),
                false => route.restart(),
            }
            assert_eq!(route.knows(place(DIRECT)), !lost);
            assert_eq!(hear(&mut route, now, &[(STREAM, true)]), (STREAM, vec![STREAM]));
        }
    }

    #[test]
    fn bytes_wait_only_where_media_goes() {
        let (mut route, now) = (Route::default(), Instant::now());
        hear(&mut route, now, &[(STREAM, true)]);
        route.waits(place(STREAM), 50);
        route.waits(place(Carrier::Relay), 70);
        assert_eq!(route.unsent(), 50);
        hear(&mut route, now, &[(DIRECT, true)]);
        assert_eq!(route.unsent(), 0);
    }
}
