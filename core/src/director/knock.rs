//! Knocks at the ports of a node that asks, so that it learns which are open from outside. Nobody
//! can have it knock at somebody else: it goes to the IP that the request came from.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use crate::config::Access;
use crate::director::load;
use crate::director::relays::CallPurpose;
use crate::director::signal::knock::{Doors, Found, answer};
use crate::director::signal::reply;
use crate::director::{Desk, Director, Timer};
use crate::http::{Call, CallError, Method, Problem, Reply, Request};
use crate::limits;
use crate::machine::{BindId, ConnectId, Datagram, Output, RequestId, StreamId};
use crate::sorting::DIRECTOR;
use crate::ticket::Via;

/// The director's name for a knock; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KnockId(u64);

/// All knocks under way.
#[derive(Debug, Default)]
pub(super) struct Knocks {
    running: BTreeMap<KnockId, Knock>,
    /// The last name of a knock or a connection.
    last: u64,
}

/// One asker's doors.
#[derive(Debug)]
struct Knock {
    request: RequestId,
    asker: IpAddr,
    begun: Instant,
    /// Where UDP doors are knocked at from.
    socket: Option<SocketAddr>,
    /// How often its timer has rung.
    rounds: u32,
    udp: Vec<Door<Transaction>>,
    tcp: Vec<Door<ConnectId>>,
    https: Option<Found>,
}

/// One port; whoever answers names `key`.
#[derive(Debug)]
struct Door<K> {
    port: u16,
    key: K,
    found: Found,
}

/// A STUN transaction's id (RFC 8489 section 5).
type Transaction = [u8; 12];

/// The magic cookie (RFC 8489 section 5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// What proxies add to a request (RFC 9110 section 7.6.3, RFC 7239, and before that).
const OF_PROXIES: [&str; 3] = ["via", "forwarded", "x-forwarded-for"];

impl Director {
    /// Begins to knock; the reply follows within [`limits::KNOCK`].
    pub(super) fn knock(
        &mut self,
        request: RequestId,
        asked: &Request,
        doors: Doors,
        desk: &mut Desk<'_>,
    ) -> Result<(), Problem> {
        let asker = asked.peer.ip();
        self.may_knock(asked, &doors)?;
        self.knocks.last += 1;
        let id = KnockId(self.knocks.last);
        if !doors.udp.is_empty() {
            let any = match asker {
                IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
            };
            let near = SocketAddr::new(any, 0);
            desk.out.push(Output::Bind { bind: BindId(DIRECTOR | id.0), near });
        }
        let udp = doors.udp.iter().map(|port| self.udp_door(*port)).collect();
        let tcp = doors.tcp.iter().map(|port| self.tcp_door(asker, *port, desk)).collect();
        if let Some(url) = &doors.https {
            self.call_at(id, url, desk);
        }
        let https = doors.https.map(|_| Found::Waiting);
        let knock =
            Knock { request, asker, begun: desk.now, socket: None, rounds: 0, udp, tcp, https };
        self.knocks.running.insert(id, knock);
        self.timers.set(Timer::Knock(id), desk.now + limits::KNOCK_AGAIN);
        self.conclude(id, desk);
        Ok(())
    }

    fn may_knock(&self, asked: &Request, doors: &Doors) -> Result<(), Problem> {
        let asker = asked.peer.ip();
        let strange = |url: &String| load::host(url) != asker.to_string();
        if OF_PROXIES.iter().any(|name| asked.header(name).is_some()) {
            let detail = "a proxy stands between us, and its ports are not yours; ask directly";
            return Err(Problem::new(400, "knock through a proxy", detail));
        }
        if matches!(self.config.access, Access::Open) && doors.https.as_ref().is_some_and(strange) {
            let detail = "a node that wants no tokens calls nobody by name; take out https, or \
                          give both nodes a key_file";
            return Err(Problem::new(403, "knock at a name", detail));
        }
        let running = &self.knocks.running;
        if running.values().any(|knock| knock.asker == asker) || running.len() >= limits::KNOCKS {
            let detail = "this node is knocking already; ask again in some seconds";
            let seconds = limits::KNOCK.as_secs() as u32;
            return Err(Problem::new(429, "knocking already", detail).retry_after(seconds));
        }
        match self.stopping {
            true => Err(stops()),
            false => Ok(()),
        }
    }

