//! What every story must keep, whatever happens in it (the design, section 9). The laws read
//! evidence alone.

mod control;
mod picture;

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::evidence::Evidence;
use crate::net::Net;
use crate::outcome;
use crate::plan::Plan;

/// A law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// No frame is later than the light path and five milliseconds, on clean links that nothing
    /// happens to.
    OnTime,
    /// No frame is ever later than a second.
    WithinASecond,
    /// Nobody is without a picture for longer than a second and the round trips of a join.
    PictureReturns,
    /// On clean links, the first picture takes the round trips that a join is made of.
    FirstFrame,
    /// Publishers are asked for keyframes at most twice a second.
    KeyframeRequests,
    /// No packet is sealed twice under one nonce.
    SealedOnce,
    /// Sessions and their timers are gone when their owners are.
    GoneWithOwner,
    /// The balancer notices a dead node, and never names it after that.
    DeadNotNamed,
    /// 99 of 100 frames keep the story's own limit.
    P99,
}

impl Law {
    /// All of them, in order.
    pub const ALL: [Law; 9] = [
        Law::OnTime,
        Law::WithinASecond,
        Law::PictureReturns,
        Law::FirstFrame,
        Law::KeyframeRequests,
        Law::SealedOnce,
        Law::GoneWithOwner,
        Law::DeadNotNamed,
        Law::P99,
    ];

    /// As stories write it.
    pub fn name(self) -> &'static str {
        match self {
            Law::OnTime => "on-time",
            Law::WithinASecond => "within-a-second",
            Law::PictureReturns => "picture-returns",
            Law::FirstFrame => "first-frame",
            Law::KeyframeRequests => "keyframe-requests",
            Law::SealedOnce => "sealed-once",
            Law::GoneWithOwner => "gone-with-owner",
            Law::DeadNotNamed => "dead-not-named",
            Law::P99 => "p99",
        }
    }
}

/// A law that was broken.
#[derive(Debug, Clone)]
pub struct Breach {
    /// Which.
    pub law: Law,
    /// When, since the world's start.
    pub at: Duration,
    /// Who suffered.
    pub who: String,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Breach { law, at, who, what } = self;
        write!(f, "{} at {:.3} s: {who}: {what}", law.name(), at.as_secs_f64())
    }
}

/// What the laws say of a story.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Broken laws that the story does not expect; each law's first breaches.
    pub broken: Vec<Breach>,
    /// Broken laws that it expects, and what is missing.
    pub expected: Vec<(Breach, String)>,
    /// Laws that it expects to be broken and that were kept.
    pub overdue: Vec<Law>,
}

impl Verdict {
    /// Whether the story is as it should be.
    pub fn is_good(&self) -> bool {
        self.broken.is_empty() && self.overdue.is_empty()
    }
}

/// Judges a story that has been told.
pub fn judge(plan: &Plan, evidence: &Evidence) -> Result<Verdict, String> {
    let mut verdict = Verdict::default();
    let expected = &plan.story.expected_to_fail;
    for breach in breaches(plan, evidence)? {
        match expected.iter().find(|expected| expected.law == breach.law) {
            Some(known) => verdict.expected.push((breach, known.missing.clone())),
            None => verdict.broken.push(breach),
        }
    }
    for law in expected.iter().filter(|expected| expected.always).map(|expected| expected.law) {
        if !verdict.expected.iter().any(|(breach, _)| breach.law == law) {
            verdict.overdue.push(law);
        }
    }
    Ok(verdict)
}

/// Everything that broke a law, in order of time.
fn breaches(plan: &Plan, evidence: &Evidence) -> Result<Vec<Breach>, String> {
    let net = plan.net()?;
    let case = Case { plan, evidence, net: &net };
    let mut all = case.pictures();
    all.extend(case.keyframe_requests());
    all.extend(case.sealed_twice());
    all.extend(case.left_behind());
    all.extend(case.named_dead());
    all.extend(case.percentiles());
    all.sort_by_key(|breach| (breach.at, breach.law));
    Ok(all)
}

/// A story and what is known about how it went.
struct Case<'a> {
    plan: &'a Plan,
    evidence: &'a Evidence,
    net: &'a Net,
}

impl Case<'_> {
    fn percentiles(&self) -> Vec<Breach> {
        let Some(limit) = self.plan.story.limits.p99_above_floor_ms else { return Vec::new() };
        let rows = outcome::rows(self.plan, self.evidence, self.net);
        let above = rows.into_iter().filter(|row| row.p99_ms > row.floor_ms + limit);
        above
            .map(|row| Breach {
                law: Law::P99,
                at: self.plan.length(),
                who: row.name,
                what: format!("{:.1} ms, the floor is {:.1} ms", row.p99_ms, row.floor_ms),
            })
            .collect()
    }
}
