//! Answers at a node's ports while the node itself does not run, so that others can knock there:
//! the node's own sockets, HTTP and TLS with a machine that says nothing but "here".

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use async_channel::Sender;
use farcast_adapters::cores::Mailbox;
use farcast_adapters::http::site::Site;
use farcast_adapters::http::tls::Tls;
use farcast_adapters::http::trust::Trust;
use farcast_adapters::link::Fact;
use farcast_adapters::observer::{Observer, Traffic};
use farcast_adapters::serve::{self, Plan};
use farcast_adapters::smol::{self, Smol};
use farcast_core::http::Reply;
use farcast_core::machine::{Input, Machine, Output};
use farcast_core::outbox::Outbox;
use farcast_core::report::Report;

use super::stun;

/// Stands in until it is dropped.
pub(super) struct StandIn {
    facts: Sender<Fact>,
    thread: Option<JoinHandle<()>>,
}

/// Where somebody is wanted.
pub(super) struct Place {
    /// UDP sockets.
    pub(super) udp: Vec<SocketAddr>,
    /// Listeners without TLS.
    pub(super) plain: Vec<SocketAddr>,
    /// Listeners with TLS, if there is a certificate to show.
    pub(super) secure: Option<(Vec<SocketAddr>, Tls)>,
}

impl StandIn {
    /// Stands in at all these addresses, or says why it cannot.
    pub(super) fn start(place: Place, trust: Trust) -> Result<StandIn, String> {
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let plan = Plan {
                udp: place.udp,
                http: place.plain,
                https: place.secure,
                trust,
                site: Rc::new(Site::new(|_| None, String::new)),
                streams: false,
                cores: Mailbox::alone(),
            };
            let tell_ready = tell.clone();
            // Nobody listens only if the doctor is gone.
            let ready = move |_: &_, facts| drop(tell_ready.send(Ok(facts)));
            let serving = serve::serve(Smol, plan, |_| Here, Nobody, ready);
            let ended = smol::block_on(serving).map_err(|error| error.to_string());
            if let Err(why) = ended.and_then(|ended| ended.map_err(|error| error.to_string())) {
                tell.send(Err(why)).ok();
            }
        });
        let facts = told.recv().unwrap_or_else(|_| Err("it broke down".to_owned()))?;
        Ok(StandIn { facts, thread: Some(thread) })
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // If it has ended already, so much the better.
        self.facts.send_blocking(Fact::Stopping).ok();
        self.thread.take().map(JoinHandle::join);
    }
}

/// A machine that only shows that it is there.
struct Here;

impl Machine for Here {
    fn handle(&mut self, _: Instant, input: Input<'_>, out: &mut Outbox) {
        match input {
            Input::Datagrams(datagrams) => {
                for one in datagrams {
                    if let Some(answer) = stun::answer(one.payload, one.peer) {
                        out.send(one.local, one.peer, &answer);
                    }
                }
            }
            Input::Asked { id, request } => {
                let reply = match request.path.as_str() {
                    "/healthz" => Reply::new(200, "text/plain", "alive\n"),
                    _ => Reply::new(503, "text/plain", "this node is being examined\n"),
                };
                out.push(Output::Reply { id, reply });
            }
            Input::Opened { connection, .. } => {
                out.push(Output::Close { connection, reason: "this node is being examined" });
            }
            Input::Accepted { stream, .. } => out.push(Output::End { stream }),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

struct Nobody;

impl Observer for Nobody {
    fn report(&mut self, _: Instant, _: &Report) {}

    fn traffic(&mut self, _: &Traffic) {}
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    #[test]
    fn it_answers_at_all_ports_and_leaves_them_when_it_is_dropped() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let place = || Place { udp: vec![free], plain: vec![free], secure: None };
        let trust = Trust::new(None).unwrap();
        let stand_in = StandIn::start(place(), trust.clone()).unwrap();
        assert_eq!(stun::ask(free).unwrap().ip(), free.ip());
        assert!(TcpStream::connect(free).is_ok());
        let why = StandIn::start(place(), trust).err().unwrap();
        assert!(why.contains("is in use"), "{why}");
        drop(stand_in);
        assert!(UdpSocket::bind(free).is_ok());
        assert!(TcpListener::bind(free).is_ok());
    }
}
