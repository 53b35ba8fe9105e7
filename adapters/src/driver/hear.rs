//! What the tasks around the driver, and its own errands, tell the machine.

use std::time::Instant;

use farcast_core::http::CallError;
use farcast_core::machine::{Input, Machine, RequestId};

use super::{Answer, Driver, GRACE};
use crate::link::Fact;
use crate::observer::Observer;
use crate::runtime::Runtime;

impl<R: Runtime, M: Machine, O: Observer> Driver<'_, R, M, O> {
    pub(super) fn hear(&mut self, now: Instant, fact: Fact) {
        match fact {
            Fact::Asked { request, answer } => {
                self.last_request += 1;
                let id = RequestId(self.last_request);
                self.requests.insert(id, answer);
                self.tell(now, Input::Asked { id, request });
            }
            Fact::Opened { connection, peer, host, writer } => {
                self.connections.insert(connection, writer);
                self.tell(now, Input::Opened { connection, peer, host });
            }
            // We may have told the machine that a connection is lost before its task knew.
            Fact::Said { connection, text } if self.connections.contains_key(&connection) => {
                self.tell(now, Input::Said { connection, text: &text });
            }
            Fact::Writable { connection, unsent } if self.connections.contains_key(&connection) => {
                self.tell(now, Input::Writable { connection, unsent });
            }
            Fact::Left { connection, clean } => {
                if self.connections.remove(&connection).is_some() {
                    self.tell(now, Input::Left { connection, clean });
                }
            }
            Fact::Said { .. } | Fact::Writable { .. } => {}
            Fact::Answered { call, result } => self.tell(now, Input::Answered { call, result }),
            Fact::Measured(load) => self.tell(now, Input::Measured(load)),
            Fact::Alternates(servers) => self.tell(now, Input::Alternates(servers)),
            Fact::Stopping => self.stop(now),
        }
    }

    pub(super) fn stop(&mut self, now: Instant) {
        if self.end.is_none() {
            self.end = Some(now + GRACE);
            self.tell(now, Input::Stopping);
        }
    }
}

impl From<Answer> for Input<'_> {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Bound { bind, result } => Input::Bound { bind, result },
            Answer::Listening { bind, result } => Input::Listening { bind, result },
            Answer::Lost { connection } => Input::Left { connection, clean: false },
            Answer::Untold(word) => Input::Untold(word),
            Answer::NotCalled { call, why } => {
                Input::Answered { call, result: Err(CallError(why.to_owned())) }
            }
        }
    }
}
