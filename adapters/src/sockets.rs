//! The UDP sockets of one driver: which one a datagram leaves through, and whose turn it is to be
//! read. It knows nothing of what the datagrams carry.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use farcast_core::machine::Icmp;
use farcast_core::outbox::Transmit;
use slab::Slab;

use crate::batch::Batch;
use crate::ready::Ready;
use crate::runtime::Udp;

/// The main sockets and those that the machine had bound since.
pub struct Sockets<U> {
    all: Slab<Bound<U>>,
    /// Looked up only: the order of hash maps must not reach the machine.
    places: HashMap<SocketAddr, usize>,
    ready: Ready,
}

struct Bound<U> {
    local: SocketAddr,
    socket: U,
}

/// What a socket brought.
#[derive(Debug)]
pub enum News {
    /// Datagrams; they are in the batch.
    Datagrams,
    /// An ICMP error.
    Unreachable {
        /// The bound address that was sent from.
        local: SocketAddr,
        /// Whom that was sent to.
        peer: SocketAddr,
        /// What the network says.
        icmp: Icmp,
    },
    /// It could not be read.
    Failed(io::Error),
}

impl<U> Default for Sockets<U> {
    fn default() -> Self {
        Sockets { all: Slab::new(), places: HashMap::new(), ready: Ready::default() }
    }
}

impl<U: Udp> Sockets<U> {
    /// Adds a bound socket; returns its address.
    pub fn add(&mut self, socket: U) -> io::Result<SocketAddr> {
        let local = socket.local_addr()?;
        self.remove(local);
        let place = self.all.insert(Bound { local, socket });
        self.places.insert(local, place);
        self.ready.push(place);
        Ok(local)
    }

    /// Drops the socket that is bound to this address, if there is one.
    pub fn remove(&mut self, local: SocketAddr) {
        if let Some(place) = self.places.remove(&local) {
            self.all.remove(place);
        }
    }

    /// Sends one run through the socket that is bound to its local address, else through the
    /// wildcard socket of that family and port. Never waits.
    pub fn send(&self, run: &Transmit<'_>) -> io::Result<()> {
        let place = |local| self.places.get(&local).copied();
        let place = place(run.local).or_else(|| place(wildcard(run.local)));
        let place = place.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        self.all[place].socket.send(run)
    }

    /// Takes what the first ready socket has. It comes last then, until it has nothing.
    pub fn poll(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<News> {
        // A socket that wakes itself meanwhile has its turn later.
        for _ in 0..self.ready.len() {
            let Some(place) = self.ready.pop() else { break };
            let Some(bound) = self.all.get(place) else { continue };
            let mut cx = Context::from_waker(self.ready.waker(place));
            if let news @ Poll::Ready(_) = bound.poll(&mut cx, batch) {
                self.ready.push(place);
                return news;
            }
        }
        self.ready.wait(cx);
        Poll::Pending
    }
}

impl<U: Udp> Bound<U> {
    fn poll(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<News> {
        if let Poll::Ready(result) = self.socket.poll_recv(cx, batch) {
            return Poll::Ready(result.map_or_else(News::Failed, |()| News::Datagrams));
        }
        let unreachable = self.socket.poll_unreachable(cx);
        unreachable.map(|(peer, icmp)| News::Unreachable { local: self.local, peer, icmp })
    }
}

fn wildcard(local: SocketAddr) -> SocketAddr {
    match local {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, local.port()).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, local.port()).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;
    use std::task::Waker;

    use super::*;

    /// Always readable; tells what was sent through it.
    struct Fake {
        local: SocketAddr,
        sent: Rc<RefCell<Vec<SocketAddr>>>,
    }

    impl Udp for Fake {
        fn local_addr(&self) -> io::Result<SocketAddr> {
            Ok(self.local)
        }

        fn poll_recv(&self, _: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
            batch.clear();
            Poll::Ready(batch.take(self.local, |_| Ok((1, self.local))))
        }

