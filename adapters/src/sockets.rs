//! The UDP sockets of one driver: which one a datagram leaves through, and whose turn it is to be
//! read. It knows nothing of what the datagrams carry.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use farcast_core::outbox::Transmit;

use crate::batch::Batch;
use crate::runtime::Udp;

/// The main sockets and those that the machine had bound since.
pub struct Sockets<U> {
    /// Sorted by address, for look-ups and for the same order of reading every time.
    bound: Vec<(SocketAddr, U)>,
    /// Whose turn it is to be read first.
    turn: usize,
}

impl<U> Default for Sockets<U> {
    fn default() -> Self {
        Sockets { bound: Vec::new(), turn: 0 }
    }
}

impl<U: Udp> Sockets<U> {
    /// Adds a bound socket; returns its address.
    pub fn add(&mut self, socket: U) -> io::Result<SocketAddr> {
        let local = socket.local_addr()?;
        let place = self.place(local).unwrap_or_else(|place| place);
        self.bound.insert(place, (local, socket));
        Ok(local)
    }

    /// Drops the socket that is bound to this address, if there is one.
    pub fn remove(&mut self, local: SocketAddr) {
        if let Ok(place) = self.place(local) {
            self.bound.remove(place);
        }
    }

    /// Sends one run through the socket that is bound to its local address, else through the
    /// wildcard socket of that family and port. Never waits.
    pub fn send(&self, run: &Transmit<'_>) -> io::Result<()> {
        let place = self.place(run.local).or_else(|_| self.place(wildcard(run.local)));
        let place = place.map_err(|_| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        self.bound[place].1.send(run)
    }

    /// Receives from the first socket that has something. The one after it comes first next time.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        for step in 0..self.bound.len() {
            let place = (self.turn + step) % self.bound.len();
            if let Poll::Ready(result) = self.bound[place].1.poll_recv(cx, batch) {
                self.turn = place + 1;
                return Poll::Ready(result);
            }
        }
        Poll::Pending
    }

    fn place(&self, local: SocketAddr) -> Result<usize, usize> {
        self.bound.binary_search_by_key(&local, |(bound, _)| *bound)
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
    use std::cell::RefCell;
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
            assert!(sockets.poll_recv(&mut cx, &mut batch).is_ready());
            batch.view(|all| all[0].local.ip().to_string())
        };
        let order: Vec<_> = (0..4).map(|_| read()).collect();
        assert_eq!(order, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1"]);
    }
}
