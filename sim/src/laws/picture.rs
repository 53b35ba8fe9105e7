//! Laws about what viewers see.

use std::time::Duration;

use super::{Breach, Case, Law};
use crate::evidence::{CATCH_UP, Route, Seen};
use crate::script::Attempt;
use crate::viewer::{self, Frame};

/// What nodes may add to the light path.
const OVERHEAD: Duration = Duration::from_millis(5);
/// The longest that any frame may take.
const SECOND: Duration = Duration::from_secs(1);
/// What timers may add to the round trips of a join: str0m looks at ICE every 50 ms.
const TIMERS: Duration = Duration::from_millis(60);
/// Frames around an event are not expected to be on time: so long before it, and after it.
const DISTURBED: (Duration, Duration) = (Duration::from_millis(1_500), Duration::from_secs(5));

impl Case<'_> {
    /// What viewers had to suffer.
    pub(super) fn pictures(&self) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for (person, seen) in self.evidence.people.iter().enumerate() {
            if self.plan.people[person].script.film.is_none() {
                breaches.extend(self.late(person, seen));
                breaches.extend(self.gaps(person, seen));
                breaches.extend(self.slow_join(person, seen));
            }
        }
        breaches
    }

    fn breach(&self, law: Law, at: Duration, person: usize, what: String) -> Breach {
        Breach { law, at, who: self.plan.people[person].name.clone(), what }
    }

    fn route(&self, person: usize, attempt: &Attempt) -> Option<Route> {
        Route::new(self.plan, self.net, person, attempt.node?)
    }

    /// The first frame of each kind that came too late.
    fn late(&self, person: usize, seen: &Seen) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for (attempt, frames) in seen.watched() {
            let Some(route) = self.route(person, attempt) else { continue };
            let Some(first) = attempt.first_frame else { continue };
            let ended = attempt.ended.map_or(Duration::MAX, |(at, _)| at);
            let heard = |sound: &&Frame| sound.shown >= first && sound.shown <= ended;
            let sounds = seen.sounds.iter().filter(heard);
            let settled = |frame: &&Frame| frame.captured >= first + CATCH_UP;
            let all: Vec<&Frame> = frames.iter().chain(sounds).filter(settled).collect();
            let worst = all.iter().find(|frame| frame.latency() > SECOND);
            breaches.extend(worst.map(|frame| {
                let what = format!("a frame took {:?}", frame.latency());
                self.breach(Law::WithinASecond, frame.shown, person, what)
            }));
            let is_late = |frame: &&&Frame| {
                frame.latency() > route.floor + OVERHEAD && !self.is_disturbed(&route, frame)
            };
            let late = all.iter().filter(|_| route.clean).find(is_late);
            breaches.extend(late.map(|frame| {
                let what = format!("{:?}, the light path is {:?}", frame.latency(), route.floor);
                self.breach(Law::OnTime, frame.shown, person, what)
            }));
        }
        breaches
    }

    fn is_disturbed(&self, route: &Route, frame: &Frame) -> bool {
        let (before, after) = DISTURBED;
        let near = |at: Duration| frame.captured + before >= at && frame.captured <= at + after;
        let events = self.plan.events.iter().filter(|(at, _)| near(*at));
        events.into_iter().any(|(_, action)| route.is_touched(self.plan, action))
    }

    /// Every pause that is too long; the picture must be there until they leave.
    fn gaps(&self, person: usize, seen: &Seen) -> Vec<Breach> {
        let script = &self.plan.people[person].script;
        let Some(attempt) = seen.attempts.last() else { return Vec::new() };
        let join = self.route(person, attempt).map(|route| route.first_frame(self.plan, self.net));
        let longest = SECOND + join.unwrap_or_default() + TIMERS;
        let last = seen.frames.last().map_or(script.opens + longest, |frame| frame.shown);
        let end = (last, script.closes.saturating_sub(last));
        let pauses = viewer::gaps(&seen.frames).chain([end]);
        let long = pauses.filter(|(_, gap)| *gap > longest);
        let what = |gap| format!("no picture for {gap:?}; a second and a join are {longest:?}");
        long.map(|(at, gap)| self.breach(Law::PictureReturns, at, person, what(gap))).collect()
    }

    /// A first try on clean links that took longer than its round trips, unless something happened
    /// or nobody published yet.
    fn slow_join(&self, person: usize, seen: &Seen) -> Option<Breach> {
        let attempt = seen.attempts.first()?;
        let route = self.route(person, attempt).filter(|route| route.clean)?;
        let (publisher, _) = self.plan.publisher(person)?;
        let live = self.evidence.people[publisher].attempts.first()?.connected?;
        let early = attempt.asked < live + DISTURBED.0;
        let touched = self.plan.events.iter().any(|(at, action)| {
            *at <= attempt.asked + DISTURBED.1 && route.is_touched(self.plan, action)
        });
        let took = attempt.first_frame? - attempt.asked;
        let budget = route.first_frame(self.plan, self.net) + TIMERS;
        (took > budget && !early && !touched).then(|| {
            let what = format!("{took:?} until the first picture, its round trips are {budget:?}");
            self.breach(Law::FirstFrame, attempt.asked, person, what)
        })
    }
}