        fn send(&self, _: &Transmit<'_>) -> io::Result<()> {
            self.sent.borrow_mut().push(self.local);
            Ok(())
        }
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn sockets(locals: &[&str]) -> (Sockets<Fake>, Rc<RefCell<Vec<SocketAddr>>>) {
        let sent = Rc::default();
        let mut sockets = Sockets::default();
        for local in locals {
            let socket = Fake { local: addr(local), sent: Rc::clone(&sent) };
            assert_eq!(sockets.add(socket).unwrap(), addr(local));
        }
        (sockets, sent)
    }

    fn send(sockets: &Sockets<Fake>, local: &str) -> io::Result<()> {
        let peer = addr("192.0.2.1:1");
        sockets.send(&Transmit { local: addr(local), peer, payload: &[1], segment: 1 })
    }

    #[test]
    fn a_run_leaves_through_its_own_socket_or_the_wildcard_of_its_port_and_family() {
        let (mut sockets, sent) = sockets(&["[::]:80", "0.0.0.0:80", "10.0.0.1:80", "0.0.0.0:99"]);
        for local in ["10.0.0.1:80", "10.0.0.2:80", "[2001:db8::1]:80", "0.0.0.0:99"] {
            send(&sockets, local).unwrap();
        }
        let expected = ["10.0.0.1:80", "0.0.0.0:80", "[::]:80", "0.0.0.0:99"].map(addr);
        assert_eq!(*sent.borrow(), expected);

        sockets.remove(addr("0.0.0.0:99"));
        assert!(send(&sockets, "0.0.0.0:99").is_err());
        assert!(send(&sockets, "[2001:db8::1]:99").is_err());
    }

    #[test]
    fn no_socket_starves_another() {
        let (mut sockets, _) = sockets(&["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]);
        let mut batch = Batch::default();
        let mut cx = Context::from_waker(Waker::noop());
        let mut read = || {
            assert!(sockets.poll(&mut cx, &mut batch).is_ready());
            batch.view(|all| all[0].local.ip().to_string())
        };
        let order: Vec<_> = (0..4).map(|_| read()).collect();
        assert_eq!(order, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1"]);
    }
    /// Readable when it was told so; counts how often it is asked.
    struct Quiet {
        local: SocketAddr,
        state: Rc<RefCell<(bool, Option<Waker>)>>,
        polls: Rc<Cell<usize>>,
    }

    impl Udp for Quiet {
        fn local_addr(&self) -> io::Result<SocketAddr> {
            Ok(self.local)
        }

        fn poll_recv(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
            self.polls.set(self.polls.get() + 1);
            let mut state = self.state.borrow_mut();
            state.1 = Some(cx.waker().clone());
            if !std::mem::take(&mut state.0) {
                return Poll::Pending;
            }
            batch.clear();
            Poll::Ready(batch.take(self.local, |_| Ok((1, self.local))))
        }

        fn send(&self, _: &Transmit<'_>) -> io::Result<()> {
            unreachable!("nothing is sent")
        }
    }

    #[test]
    fn a_busy_socket_costs_the_same_however_many_are_silent() {
        let polls = Rc::<Cell<usize>>::default();
        let mut sockets = Sockets::default();
        let states: Vec<_> = (1..=2000)
            .map(|port| {
                let (local, state) = (([10, 0, 0, 1], port).into(), Rc::default());
                let quiet = Quiet { local, state: Rc::clone(&state), polls: Rc::clone(&polls) };
                sockets.add(quiet).unwrap();
                state
            })
            .collect();
        let mut batch = Batch::default();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(sockets.poll(&mut cx, &mut batch).is_pending());
        assert_eq!(polls.take(), 2000, "every new socket is asked once");
        for _ in 0..100 {
            states[1234].borrow_mut().0 = true;
            let waker = states[1234].borrow_mut().1.take().expect("it was asked");
            waker.wake();
            assert!(matches!(sockets.poll(&mut cx, &mut batch), Poll::Ready(News::Datagrams)));
            assert!(sockets.poll(&mut cx, &mut batch).is_pending());
        }
        assert_eq!(polls.get(), 200, "once for the datagram, once to find no more");
    }
}
