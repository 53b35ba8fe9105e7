//! A machine that answers whatever it hears, for tests of the worlds around machines. It knows no
//! stream.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use farcast_core::http::Reply;
use farcast_core::machine::{BindId, Datagram, Input, Machine, Output};
use farcast_core::outbox::Outbox;
use farcast_core::report::Report;

/// From `later` to `late`.
pub(crate) const LATER: Duration = Duration::from_millis(60);

/// Answers a datagram with two copies and its first half. Knows three words:
/// `bind` (binds a socket, which then says `bound`), `unbind` (drops that), `later` (says `late`).
pub(crate) struct Echo {
    /// Where `bind` binds.
    near: SocketAddr,
    /// The last one who said something, and to which address of ours.
    last: Option<(SocketAddr, SocketAddr)>,
    bound: Option<SocketAddr>,
    deadline: Option<Instant>,
}

impl Echo {
    pub(crate) fn new(near: SocketAddr) -> Self {
        Echo { near, last: None, bound: None, deadline: None }
    }

    fn say(&self, word: &[u8], from: Option<SocketAddr>, out: &mut Outbox) {
        if let Some((peer, local)) = self.last {
            out.send(from.unwrap_or(local), peer, word);
        }
    }

    fn hear(&mut self, now: Instant, datagram: &Datagram<'_>, out: &mut Outbox) {
        self.last = Some((datagram.peer, datagram.local));
        match datagram.payload {
            b"bind" => out.push(Output::Bind { bind: BindId(7), near: self.near }),
            b"unbind" => {
                let local = self.bound.take().expect("`bind` came before");
                out.push(Output::Unbind { local });
                self.say(b"unbound", None, out);
            }
            b"later" => self.deadline = Some(now + LATER),
            other => {
                for copy in [other, other, &other[..other.len() / 2]] {
                    out.send(datagram.local, datagram.peer, copy);
                }
            }
        }
    }
}

impl Machine for Echo {
    fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox) {
        match input {
            Input::Datagrams(all) => all.iter().for_each(|one| self.hear(now, one, out)),
            Input::Bound { bind, result } => {
                assert_eq!(bind, BindId(7));
                self.bound = Some(result.expect("a free port can be bound"));
                self.say(b"bound", self.bound, out);
            }
            Input::Asked { id, request } => {
                let reply = Reply::new(200, "text/plain", request.path);
                out.push(Output::Reply { id, reply });
            }
            Input::Opened { connection, .. } => {
                for text in ["one", "two", "three"] {
                    out.push(Output::Write { connection, text: text.to_owned() });
                }
            }
            Input::Said { connection, text } => {
                out.push(Output::Write { connection, text: text.to_uppercase() });
            }
            Input::Left { connection, clean } => {
                let why = if clean { "clean" } else { "broken" }.to_owned();
                out.report(Report::Bad { session: connection.0, what: "left", why });
            }
            Input::Timeout => {
                let due = self.deadline.take().expect("a deadline was named");
                assert!(due <= now, "the deadline rang early");
                self.say(b"late", None, out);
            }
            Input::Stopping => self.say(b"bye", None, out),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}
