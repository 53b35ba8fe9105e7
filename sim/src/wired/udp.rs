//! UDP sockets with distances: what a node sends is held until it would have arrived, and so is
//! what it receives from strangers, who delay nothing by themselves. It knows no connection.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use farcast_adapters::batch::Batch;
use farcast_adapters::runtime::Udp;
use farcast_core::machine::Icmp;
use farcast_core::outbox::Transmit;

use super::Home;
use super::alarm::Alarm;
use super::globe::{Entry, Kind};

/// Bytes that a node may hold in each direction: 0.3 s of 400 Mbit/s. What exceeds it is lost.
const ROOM: usize = 16 * 1024 * 1024;
/// How long a socket is kept after its last datagram, for whoever has yet to read that.
const LINGER: Duration = Duration::from_secs(1);
/// Reads of the socket below in a row before others get their turn.
const READS: usize = 4;

/// What waits for its time, in its order.
struct Held<T> {
    all: BTreeMap<(Instant, u64), (T, Vec<u8>)>,
    bytes: usize,
    last: u64,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Held { all: BTreeMap::new(), bytes: 0, last: 0 }
    }
}

impl<T> Held<T> {
    fn add(&mut self, due: Instant, what: T, payload: &[u8]) {
        if self.bytes + payload.len() > ROOM {
            return;
        }
        self.bytes += payload.len();
        self.last += 1;
        self.all.insert((due, self.last), (what, payload.to_vec()));
    }

    fn next_due(&self) -> Option<Instant> {
        self.all.first_key_value().map(|((due, _), _)| *due)
    }

    fn take_due(&mut self, now: Instant) -> Option<(T, Vec<u8>)> {
        let first = self.all.first_entry().filter(|first| first.key().0 <= now)?;
        let (what, payload) = first.remove();
        self.bytes -= payload.len();
        Some((what, payload))
    }
}

/// What all sockets of a node have sent and hold; any of them lets it go when its time has come. A
/// socket that was dropped stays until its last datagram has arrived, and is known until then.
pub(super) struct Post<U> {
    held: Held<Parcel<U>>,
    /// Whoever polls each of the sockets, by the sockets' numbers.
    pollers: BTreeMap<u64, Waker>,
    last_socket: u64,
}

impl<U> Default for Post<U> {
    fn default() -> Self {
        Post { held: Held::default(), pollers: BTreeMap::new(), last_socket: 0 }
    }
}

/// Where to, and through which socket. One without payload only keeps the socket.
struct Parcel<U> {
    through: Rc<Through<U>>,
    local: SocketAddr,
    peer: SocketAddr,
    segment: usize,
}

/// The socket below.
struct Through<U> {
    udp: U,
    _entry: Entry,
}

impl<U> Post<U> {
    /// Has a socket polled, so that it sets its alarm for what is held.
    fn wake(&self, socket: u64) {
        let own = self.pollers.get(&socket);
        let poller = own.or_else(|| self.pollers.first_key_value().map(|(_, poller)| poller));
        if let Some(poller) = poller {
            poller.wake_by_ref();
        }
    }
}

impl<U: Udp> Post<U> {
    fn deliver(&mut self, now: Instant) {
        while let Some((parcel, payload)) = self.held.take_due(now) {
            let Parcel { through, local, peer, segment } = parcel;
            if payload.is_empty() {
                continue;
            }
            // A full socket loses datagrams, as a network does.
            through.udp.send(&Transmit { local, peer, payload: &payload, segment }).ok();
            if Rc::strong_count(&through) == 1 {
                self.held.add(now + LINGER, Parcel { through, local, peer, segment }, &[]);
            }
        }
    }
}

/// A UDP socket with distances.
pub struct Socket<U> {
    home: Home,
    number: u64,
    through: Rc<Through<U>>,
    post: Rc<RefCell<Post<U>>>,
    /// What one read of the socket below brings.
    batch: RefCell<Batch>,
    /// From whom, to which address.
    heard: RefCell<Held<(SocketAddr, SocketAddr)>>,
    alarm: RefCell<Alarm>,
}

impl<U: Udp> Socket<U> {
    pub(super) fn new(home: Home, udp: U, entry: Entry, post: &Rc<RefCell<Post<U>>>) -> Self {
        let number = {
            let mut post = post.borrow_mut();
            post.last_socket += 1;
            post.last_socket
        };
        Socket {
            home,
            number,
            through: Rc::new(Through { udp, _entry: entry }),
            post: Rc::clone(post),
            batch: RefCell::default(),
            heard: RefCell::default(),
            alarm: RefCell::default(),
        }
    }