    fn udp_door(&mut self, port: u16) -> Door<Transaction> {
        let mut key = Transaction::default();
        let random = self.seed.bytes();
        key.iter_mut().zip(random).for_each(|(byte, random)| *byte = random);
        Door { port, key, found: Found::Waiting }
    }

    fn tcp_door(&mut self, asker: IpAddr, port: u16, desk: &mut Desk<'_>) -> Door<ConnectId> {
        self.knocks.last += 1;
        let connect = ConnectId(DIRECTOR | self.knocks.last);
        desk.out.push(Output::Connect { connect, from: None, to: SocketAddr::new(asker, port) });
        Door { port, key: connect, found: Found::Waiting }
    }

    fn call_at(&mut self, id: KnockId, url: &str, desk: &mut Desk<'_>) {
        let call = self.new_call();
        self.relays.expect(call, CallPurpose::Knock(id));
        let request = Call {
            method: Method::Get,
            url: format!("{url}/healthz"),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: limits::KNOCK,
        };
        desk.out.push(Output::Call { call, request });
    }

    /// Whether a knock's socket receives what is sent to `local`.
    pub(crate) fn knocks_from(&self, local: SocketAddr) -> bool {
        self.knocks.running.values().any(|knock| knock.is_at(local))
    }

    /// The socket of a knock is there, or not; `false` if it is no knock's.
    pub(super) fn knock_bound(
        &mut self,
        bind: BindId,
        result: &Result<SocketAddr, String>,
        desk: &mut Desk<'_>,
    ) -> bool {
        let id = KnockId(bind.0 & !DIRECTOR);
        if bind.0 & DIRECTOR == 0 {
            return false;
        }
        match (self.knocks.running.get_mut(&id), result) {
            (Some(knock), Ok(socket)) => {
                knock.socket = Some(*socket);
                knock.ask(desk);
            }
            (Some(knock), Err(why)) => {
                let untried = Found::Untried(format!("no socket: {why}"));
                knock.udp.iter_mut().for_each(|door| door.found = untried.clone());
                self.conclude(id, desk);
            }
            // Too late.
            (None, Ok(socket)) => desk.out.push(Output::Unbind { local: *socket }),
            (None, Err(_)) => {}
        }
        true
    }

