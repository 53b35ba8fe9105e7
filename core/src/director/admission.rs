//! Who gets in: tokens, room on the node, and whether a stream's name is free. It only reads; a
//! refusal changes nothing.

use std::time::Instant;

use crate::config::Access;
use crate::director::Director;
use crate::director::registry::Claim;
use crate::director::signal::token::{self, Act};
use crate::http::Problem;
use crate::hub::words::SessionId;
use crate::limits;
use crate::media::track::{Epoch, StreamName};

impl Director {
    /// Whether this token allows one of `acts`, with this stream.
    pub(super) fn authorize(
        &self,
        now: Instant,
        bearer: Option<&str>,
        stream: Option<&StreamName>,
        acts: &[Act],
    ) -> Result<(), Problem> {
        let Access::Keys(keys) = &self.config.access else { return Ok(()) };
        let seconds = self.calendar(now).as_secs();
        let stream = stream.map(StreamName::as_str);
        token::verify(bearer.unwrap_or(""), keys, seconds, stream, acts)
            .map(drop)
            .map_err(|refusal| refusal.to_problem())
    }

    /// Whether there is room for one more session.
    pub(super) fn room(&self) -> Result<(), Problem> {
        if self.stopping {
            return Err(full("this node is about to stop"));
        }
        if self.registry.len() >= limits::SESSIONS {
            return Err(full("this node has as many sessions as it can take"));
        }
        Ok(())
    }

    /// Whether a publisher may have this name: what it gets, and the session whose place it takes.
    /// `from` is what a relaying node says of the stream that it brings.
    pub(super) fn admit_publisher(
        &self,
        now: Instant,
        name: &StreamName,
        from: Option<Claim>,
    ) -> Result<(Claim, Option<SessionId>), Problem> {
        let known = self.streams.get(name);
        if known.is_none() && self.streams.len() >= limits::STREAMS {
            return Err(full("this node has as many streams as it can take"));
        }
        let claim = || {
            from.clone().unwrap_or_else(|| {
                let clock = self.calendar(now).as_millis() as Epoch;
                let epoch = known.map_or(clock, |stream| clock.max(stream.epoch + 1));
                Claim { epoch, holder: self.config.name.clone() }
            })
        };
        if let Some((stream, publisher)) =
            known.and_then(|stream| stream.publisher.map(|session| (stream, session)))
        {
            let quiet = self.registry.get(publisher).is_none_or(|record| record.quiet);
            let succeeds = from
                .as_ref()
                .is_some_and(|from| from.holder == stream.holder && from.epoch >= stream.epoch);
            return match quiet || succeeds {
                true => Ok((claim(), Some(publisher))),
                false => Err(taken(name, &stream.holder)),
            };
        }
        match self.fleet.holder_of(name, &self.config.name) {
            Some(holder) => Err(taken(name, holder)),
            None => Ok((claim(), None)),
        }
    }
}

fn taken(name: &StreamName, holder: &str) -> Problem {
    let detail = format!(
        "{name} is published on {holder}; choose another name, or stop that publisher first"
    );
    Problem::new(409, "stream already published", detail)
}

fn full(why: &str) -> Problem {
    let detail = format!("{why}; try again, or ask the balancer for another one");
    Problem::new(503, "no room", detail).retry_after(2)
}
