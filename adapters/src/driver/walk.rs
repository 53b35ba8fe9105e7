//! How the driver does the errands that a machine leaves. It waits for nothing but sockets to be
//! opened, which they are at once.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::Instant;

use async_channel::TrySendError;
use farcast_core::machine::{ConnectionId, Machine, Output};
use farcast_core::outbox::Outbox;

use super::{Answer, Driver};
use crate::link::{Errand, ToPeer};
use crate::observer::{Observer, Traffic};
use crate::runtime::{ByteStream, Runtime, Udp};
use crate::sockets::Sockets;
use crate::streams::Streams;

/// Sends what lies in the outbox: datagrams first, then bytes.
pub(super) fn send<U: Udp, T: ByteStream>(
    sockets: &Sockets<U>,
    streams: &mut Streams<T>,
    traffic: &mut Traffic,
    outbox: &Outbox,
) {
    for run in outbox.transmits() {
        match sockets.send(&run) {
            Ok(()) => {
                traffic.datagrams_out += run.datagrams().len() as u64;
                traffic.bytes_out += run.payload.len() as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => traffic.dropped_runs += 1,
            Err(_) => traffic.failed_runs += 1,
        }
    }
    for (stream, bytes) in outbox.writes() {
        streams.write(stream, bytes);
    }
}

impl<R: Runtime, M: Machine, O: Observer> Driver<'_, R, M, O> {
    /// Does what the machine left: datagrams first, then streams, then the errands in their
    /// order.
    pub(super) async fn walk(&mut self, now: Instant) {
        let mut outbox = mem::take(&mut self.outbox);
        send(&self.sockets, &mut self.streams, &mut self.traffic, &outbox);
        for errand in outbox.errands() {
            self.run_errand(now, errand).await;
        }
        outbox.clear();
        self.outbox = outbox;
        if self.traffic != Traffic::default() {
            self.observer.traffic(&mem::take(&mut self.traffic));
        }
    }

    async fn run_errand(&mut self, now: Instant, errand: Output) {
        match errand {
            Output::Bind { bind, near } => {
                let socket = self.runtime.bind_relayed(near).await;
                let result = socket.and_then(|socket| self.sockets.add(socket));
                self.answers.push_back(Answer::Bound { bind, result: text(result) });
            }
            Output::Unbind { local } => self.sockets.remove(local),
            Output::Reply { id, reply } => {
                if let Some(answer) = self.requests.remove(&id) {
                    // Who asked may be gone, and has room otherwise.
                    answer.try_send(reply).ok();
                }
            }
            Output::Write { connection, text } => self.write(connection, ToPeer::Text(text)),
            Output::Close { connection, reason } => self.write(connection, ToPeer::Close(reason)),
            Output::Call { call, request } => {
                if let Err(error) = self.calls.try_send(Errand { call, request }) {
                    let why = match error {
                        TrySendError::Full(_) => "too many calls are under way",
                        TrySendError::Closed(_) => "this process makes no calls any more",
                    };
                    self.answers.push_back(Answer::NotCalled { call, why });
                }
            }
            Output::Tell { core, word } => {
                if let Err(word) = self.cores.tell(core, word) {
                    self.traffic.dropped_words += 1;
                    self.answers.push_back(Answer::Untold(word));
                }
            }
            Output::Report(report) => self.observer.report(now, &report),
            Output::Listen { bind, near } => {
                let listener = self.runtime.listen_relayed(near).await;
                let result = listener.and_then(|one| self.reach.listen(self.runtime, one));
                self.answers.push_back(Answer::Listening { bind, result: text(result) });
            }
            Output::Unlisten { local } => self.reach.unlisten(local),
            Output::Connect { connect, from, to } => {
                self.reach.connect(self.runtime, connect, from, to);
            }
            Output::Read { stream, on } => self.streams.read(stream, on),
            Output::End { stream } => self.streams.end(stream, now),
        }
    }

    /// Drops a connection that is too slow: without its sender, the connection's task ends.
    fn write(&mut self, connection: ConnectionId, message: ToPeer) {
        let Some(writer) = self.connections.get(&connection) else {
            return;
        };
        // A writer that is closed already says by itself how its connection ended.
        if let Err(TrySendError::Full(_)) = writer.try_send(message) {
            self.connections.remove(&connection);
            self.answers.push_back(Answer::Lost { connection });
        }
    }
}

/// A machine can only report an error.
fn text(result: io::Result<SocketAddr>) -> Result<SocketAddr, String> {
    result.map_err(|error| error.to_string())
}
