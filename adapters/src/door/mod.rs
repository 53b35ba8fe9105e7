//! A node's TCP listeners: who connects is seated, and led by its first bytes to HTTP or, as a byte
//! stream, to the machine. It knows no path's meaning and no message.

pub mod first;
pub(crate) mod rewind;
mod seats;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use async_channel::Sender;
use async_executor::LocalExecutor;
use farcast_core::machine::Door;
use futures_rustls::server::TlsStream;

use crate::http::Tasks;
use crate::http::server::{Desk, Manner, Peer};
use crate::http::site::Site;
use crate::http::tls::{self, Tls};
use crate::link::Fact;
use crate::runtime::{ByteStream, Runtime, within};
use crate::streams::Wire;
use first::Verdict;
use rewind::Rewind;
pub(crate) use seats::Seat;
use seats::Seats;

/// Where connections are led.
pub struct Rooms<T> {
    /// Pages and metrics.
    pub site: Rc<Site>,
    /// Requests for the core; when it is full, they are refused.
    pub facts: Sender<Fact>,
    /// Byte streams for the machine, if it wants any; when it is full, they are closed.
    pub streams: Option<Sender<Arrival<T>>>,
}

impl<T> Clone for Rooms<T> {
    fn clone(&self) -> Self {
        let Rooms { site, facts, streams } = self;
        Rooms { site: site.clone(), facts: facts.clone(), streams: streams.clone() }
    }
}

/// A byte stream whose first bytes have told what it speaks.
pub struct Arrival<T> {
    pub(crate) wire: Wire<T>,
    pub(crate) door: Door,
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
    pub(crate) seat: Seat,
}

/// Takes connections on `listener` for as long as it is polled, and TLS if there is `tls`: then
/// plain HTTP is shown the way to HTTPS.
pub async fn open<R: Runtime>(
    runtime: R,
    listener: R::Listener,
    tls: Option<Tls>,
    rooms: Rooms<R::Tcp>,
    executor: Rc<LocalExecutor<'static>>,
) {
    let tasks = Tasks::new(&executor);
    drop(executor);
    let Rooms { site, facts, streams } = rooms;
    let desk = Rc::new(Desk { runtime, site, facts, tasks });
    let porter = Rc::new(Porter { desk, streams, tls, seats: Seats::default() });
    let desk = &porter.desk;
    loop {
        match desk.runtime.accept(&listener).await {
            // Closing what is too much at once lets a client turn to the next node at once.
            Ok((stream, peer)) => {
                if let Some(seat) = porter.seats.take(peer.ip()) {
                    desk.tasks.spawn(Rc::clone(&porter).welcome(stream, peer, seat));
                }
            }
            // The process has too many files open, or the peer left before we looked; waiting
            // helps the former.
            Err(_) => {
                let pause = desk.runtime.now() + ACCEPT_PAUSE;
                desk.runtime.sleep_until(pause).await;
            }
        }
    }
}

/// What all connections of one listener share.
struct Porter<R: Runtime> {
    desk: Rc<Desk<R>>,
    streams: Option<Sender<Arrival<R::Tcp>>>,
    tls: Option<Tls>,
    seats: Seats,
}

impl<R: Runtime> Porter<R> {
    async fn welcome(self: Rc<Self>, stream: R::Tcp, address: SocketAddr, seat: Seat) {
        let Some((stream, verdict)) = self.look(stream, self.tls.is_some()).await else { return };
        match (verdict, &self.tls) {
            (Verdict::Tls, Some(tls)) => self.secure(stream, tls, address, seat).await,
            (Verdict::Http, Some(_)) => {
                let peer = Peer { address, manner: Manner::Astray };
                self.desk.clone().http1(stream, peer, seat).await;
            }
            (Verdict::Http, None) => {
                let peer = Peer { address, manner: Manner::Plain };
                self.desk.clone().http1(stream, peer, seat).await;
            }
            (Verdict::Turn, _) => self.plain(stream, Door::Turn { secure: false }, address, seat),
            (Verdict::Ice, _) => self.plain(stream, Door::Ice, address, seat),
            // They would not understand an answer.
            (Verdict::Tls | Verdict::Stranger | Verdict::More, _) => {}
        }
    }

    /// Leads on by what was agreed upon for under TLS, or else by the first bytes there: many TURN
    /// clients agree upon nothing, and some upon HTTP/1.1.
    async fn secure(&self, stream: Rewind<R::Tcp>, tls: &Tls, address: SocketAddr, seat: Seat) {
        // Else these are scanners and strangers to our certificate; TLS's own alert told them.
        let shaken = within(&self.desk.runtime, HANDSHAKE, tls.accept(stream)).await;
        let Some(Ok(stream)) = shaken else { return };
        let peer = Peer { address, manner: Manner::Secure };
        let desk = self.desk.clone();
        match stream.get_ref().1.alpn_protocol() {
            Some(tls::HTTP2) => return desk.http2(stream, peer, seat).await,
            Some(tls::TURN) => return self.sealed(stream, Vec::new(), address, seat),
            _ => {}
        }
        match self.look(stream, false).await {
            Some((stream, Verdict::Http)) => desk.http1(stream, peer, seat).await,
            Some((stream, Verdict::Turn)) => {
                let (stream, early) = stream.into_parts();
                self.sealed(stream, early, address, seat);
            }
            _ => {}
        }
    }

    /// Reads as many bytes ahead as tell what is spoken; `None` if they do not come.
    async fn look<S: ByteStream>(&self, stream: S, tls: bool) -> Option<(Rewind<S>, Verdict)> {
        let mut stream = Rewind::new(stream);
        let looking = async {
            loop {
                match first::sort(stream.ahead(), tls) {
                    Verdict::More => stream.look().await?,
                    verdict => return std::io::Result::Ok(verdict),
                }
            }
        };
        let verdict = within(&self.desk.runtime, FIRST, looking).await?.ok()?;
        Some((stream, verdict))
    }

    fn plain(&self, stream: Rewind<R::Tcp>, door: Door, peer: SocketAddr, seat: Seat) {
        let Ok(local) = self.desk.runtime.near_end(stream.get_ref()) else { return };
        self.pass(Arrival { wire: Wire::plain(stream), door, local, peer, seat });
    }

    fn sealed(
        &self,
        stream: TlsStream<Rewind<R::Tcp>>,
        early: Vec<u8>,
        peer: SocketAddr,
        seat: Seat,
    ) {
        let Ok(local) = self.desk.runtime.near_end(stream.get_ref().0.get_ref()) else { return };
        let (wire, door) = (Wire::secure(stream, early), Door::Turn { secure: true });
        self.pass(Arrival { wire, door, local, peer, seat });
    }

    fn pass(&self, arrival: Arrival<R::Tcp>) {
        if let Some(streams) = &self.streams {
            // More than the driver takes are closed, as those without a seat are.
            streams.try_send(arrival).ok();
        }
    }
}

/// After an accept that failed.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For the TLS handshake: three round trips around the world and a slow phone.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For the bytes that tell what is spoken.
const FIRST: Duration = Duration::from_secs(10);
