//! Who gets in: tokens, room on the node, and whether a stream's name is free. It only reads; a
//! refusal changes nothing.

use std::time::Instant;

use crate::config::Access;
use crate::director::Director;
use crate::director::registry::Claim;
use crate::director::signal::token::{self, Act};
use crate::director::streams::Stream;
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
        if from.as_ref().is_some_and(|from| from.holder == self.config.name) {
            return Err(taken(name, &self.config.name));
        }
        let known = self.streams.get(name);
        if known.is_none() && self.streams.len() >= limits::STREAMS {
            return Err(full("this node has as many streams as it can take"));
        }
        let replaces = known.and_then(|stream| stream.publisher);
        if let (Some(stream), Some(publisher)) = (known, replaces) {
            let quiet = self.registry.get(publisher).is_none_or(|record| record.quiet);
            if !quiet && !from.as_ref().is_some_and(|from| succeeds(from, stream)) {
                return Err(taken(name, &stream.holder));
            }
        } else {
            let ours = from.as_ref().map_or(self.config.name.as_str(), |from| &from.holder);
            if let Some(holder) = self.fleet.holder_of(name, ours) {
                return Err(taken(name, holder));
            }
        }
        let claim = from.unwrap_or_else(|| {
            let clock = self.calendar(now).as_millis() as Epoch;
            let epoch = known.map_or(clock, |stream| clock.max(stream.epoch.saturating_add(1)));
            Claim { epoch, holder: self.config.name.clone(), sender: None }
        });
        Ok((claim, replaces))
    }
}

/// Whether a relay brings the stream that is there already: from the same publisher's node by the
/// same way, in this life or a newer one.
fn succeeds(from: &Claim, stream: &Stream) -> bool {
    from.holder == stream.holder && from.sender == stream.sender && from.epoch >= stream.epoch
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
