//! A machine that answers on byte streams, does what it is told by datagrams, and tells a test what
//! it hears. It knows no protocol.

use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::time::Instant;

use farcast_core::http::Reply;
use farcast_core::machine::{BindId, ConnectId, Datagram, Door, Input, Machine, Output, StreamId};
use farcast_core::outbox::Outbox;

/// What it heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Accepted {
        stream: StreamId,
        door: Door,
        local: SocketAddr,
        peer: SocketAddr,
    },
    Unsent(usize),
    Ended(StreamId),
    Listening(Result<SocketAddr, String>),
    Connected(Result<(StreamId, SocketAddr), String>),
    Bound(SocketAddr),
    Unreachable {
        local: SocketAddr,
        peer: SocketAddr,
        kind: u8,
        code: u8,
    },
    /// Bytes of a stream that stopped reading, and from where they came.
    Bytes(usize),
}

/// Echoes bytes. Words on a stream: `flood N` (writes N bytes), `bye N` (the same, and ends it),
/// `deaf` (reads no more). Words in a datagram: `listen AT`, `unlisten AT`, `connect TO`,
/// `connect TO FROM`, `bind AT`, `send FROM TO`, `hear N` (the stream of that name reads again).
pub(crate) struct Talker {
    pub(crate) heard: Sender<Heard>,
}

impl Talker {
    fn tell(&self, heard: Heard) {
        // A test that has heard enough is gone.
        self.heard.send(heard).ok();
    }

    fn obey(&self, datagram: &Datagram<'_>, out: &mut Outbox) {
        let text = std::str::from_utf8(datagram.payload).expect("tests speak text");
        let words: Vec<&str> = text.split(' ').collect();
        let at = |word: &str| word.parse().expect("an address");
        match words[..] {
            ["listen", near] => out.push(Output::Listen { bind: BindId(1), near: at(near) }),
            ["unlisten", local] => out.push(Output::Unlisten { local: at(local) }),
            ["connect", to] => {
                out.push(Output::Connect { connect: ConnectId(2), from: None, to: at(to) });
            }
            ["connect", to, from] => {
                let (from, to) = (Some(at(from)), at(to));
                out.push(Output::Connect { connect: ConnectId(2), from, to });
            }
            ["bind", near] => out.push(Output::Bind { bind: BindId(3), near: at(near) }),
            ["send", from, to] => out.send(at(from), at(to), b"ping"),
            ["hear", stream] => {
                let stream = StreamId(stream.parse().expect("a number"));
                out.push(Output::Read { stream, on: true });
            }
            _ => out.send(datagram.local, datagram.peer, datagram.payload),
        }
    }

    fn answer(&self, stream: StreamId, bytes: &[u8], out: &mut Outbox) {
        let text = String::from_utf8_lossy(bytes);
        match text.split_once(' ') {
            Some((word @ ("flood" | "bye"), size)) => {
                out.write(stream, &[&pattern(size.parse().expect("a number"))]);
                if word == "bye" {
                    out.push(Output::End { stream });
                }
            }
            _ if text == "deaf" => {
                out.push(Output::Read { stream, on: false });
                out.write(stream, &[b"what?"]);
            }
            _ => out.write(stream, &[bytes]),
        }
    }
}

/// Bytes that tell whether one of them is missing.
pub(crate) fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}

impl Machine for Talker {
    fn handle(&mut self, _: Instant, input: Input<'_>, out: &mut Outbox) {
        match input {
            Input::Datagrams(all) => all.iter().for_each(|one| self.obey(one, out)),
            Input::Bytes { stream, bytes } => {
                self.tell(Heard::Bytes(bytes.len()));
                self.answer(stream, bytes, out);
            }
            Input::Accepted { stream, door, local, peer } => {
                self.tell(Heard::Accepted { stream, door, local, peer });
            }
            Input::Unsent { bytes, .. } => self.tell(Heard::Unsent(bytes)),
            Input::Ended { stream } => self.tell(Heard::Ended(stream)),
            Input::Listening { bind: BindId(1), result } => self.tell(Heard::Listening(result)),
            Input::Connected { connect: ConnectId(2), result } => {
                self.tell(Heard::Connected(result));
            }
            Input::Bound { bind: BindId(3), result } => {
                self.tell(Heard::Bound(result.expect("a free port")));
            }
            Input::Unreachable { local, peer, icmp } => {
                let (kind, code) = (icmp.kind, icmp.code);
                self.tell(Heard::Unreachable { local, peer, kind, code });
            }
            Input::Asked { id, request } => {
                let reply = Reply::new(200, "text/plain", request.path);
                out.push(Output::Reply { id, reply });
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}
