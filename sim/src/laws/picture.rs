//! Laws about what viewers see.

use std::time::Duration;

use super::{Breach, Case, Law};
use crate::evidence::{CATCH_UP, Route, Seen};
use crate::plan::Action;
use crate::script::Attempt;
use crate::viewer::{self, Frame};

/// What nodes may add to the light path.
const OVERHEAD: Duration = Duration::from_millis(5);
/// The longest that any frame may take.
const SECOND: Duration = Duration::from_secs(1);
/// What timers may add to the round trips of a join.
const TIMERS: Duration = Duration::from_millis(20);
/// Who has no node for so long has reason to complain.
const UNSERVED: Duration = Duration::from_secs(5);
/// Until a new address is known.
const CONSENT: Duration = Duration::from_secs(3);
/// Keyframes for several joiners come at most twice a second, so one may have to wait.
const SHARED: (Duration, Duration) = (Duration::from_secs(2), Duration::from_millis(500));
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
        events.into_iter().any(|(_, action)| route.is_touched(action))
            || self.is_squeezed(route, frame.captured)
    }

    /// Whether the last that happened to somebody's byte streams was that they got narrow.
    fn is_squeezed(&self, route: &Route, at: Duration) -> bool {
        let before = self.plan.events.iter().rev().filter(|(moment, _)| *moment <= at);
        let mut squeezes = before.filter_map(|(_, action)| match action {
            Action::Squeeze(_, kbps) if route.is_touched(action) => Some(kbps.is_some()),
            _ => None,
        });
        squeezes.next().unwrap_or(false)
    }

    /// Every pause that is too long; the picture must be there until they leave.
    fn gaps(&self, person: usize, seen: &Seen) -> Vec<Breach> {
        let script = &self.plan.people[person].script;
        let known = seen.attempts.iter().rev().find_map(|attempt| self.route(person, attempt));
        let Some(route) = known else { return self.unserved(person) };
        let longest = SECOND + route.first_frame(self.plan, self.net) + TIMERS;
        let pauses = match (seen.frames.first(), seen.frames.last()) {
            (Some(first), Some(last)) => vec![
                (script.opens, first.shown.saturating_sub(script.opens)),
                (last.shown, script.closes.saturating_sub(last.shown)),
            ],
            _ => vec![(script.opens, script.closes.saturating_sub(script.opens))],
        };
        let pauses = pauses.into_iter().chain(viewer::gaps(&seen.frames));
        let long = pauses.filter(|(at, gap)| *gap > longest + self.outage(&route, *at, *gap));
        let what = |gap| format!("no picture for {gap:?}; a second and a join are {longest:?}");
        long.map(|(at, gap)| self.breach(Law::PictureReturns, at, person, what(gap))).collect()
    }

    /// Nobody has ever named a node to them.
    fn unserved(&self, person: usize) -> Vec<Breach> {
        let script = &self.plan.people[person].script;
        let watched = script.closes.saturating_sub(script.opens);
        let what = format!("no node for {watched:?}");
        let breach = self.breach(Law::PictureReturns, script.opens, person, what);
        if watched > UNSERVED { vec![breach] } else { Vec::new() }
    }

    /// What a pause may take beside. A new address is known when the peer's next check of consent
    /// comes from there (RFC 7675 section 5.1: about every five seconds; str0m's every three).
    /// Nobody can go around the publisher's own node. Twice the time that it was down during a
    /// pause, since who tries again waits twice as long every time; then the publisher joins, and
    /// so do the nodes one after the other.
    fn outage(&self, route: &Route, at: Duration, gap: Duration) -> Duration {
        let node = route.publishers_node();
        let end = at + gap;
        let mut down = Duration::ZERO;
        let mut since = None;
        for (moment, action) in self.plan.events.iter().filter(|(moment, _)| *moment < end) {
            match action {
                Action::Kill(other) | Action::Stop(other) if *other == node => {
                    since = Some(*moment)
                }
                Action::Start(other) if *other == node && *moment + SECOND > at => {
                    down += since.take().map_or(Duration::ZERO, |since| *moment - since);
                }
                _ => {}
            }
        }
        down += since.map_or(Duration::ZERO, |since| end.saturating_sub(since));
        let roams = |(moment, action): &&(Duration, Action)| {
            let during = *moment + CONSENT > at && *moment < end;
            during && matches!(action, Action::Roam(_)) && route.is_touched(action)
        };
        let moved = CONSENT * self.plan.events.iter().filter(roams).count() as u32;
        let joins = if down.is_zero() { down } else { route.joins(self.net) };
        moved + down * 2 + joins
    }

    /// A first try on clean links that took longer than its round trips, unless something happened
    /// or nobody published yet.
    fn slow_join(&self, person: usize, seen: &Seen) -> Option<Breach> {
        let attempt = seen.attempts.first()?;
        let route = self.route(person, attempt).filter(|route| route.clean)?;
        let (publisher, _) = self.plan.publisher(person)?;
        let live = self.evidence.people[publisher].attempts.first()?.connected?;
        let early = attempt.asked < live + DISTURBED.0;
        let touched = self
            .plan
            .events
            .iter()
            .any(|(at, action)| *at <= attempt.asked + DISTURBED.1 && route.is_touched(action));
        let took = attempt.first_frame? - attempt.asked;
        let connected = attempt.connected?;
        let near =
            |other: &Attempt| other.connected.is_some_and(|at| at.abs_diff(connected) < SHARED.0);
        let attempts = self.evidence.people.iter().flat_map(|seen| &seen.attempts);
        let shares = attempts.filter(|other| near(other)).count() > 1;
        let wait = if shares { SHARED.1 } else { Duration::ZERO };
        let budget = route.first_frame(self.plan, self.net) + TIMERS + wait;
        (took > budget && !early && !touched).then(|| {
            let what = format!("{took:?} until the first picture, its round trips are {budget:?}");
            self.breach(Law::FirstFrame, attempt.asked, person, what)
        })
    }
}