    /// Datagrams came on a socket of ours.
    pub(crate) fn heard(&mut self, datagrams: &[Datagram<'_>], desk: &mut Desk<'_>) {
        for datagram in datagrams {
            let found = self.knocks.running.iter_mut().find(|(_, k)| k.is_at(datagram.local));
            let Some((id, knock)) = found else { continue };
            let (id, took) = (*id, desk.now.saturating_duration_since(knock.begun));
            let answered = answered_transaction(datagram.payload);
            let peer = datagram.peer;
            let door = knock.udp.iter_mut().find(|door| {
                answered == Some(door.key) && peer == SocketAddr::new(knock.asker, door.port)
            });
            if let Some(door) = door.filter(|door| door.found == Found::Waiting) {
                door.found = Found::Open(took);
            }
            self.conclude(id, desk);
        }
    }

    /// A connection that we wanted is there, or not. There was nothing else to find out.
    pub(crate) fn connected(
        &mut self,
        connect: ConnectId,
        result: Result<(StreamId, SocketAddr), String>,
        desk: &mut Desk<'_>,
    ) {
        if let Ok((stream, _)) = result {
            desk.out.push(Output::End { stream });
        }
        let waits = |knock: &Knock| knock.tcp.iter().any(|door| door.key == connect);
        let found = self.knocks.running.iter_mut().find(|(_, knock)| waits(knock));
        let Some((id, knock)) = found else { return };
        let (id, took) = (*id, desk.now.saturating_duration_since(knock.begun));
        for door in knock.tcp.iter_mut().filter(|door| door.key == connect) {
            door.found = match &result {
                Ok(_) => Found::Open(took),
                Err(why) => Found::Shut(why.clone()),
            };
        }
        self.conclude(id, desk);
    }

    /// Somebody's HTTPS answered, or not.
    pub(super) fn knock_answered(
        &mut self,
        id: KnockId,
        result: Result<Reply, CallError>,
        desk: &mut Desk<'_>,
    ) {
        let Some(knock) = self.knocks.running.get_mut(&id) else { return };
        knock.https = Some(match result {
            Ok(reply) if reply.status == 200 => {
                Found::Open(desk.now.saturating_duration_since(knock.begun))
            }
            Ok(reply) => Found::Shut(format!("it answers {}", reply.status)),
            Err(error) => Found::Shut(error.to_string()),
        });
        self.conclude(id, desk);
    }

    /// Some time has passed: tries UDP again, or gives up.
    pub(super) fn knock_again(&mut self, id: KnockId, desk: &mut Desk<'_>) {
        let Some(knock) = self.knocks.running.get_mut(&id) else { return };
        knock.rounds += 1;
        if desk.now >= knock.begun + limits::KNOCK {
            return self.finish(id, desk);
        }
        match knock.rounds < limits::KNOCK_TRIES {
            true => knock.ask(desk),
            false => knock.give_up_udp(),
        }
        self.timers.set(Timer::Knock(id), desk.now + limits::KNOCK_AGAIN);
        self.conclude(id, desk);
    }

    /// Answers if nothing is waited for any more.
    fn conclude(&mut self, id: KnockId, desk: &mut Desk<'_>) {
        if self.knocks.running.get(&id).is_some_and(Knock::is_over) {
            self.finish(id, desk);
        }
    }

    fn finish(&mut self, id: KnockId, desk: &mut Desk<'_>) {
        let calendar = self.calendar(desk.now);
        let Some(knock) = self.take_down_knock(id, desk) else { return };
        let ports = [found_at(&knock.udp), found_at(&knock.tcp)];
        let found = answer(knock.asker, ports, knock.https.as_ref(), calendar);
        reply::http(knock.request, Reply::json(200, &found), desk.out);
    }

    fn take_down_knock(&mut self, id: KnockId, desk: &mut Desk<'_>) -> Option<Knock> {
        let knock = self.knocks.running.remove(&id)?;
        self.timers.clear(Timer::Knock(id));
        if let Some(local) = knock.socket {
            desk.out.push(Output::Unbind { local });
        }
        Some(knock)
    }

    /// The node stops: nobody waits for nothing.
    pub(super) fn stop_knocking(&mut self, desk: &mut Desk<'_>) {
        let running: Vec<KnockId> = self.knocks.running.keys().copied().collect();
        for id in running {
            let Some(knock) = self.take_down_knock(id, desk) else { continue };
            reply::refused(&Via::http(knock.request, None), &stops(), desk.out);
        }
    }
}

impl Knock {
    fn is_at(&self, local: SocketAddr) -> bool {
        self.socket.is_some_and(|socket| {
            socket.port() == local.port() && socket.is_ipv4() == local.is_ipv4()
        })
    }

    fn is_over(&self) -> bool {
        let waits = |found: &Found| *found == Found::Waiting;
        let udp = self.udp.iter().any(|door| waits(&door.found));
        let tcp = self.tcp.iter().any(|door| waits(&door.found));
        !udp && !tcp && !self.https.as_ref().is_some_and(waits)
    }

    /// Sends a Binding request (RFC 8489 section 3) to every UDP door that has not answered.
    fn ask(&self, desk: &mut Desk<'_>) {
        let Some(local) = self.socket else { return };
        for door in self.udp.iter().filter(|door| door.found == Found::Waiting) {
            let peer = SocketAddr::new(self.asker, door.port);
            desk.out.send_parts(local, peer, &[&[0, 1, 0, 0], &COOKIE, &door.key]);
        }
    }

    fn give_up_udp(&mut self) {
        for door in self.udp.iter_mut().filter(|door| door.found == Found::Waiting) {
            door.found = match self.socket {
                Some(_) => Found::Shut("no answer".to_owned()),
                None => Found::Untried("no socket in time".to_owned()),
            };
        }
    }
}

fn found_at<K>(doors: &[Door<K>]) -> Vec<(u16, &Found)> {
    doors.iter().map(|door| (door.port, &door.found)).collect()
}

/// The transaction that this answers, with success or an error (RFC 8489 section 5).
fn answered_transaction(payload: &[u8]) -> Option<Transaction> {
    let [1, 0x01 | 0x11, _, _, rest @ ..] = payload else { return None };
    let transaction = rest.strip_prefix(&COOKIE)?.get(..12)?;
    transaction.try_into().ok()
}

fn stops() -> Problem {
    Problem::new(503, "no room", "this node is about to stop; ask another one")
}