    /// When each datagram of a run is due below, in stretches of one fate; the lost are left out.
    fn stretches(&self, now: Instant, run: &Transmit<'_>) -> Vec<(Instant, Range<usize>)> {
        let Home { globe, ip, below } = &self.home;
        let from = SocketAddr::new(*ip, run.local.port());
        let to = globe.known_as(Kind::Udp, run.peer);
        let taken = (below.takes)(from, to);
        let since = now.saturating_duration_since(below.start);
        let mut net = globe.net();
        let mut all: Vec<(Instant, Range<usize>)> = Vec::new();
        let mut start = 0;
        for datagram in run.datagrams() {
            let range = start..start + datagram.len();
            start = range.end;
            let Some(arrival) = net.carry(since, from, to, datagram) else { continue };
            let due = below.start + arrival.saturating_sub(taken);
            match all.last_mut() {
                Some((same, before)) if *same == due && before.end == range.start => {
                    before.end = range.end;
                }
                _ => all.push((due, range)),
            }
        }
        all
    }

    /// Takes what the socket below has; ready if there may be more.
    fn read(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut batch = self.batch.borrow_mut();
        for _ in 0..READS {
            match self.through.udp.poll_recv(cx, &mut batch) {
                Poll::Ready(Ok(())) => self.hear(&mut batch),
                other => return other,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn hear(&self, batch: &mut Batch) {
        let Home { globe, ip, below } = &self.home;
        let now = (self.home.below.now)();
        let since = now.saturating_duration_since(below.start);
        let mut heard = self.heard.borrow_mut();
        batch.view(|datagrams| {
            for datagram in datagrams {
                let from = globe.known_as(Kind::Udp, datagram.peer);
                let mut net = globe.net();
                // Our own nodes have held it themselves.
                let due = match net.knows(from) {
                    true => Some(now),
                    false => {
                        let to = SocketAddr::new(*ip, datagram.local.port());
                        let arrival = net.carry(since, from, to, datagram.payload);
                        arrival.map(|arrival| below.start + arrival)
                    }
                };
                if let Some(due) = due {
                    heard.add(due, (datagram.peer, datagram.local), datagram.payload);
                }
            }
        });
    }

    /// Hands up what has arrived; whether there was anything.
    fn hand_up(&self, now: Instant, batch: &mut Batch) -> io::Result<bool> {
        let mut heard = self.heard.borrow_mut();
        batch.clear();
        let mut any = false;
        while !batch.is_full()
            && let Some(((peer, local), payload)) = heard.take_due(now)
        {
            any = true;
            batch.take(local, |buffer| {
                buffer[..payload.len()].copy_from_slice(&payload);
                Ok((payload.len(), peer))
            })?;
        }
        Ok(any)
    }
}

impl<U> Drop for Socket<U> {
    fn drop(&mut self) {
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        let through = Rc::clone(&self.through);
        let last = Parcel { through, local: nobody, peer: nobody, segment: 0 };
        let mut post = self.post.borrow_mut();
        post.held.add((self.home.below.now)() + LINGER, last, &[]);
        // The alarm for what this one had sent has gone with it.
        post.pollers.remove(&self.number);
        post.wake(self.number);
    }
}

impl<U: Udp> Udp for Socket<U> {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.through.udp.local_addr()
    }

    /// Sending has the socket polled again, so its alarm is set for whatever was sent.
    fn poll_recv(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        self.post.borrow_mut().pollers.insert(self.number, cx.waker().clone());
        loop {
            self.post.borrow_mut().deliver((self.home.below.now)());
            let more = match self.read(cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                read => read.is_ready(),
            };
            let now = (self.home.below.now)();
            if self.hand_up(now, batch)? {
                return Poll::Ready(Ok(()));
            }
            if more {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let dues = [self.post.borrow().held.next_due(), self.heard.borrow().next_due()];
            let Some(due) = dues.into_iter().flatten().min() else { return Poll::Pending };
            let mut alarm = self.alarm.borrow_mut();
            if alarm.poll(cx, &self.home.below, now, due).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_unreachable(&self, cx: &mut Context<'_>) -> Poll<(SocketAddr, Icmp)> {
        self.through.udp.poll_unreachable(cx)
    }

    fn send(&self, run: &Transmit<'_>) -> io::Result<()> {
        let now = (self.home.below.now)();
        let mut post = self.post.borrow_mut();
        // What is due goes first: no datagram overtakes another on its way.
        post.deliver(now);
        let &Transmit { local, peer, segment, .. } = run;
        for (due, range) in self.stretches(now, run) {
            let payload = &run.payload[range];
            if due <= now {
                self.through.udp.send(&Transmit { local, peer, payload, segment })?;
            } else {
                let parcel = Parcel { through: Rc::clone(&self.through), local, peer, segment };
                post.held.add(due, parcel, payload);
                post.wake(self.number);
            }
        }
        Ok(())
    }
}
