//! Which layer of a track one viewer gets, by what its connection carries and what it can show. It
//! knows neither packets nor how bit rates are measured or estimated.

use std::time::{Duration, Instant};

use crate::limits;
use crate::media::temporal::ALL_TEMPORAL;

/// One simulcast layer, or the only one of a track without simulcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Layer {
    /// Measured, bit/s, all temporal layers.
    pub(crate) bitrate: u64,
    /// Of the picture, in pixels, if it is known.
    pub(crate) height: Option<u16>,
    /// Bit/s up to and with each temporal layer; 0: unknown or absent.
    pub(crate) temporal: [u64; 4],
    /// Whether it is being sent.
    pub(crate) is_live: bool,
}

/// What the viewer wants at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cap {
    /// Of its window, in pixels.
    pub(crate) height: Option<u16>,
    /// The highest layer it asked for.
    pub(crate) layer: Option<usize>,
}

/// What a decision is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation<'a> {
    /// From low to high.
    pub(crate) layers: &'a [Layer],
    /// Bit/s that are left for this lane.
    pub(crate) estimate: u64,
    /// What the viewer wants at most.
    pub(crate) cap: Cap,
    /// Whether the connection is overloaded right now: nothing gets better then.
    pub(crate) is_congested: bool,
    /// Whether it has ever been: else the estimate tells only what it carries at least, and a
    /// viewer without a choice keeps its picture.
    pub(crate) is_limited: bool,
    /// Whether what the viewer gets has stopped while other layers go on: who sends it has too
    /// little room. What is smallest comes soonest then, and is given up last.
    pub(crate) is_stopped: bool,
    /// Whether the estimate was just confirmed by sending that much: nothing better has to wait.
    pub(crate) is_probed: bool,
}

/// What a viewer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// `None`: no layer is live.
    pub(crate) layer: Option<usize>,
    /// The highest temporal layer to send.
    pub(crate) temporal: u8,
    /// Whether all pictures up to there are sent.
    pub(crate) mode: Mode,
}

/// Which pictures are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum Mode {
    Flowing,
    /// None for a moment: all wait, to be sent or left out.
    Held,
    KeyframesOnly,
}

/// Chooses for one lane. Steps are ordered by layer, then by temporal layer.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    state: State,
    /// What the next better step needs, in bit/s.
    wanted: Option<u64>,
    /// Since when the estimate has been enough for a better step, and the least such step.
    rising: Option<(Instant, Rank)>,
    /// Since when the base frame rate of a layer is sent though there is a smaller layer.
    base_since: Option<Instant>,
    /// Since when not even the least step can go on.
    starved_since: Option<Instant>,
    /// When the step up was made that led here.
    raised: Option<Instant>,
    mistake: Option<Mistake>,
}

/// Layer and highest temporal layer.
type Rank = (usize, u8);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Nothing,
    Keyframes,
    Flowing(Rank),
    /// Since when. The line may have faltered only.
    Held(Rank, Instant),
}

/// The latest step up that had to be undone.
#[derive(Debug, Clone, Copy)]
struct Mistake {
    at: Instant,
    /// How long no other is made.
    wait: Duration,
}

/// One thing that a viewer may get.
#[derive(Debug, Clone, Copy)]
struct Step {
    rank: Rank,
    /// In bit/s.
    bitrate: u64,
    /// Whether it is the least of several frame rates of its layer.
    is_base: bool,
    /// Whether there is a smaller layer besides: good enough for a moment only.
    is_makeshift: bool,
}

impl Choice {
    /// Decides anew. To be asked every 50 to 100 ms, and whenever the estimate changes a lot.
    pub(crate) fn decide(&mut self, now: Instant, situation: &Situation) -> Target {
        let Some(least) = steps(situation).next() else {
            let mistake = self.mistake;
            *self = Choice { mistake, ..Choice::default() };
            return Target { layer: None, temporal: ALL_TEMPORAL, mode: Mode::Flowing };
        };
        let kept = self.keep(now, situation, least);
        self.note_change(now, situation, kept);
        if let Some(rank) = self.raise(now, situation) {
            (self.state, self.raised, self.rising) = (State::Flowing(rank), Some(now), None);
        }
        let is_makeshift = step(situation, self.state).is_some_and(|step| step.is_makeshift);
        self.base_since = is_makeshift.then(|| self.base_since.unwrap_or(now));
        let next = better(situation, self.state).next().filter(|_| !self.has_to_wait(now));
        self.wanted = next.map(|step| ample(step.bitrate));
        match self.state {
            State::Flowing((layer, temporal)) => {
                Target { layer: Some(layer), temporal, mode: Mode::Flowing }
            }
            State::Held((layer, temporal), _) => {
                Target { layer: Some(layer), temporal, mode: Mode::Held }
            }
            _ => Target { layer: Some(least.rank.0), temporal: 0, mode: Mode::KeyframesOnly },
        }
    }

    /// The bit rate, in bit/s, at which the viewer would get the next better step, for probing.
    /// `None` if there is none, or if the last one was a mistake and the next has to wait.
    pub(crate) fn wanted(&self) -> Option<u64> {
        self.wanted
    }

    /// What of the present state goes on.
    fn keep(&mut self, now: Instant, situation: &Situation, least: Step) -> State {
        let is_starved = self.is_starved(now, situation, least);
        let is_cut = situation.is_limited && !fits(situation, &least);
        let is_full = is_cut && situation.is_congested;
        let has = |rank| step(situation, State::Flowing(rank)).is_some();
        match self.state {
            State::Flowing(rank) if is_full && has(rank) => State::Held(rank, now),
            State::Held(rank, at) if is_cut && has(rank) && now - at < limits::HELD => self.state,
            State::Held(..) if is_cut => State::Keyframes,
            _ if is_full || is_starved => State::Keyframes,
            State::Held(rank, _) => State::Flowing(self.keep_or_lower(now, situation, rank)),
            State::Nothing => begin(situation, least),
            // What stopped it is gone: another way, of which nothing bad is known.
            State::Keyframes if !situation.is_limited => begin(situation, least),
            State::Keyframes => State::Keyframes,
            State::Flowing(rank) => {
                let smallest = (least.rank.0, ALL_TEMPORAL);
                let rank = if situation.is_stopped { smallest } else { rank };
                State::Flowing(self.keep_or_lower(now, situation, rank))
            }
        }
    }

    /// Whether not even the least step can go on, and could not for a while.
    fn is_starved(&mut self, now: Instant, situation: &Situation, least: Step) -> bool {
        let needed = least.bitrate.saturating_mul(limits::STARVED_PERCENT) / 100;
        let is_low = situation.is_limited && situation.estimate < needed;
        self.starved_since = is_low.then(|| self.starved_since.unwrap_or(now));
        self.starved_since.is_some_and(|since| now - since >= limits::STARVED_AFTER)
    }

    /// The present step if it goes on, else the best below it; the least one always does.
    fn keep_or_lower(&self, now: Instant, situation: &Situation, rank: Rank) -> Rank {
        let below = || steps(situation).filter(|s| s.rank <= rank && fits(situation, s));
        let is_same = |step: &Step| step.rank.0 == rank.0;
        let is_over = self.base_since.is_some_and(|since| now - since >= limits::BASE_AT_MOST);
        let smoother = below().filter(|s| is_over && !is_same(s) && !s.is_base).last();
        let best = || below().filter(|s| !s.is_makeshift || is_same(s)).last();
        let step = smoother.or_else(best).or_else(|| steps(situation).next());
        step.map_or(rank, |step| step.rank)
    }

    /// Takes over what could be kept. If the estimate took away what was just gained, that was a
    /// mistake.
    fn note_change(&mut self, now: Instant, situation: &Situation, kept: State) {
        if kept == self.state {
            return;
        }
        let before = std::mem::replace(&mut self.state, kept);
        self.rising = None;
        let is_lost = match (before, kept) {
            // Nothing is lost yet, or after all.
            (_, State::Held(..)) | (State::Held(..), State::Flowing(_)) => return,
            (State::Held(..), _) => true,
            _ => step(situation, before).is_some_and(|step| !fits(situation, &step)),
        };
        let is_fresh = self.raised.is_some_and(|at| now - at <= limits::UNDONE_WITHIN);
        if is_lost && is_fresh {
            let recent = self.mistake.filter(|m| now - m.at <= m.wait + limits::FORGIVEN_AFTER);
            let wait = recent.map_or(limits::UP_PAUSE.0, |m| m.wait * 2);
            self.mistake = Some(Mistake { at: now, wait: wait.min(limits::UP_PAUSE.1) });
        }
        self.raised = None;
    }

    /// The better step that it is time for.
    fn raise(&mut self, now: Instant, situation: &Situation) -> Option<Rank> {
        let state = self.state;
        let enough = || better(situation, state).filter(|step| is_ample(situation, step));
        let is_held = matches!(state, State::Held(..));
        let is_bad = situation.is_congested || situation.is_stopped || is_held;
        let Some(best) = enough().last().filter(|_| !is_bad) else {
            self.rising = None;
            return None;
        };
        let (since, rank) = self.rising.unwrap_or((now, best.rank));
        let rank = rank.min(best.rank);
        self.rising = Some((since, rank));
        let is_time = situation.is_probed || now - since >= limits::UP_AFTER;
        let bound = if situation.is_probed { best.rank } else { rank };
        let step = enough().filter(|step| step.rank <= bound).last()?;
        (is_time && !self.has_to_wait(now)).then_some(step.rank)
    }

    /// Whether the last mistake was too recent. A viewer without a moving picture is not punished
    /// for long.
    fn has_to_wait(&self, now: Instant) -> bool {
        let is_still = self.state == State::Keyframes;
        let most = if is_still { limits::UP_PAUSE.0 } else { limits::UP_PAUSE.1 };
        self.mistake.is_some_and(|mistake| now - mistake.at < mistake.wait.min(most))
    }
}

/// The viewer has nothing yet: the best at once, and the least if in doubt.
fn begin(situation: &Situation, least: Step) -> State {
    let best = better(situation, State::Nothing).filter(|step| is_ample(situation, step));
    State::Flowing(best.last().unwrap_or(least).rank)
}

/// The step that a viewer has, unless it is gone or not allowed any more.
fn step(situation: &Situation, state: State) -> Option<Step> {
    steps(situation).find(|step| state == State::Flowing(step.rank))
}

/// The steps that a viewer can be raised to, from low to high.
fn better(situation: &Situation, state: State) -> impl Iterator<Item = Step> {
    steps(situation).filter(move |step| {
        !step.is_makeshift && !matches!(state, State::Flowing(rank) if step.rank <= rank)
    })
}

fn fits(situation: &Situation, step: &Step) -> bool {
    step.bitrate <= situation.estimate
}

fn is_ample(situation: &Situation, step: &Step) -> bool {
    ample(step.bitrate) <= situation.estimate
}

fn ample(bitrate: u64) -> u64 {
    bitrate.saturating_mul(limits::UP_PERCENT) / 100
}

/// All that the viewer may get, from low to high.
fn steps(situation: &Situation) -> impl Iterator<Item = Step> {
    let least = live(situation).next().map_or(0, |(index, _)| index);
    let bound = bound(situation).max(least);
    let allowed = live(situation).filter(move |(index, _)| *index <= bound);
    allowed.flat_map(move |(index, layer)| {
        let step = move |temporal, bitrate, is_base| {
            let is_makeshift = is_base && index > least;
            Step { rank: (index, temporal), bitrate, is_base, is_makeshift }
        };
        let top = layer.temporal.iter().rposition(|bitrate| *bitrate > 0).unwrap_or(0);
        let lower = layer.temporal.into_iter().zip(0..).take(top);
        let lower = lower.filter(|(bitrate, _)| *bitrate > 0);
        let lower = lower.map(move |(bitrate, temporal)| step(temporal, bitrate, temporal == 0));
        lower.chain([step(ALL_TEMPORAL, layer.bitrate, false)])
    })
}

fn live<'a>(situation: &Situation<'a>) -> impl Iterator<Item = (usize, &'a Layer)> + use<'a> {
    situation.layers.iter().enumerate().filter(|(_, layer)| layer.is_live)
}

/// The highest layer that is of use to the viewer. If it is not live, the lowest one that is will
/// be shown: any picture is better than none.
fn bound(situation: &Situation) -> usize {
    let Cap { height, layer } = situation.cap;
    let fills = |window: u16, layer: &Layer| layer.height.is_some_and(|own| own >= window);
    let filling = height.and_then(|window| live(situation).find(|(_, l)| fills(window, l)));
    let by_height = filling.map_or(usize::MAX, |(index, _)| index);
    by_height.min(layer.unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Layer = layer(150_000, 180, [75_000, 105_000, 150_000, 0]);
    const MIDDLE: Layer = layer(500_000, 360, [250_000, 350_000, 500_000, 0]);
    const LARGE: Layer = layer(2_000_000, 720, [1_000_000, 1_400_000, 2_000_000, 0]);
    const SIMULCAST: [Layer; 3] = [SMALL, MIDDLE, LARGE];

    const fn layer(bitrate: u64, height: u16, temporal: [u64; 4]) -> Layer {
        Layer { bitrate, height: Some(height), temporal, is_live: true }
    }

    /// One viewer over time; a decision every 50 ms.
    struct Viewer {
        choice: Choice,
        now: Instant,
        layers: Vec<Layer>,
        cap: Cap,
        is_congested: bool,
        is_stopped: bool,
        target: Option<Target>,
        switches: usize,
        layer_switches: usize,
    }

    impl Viewer {
        fn new(layers: &[Layer]) -> Self {
            let (choice, now, layers) = (Choice::default(), Instant::now(), layers.to_vec());
            let (cap, is_congested, is_stopped) = (Cap::default(), false, false);
            let (target, switches, layer_switches) = (None, 0, 0);
            Viewer {
                choice,
                now,
                layers,
                cap,
                is_congested,
                is_stopped,
                target,
                switches,
                layer_switches,
            }
        }

        fn decide(&mut self, estimate: u64, is_probed: bool) -> Target {
            let (layers, cap, is_congested) = (&self.layers[..], self.cap, self.is_congested);
            let (is_limited, is_stopped) = (true, self.is_stopped);
            let situation = Situation {
                layers,
                estimate,
                cap,
                is_congested,
                is_limited,
                is_stopped,
                is_probed,
            };
            let target = self.choice.decide(self.now, &situation);
            let last = self.target.unwrap_or(target);
            self.switches += usize::from(last != target);
            self.layer_switches += usize::from(last.layer != target.layer);
            self.target = Some(target);
            target
        }

        /// After so many ms with this estimate.
        fn after(&mut self, ms: u64, estimate: u64) -> Target {
            let mut target = self.decide(estimate, false);
            for _ in 0..ms / 50 {
                self.now += Duration::from_millis(50);
                target = self.decide(estimate, false);
            }
            target
        }

        /// How many ms it takes until the target is `target`.
        fn takes(&mut self, target: Target, estimate: u64) -> u64 {
            (0..10_000).find(|_| self.after(50, estimate) == target).unwrap() * 50 + 50
        }
    }

    fn all(layer: usize) -> Target {
        some(layer, ALL_TEMPORAL)
    }

    fn some(layer: usize, temporal: u8) -> Target {
        Target { layer: Some(layer), temporal, mode: Mode::Flowing }
    }

    fn held(layer: usize, temporal: u8) -> Target {
        Target { layer: Some(layer), temporal, mode: Mode::Held }
    }

    fn keyframes(layer: usize) -> Target {
        Target { layer: Some(layer), temporal: 0, mode: Mode::KeyframesOnly }
    }

    #[test]
    fn a_viewer_begins_with_the_best_that_fits() {
        for (estimate, expected) in [
            (10_000_000, all(2)),
            (2_300_000, all(2)),
            (2_299_999, some(2, 1)),
            (1_500_000, all(1)),
            (500_000, some(1, 1)),
            (200_000, all(0)),
            (90_000, some(0, 0)),
            (60_000, some(0, 0)),
        ] {
            assert_eq!(Viewer::new(&SIMULCAST).after(0, estimate), expected, "{estimate}");
        }
    }

    #[test]
    fn going_down_is_immediate_and_going_up_takes_a_second_of_plenty() {
        let mut viewer = Viewer::new(&SIMULCAST);
        assert_eq!(viewer.after(0, 3_000_000), all(2));
        assert_eq!(viewer.after(0, 600_000), all(1));
        assert_eq!(viewer.after(10_000, 1_600_000), all(1), "not enough for a higher one");
        assert_eq!(viewer.after(900, 2_300_000), all(1));
        assert_eq!(viewer.after(50, 1_600_000), all(1), "a dip: the second begins anew");
        assert_eq!(viewer.after(950, 2_300_000), all(1));
        assert_eq!(viewer.after(50, 2_300_000), all(2));
    }

    #[test]
    fn a_viewer_is_raised_to_what_fitted_all_the_second_long() {
        let mut viewer = Viewer::new(&SIMULCAST);
        viewer.after(0, 160_000);
        viewer.after(500, 600_000);
        assert_eq!(viewer.takes(all(1), 3_000_000), 500);
        assert_eq!(viewer.takes(all(2), 3_000_000), 1_000);
    }

    #[test]
    fn after_a_successful_probe_nothing_has_to_wait() {
        let mut viewer = Viewer::new(&SIMULCAST);
        assert_eq!(viewer.after(2_000, 600_000), all(1));
        assert_eq!(viewer.decide(2_300_000, true), all(2));
    }

    #[test]
    fn temporal_layers_go_first_but_a_large_picture_does_not_stutter_for_long() {
        let mut viewer = Viewer::new(&SIMULCAST);
        viewer.after(2_000, 3_000_000);
        assert_eq!(viewer.after(60_000, 1_500_000), some(2, 1), "that is smooth enough");
        assert_eq!(viewer.after(1_900, 1_100_000), some(2, 0));
        assert_eq!(viewer.after(100, 1_100_000), all(1));
        let mut viewer = Viewer::new(&SIMULCAST);
        viewer.after(2_000, 3_000_000);
        assert_eq!(viewer.after(500, 1_100_000), some(2, 0));
        assert_eq!(viewer.after(1_000, 3_000_000), all(2), "a dip costs no keyframe");
    }

    #[test]
    fn a_layer_without_temporal_layers_is_all_or_nothing() {
        let plain = SIMULCAST.map(|layer| Layer { temporal: [layer.bitrate, 0, 0, 0], ..layer });
        let mut viewer = Viewer::new(&plain);
        assert_eq!(viewer.after(0, 3_000_000), all(2));
        assert_eq!(viewer.after(0, 1_900_000), all(1));
        assert_eq!(viewer.after(0, 400_000), all(0));
        assert_eq!(viewer.after(1_000, 125_000), all(0), "in doubt it stays");
        assert_eq!(viewer.after(300, 100_000), keyframes(0));
    }

    #[test]
    fn a_step_up_that_was_undone_is_tried_again_later_and_later_but_is_forgiven() {
        let mut viewer = Viewer::new(&SIMULCAST[..2]);
        viewer.after(0, 200_000);
        assert_eq!(viewer.takes(all(1), 600_000), 1_000);
        for wait in [5_000, 10_000, 20_000, 40_000, 60_000, 60_000] {
            viewer.after(1_000, 600_000);
            assert_eq!(viewer.after(0, 200_000), all(0));
            assert_eq!(viewer.choice.wanted(), None, "nobody probes in vain");
            assert_eq!(viewer.decide(600_000, true), all(0), "not even after a probe");
            assert_eq!(viewer.takes(all(1), 600_000), wait);
        }
        viewer.after(61_000, 600_000);
        assert_eq!(viewer.after(0, 200_000), all(0));
        assert_eq!(viewer.takes(all(1), 600_000), 1_000, "it lasted long enough");
        viewer.after(1_000, 600_000);
        assert_eq!(viewer.after(0, 200_000), all(0));
        assert_eq!(viewer.takes(all(1), 600_000), 5_000, "after a long calm");
    }

    #[test]
    fn a_fall_by_several_steps_is_one_mistake() {
        let mut viewer = Viewer::new(&SIMULCAST);
        viewer.after(0, 200_000);
        assert_eq!(viewer.after(1_000, 600_000), all(1));
        assert_eq!(viewer.after(0, 400_000), some(1, 1));
        assert_eq!(viewer.after(0, 200_000), all(0));
        assert_eq!(viewer.takes(all(1), 600_000), 5_000);
    }

    #[test]
    fn a_single_layer_keeps_its_picture_unless_it_really_does_not_fit() {
        let mut viewer = Viewer::new(&[MIDDLE]);
        assert_eq!(viewer.after(60_000, 500_000), some(0, 1));
        assert_eq!(viewer.after(60_000, 200_000), some(0, 0), "just 80 % of the base");
        assert_eq!(viewer.after(250, 190_000), some(0, 0));
        viewer.after(0, 210_000);
        assert_eq!(viewer.after(250, 190_000), some(0, 0), "that was no 300 ms");
        assert_eq!(viewer.after(50, 190_000), keyframes(0));
        assert_eq!(viewer.after(10_000, 260_000), keyframes(0));
        assert_eq!(viewer.choice.wanted(), Some(287_500));
        assert_eq!(viewer.takes(some(0, 0), 300_000), 1_000);
        assert_eq!(viewer.takes(all(0), 600_000), 1_000);
    }

    #[test]
    fn a_congested_connection_gets_no_more_than_the_estimate_and_nothing_better() {
        let mut viewer = Viewer::new(&[MIDDLE]);
        assert_eq!(viewer.after(1_000, 300_000), some(0, 0));
        viewer.is_congested = true;
        assert_eq!(viewer.after(10_000, 900_000), some(0, 0));
        assert_eq!(viewer.after(0, 240_000), held(0, 0));
        assert_eq!(viewer.after(250, 240_000), held(0, 0));
        assert_eq!(viewer.after(50, 240_000), keyframes(0));
        assert_eq!(viewer.after(10_000, 900_000), keyframes(0));
        viewer.is_congested = false;
        assert_eq!(viewer.takes(all(0), 900_000), 1_000);
    }

    #[test]
    fn what_was_held_goes_on_if_its_line_was_not_full() {
        let mut viewer = Viewer::new(&[layer(200_000, 360, [0; 4])]);
        assert_eq!(viewer.after(1_000, 300_000), all(0));
        viewer.is_congested = true;
        assert_eq!(viewer.after(0, 50_000), held(0, ALL_TEMPORAL));
        viewer.is_congested = false;
        assert_eq!(viewer.after(100, 50_000), held(0, ALL_TEMPORAL));
        assert_eq!(viewer.choice.mistake.map(|mistake| mistake.at), None);
        assert_eq!(viewer.after(100, 300_000), all(0));
        viewer.is_congested = true;
        assert_eq!(viewer.after(0, 50_000), held(0, ALL_TEMPORAL));
        (viewer.is_congested, viewer.layers[0].is_live) = (false, false);
        assert_eq!(viewer.after(0, 50_000).layer, None);
    }

    #[test]
    fn a_frozen_picture_is_given_another_chance_soon() {
        let mut viewer = Viewer::new(&[MIDDLE]);
        viewer.after(1_000, 100_000);
        for _ in 0..5 {
            assert_eq!(viewer.after(5_500, 300_000), some(0, 0));
            assert_eq!(viewer.after(300, 100_000), keyframes(0));
        }
    }

    #[test]
    fn a_window_gets_the_smallest_layer_that_fills_it() {
        for (height, expected) in [
            (Some(90), all(0)),
            (Some(180), all(0)),
            (Some(181), all(1)),
            (Some(720), all(2)),
            (Some(2_160), all(2)),
            (None, all(2)),
        ] {
            let mut viewer = Viewer::new(&SIMULCAST);
            assert_eq!(viewer.after(0, 9_000_000), all(2));
            viewer.cap.height = height;
            assert_eq!(viewer.after(0, 9_000_000), expected, "{height:?}");
            for _ in 0..3 {
                viewer.cap.height = None;
                assert_eq!(viewer.after(1_000, 9_000_000), all(2), "not a mistake, so no wait");
                viewer.cap.height = height;
                viewer.after(0, 9_000_000);
            }
        }
        let unknown = SIMULCAST.map(|layer| Layer { height: None, ..layer });
        let mut viewer = Viewer::new(&unknown);
        viewer.cap.height = Some(90);
        assert_eq!(viewer.after(0, 9_000_000), all(2), "sizes are not known");
    }

    #[test]
    fn a_requested_layer_is_the_most_that_a_viewer_gets() {
        let mut viewer = Viewer::new(&SIMULCAST);
        viewer.cap.layer = Some(1);
        assert_eq!(viewer.after(5_000, 9_000_000), all(1));
        assert_eq!(viewer.choice.wanted(), None, "there is nothing better");
        assert_eq!(viewer.after(0, 200_000), all(0));
        viewer.cap = Cap { layer: Some(7), height: Some(300) };
        assert_eq!(viewer.after(5_000, 9_000_000), all(1), "the window is a bound too");
    }

    #[test]
    fn layers_that_are_not_live_are_not_chosen() {
        let mut viewer = Viewer::new(&SIMULCAST);
        assert_eq!(viewer.after(0, 9_000_000), all(2));
        viewer.layers[2].is_live = false;
        assert_eq!(viewer.after(0, 9_000_000), all(1));
        viewer.cap.height = Some(100);
        viewer.layers[0].is_live = false;
        assert_eq!(viewer.after(0, 9_000_000), all(1), "the smallest that fills the window");
        viewer.cap.layer = Some(0);
        assert_eq!(viewer.after(0, 9_000_000), all(1), "better than none");
        viewer.layers[1].is_live = false;
        let nothing = Target { layer: None, temporal: ALL_TEMPORAL, mode: Mode::Flowing };
        assert_eq!(viewer.after(0, 9_000_000), nothing);
        assert_eq!(viewer.choice.wanted(), None);
        viewer.cap = Cap::default();
        viewer.layers[2].is_live = true;
        assert_eq!(viewer.after(0, 9_000_000), all(2), "a new beginning");
        viewer.layers = SIMULCAST.to_vec();
        viewer.layers[2].is_live = false;
        assert_eq!(viewer.after(0, 300_000), all(0));
    }

    #[test]
    fn who_gets_a_layer_that_stops_gets_the_smallest_one_and_better_ones_again_after_that() {
        let mut viewer = Viewer::new(&SIMULCAST);
        assert_eq!(viewer.after(0, 9_000_000), all(2));
        (viewer.layers[2].is_live, viewer.is_stopped) = (false, true);
        assert_eq!(viewer.after(5_000, 9_000_000), all(0), "its keyframe has not come yet");
        viewer.is_stopped = false;
        assert_eq!(viewer.after(500, 9_000_000), all(0));
        assert_eq!(viewer.after(1_000, 9_000_000), all(1));
    }

    #[test]
    fn what_is_wanted_is_the_next_better_step_with_its_margin() {
        let mut viewer = Viewer::new(&SIMULCAST);
        for (estimate, wanted) in [
            (80_000, Some(120_750)),
            (200_000, Some(402_500)),
            (1_000_000, Some(1_610_000)),
            (1_700_000, Some(2_300_000)),
            (2_500_000, None),
        ] {
            viewer.after(1_500, estimate);
            assert_eq!(viewer.choice.wanted(), wanted, "{estimate}");
        }
    }

    /// Numbers by chance, but always the same (Knuth's MMIX constants).
    fn percent(seed: &mut u64, from: u64, to: u64) -> u64 {
        *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        from + (*seed >> 33) % (to - from + 1)
    }

    #[test]
    fn a_line_that_never_was_too_slow_keeps_the_only_picture_there_is() {
        let layers = [LARGE];
        let cap = Cap::default();
        let mut situation = Situation {
            layers: &layers,
            estimate: 300_000,
            cap,
            is_congested: false,
            is_limited: false,
            is_stopped: false,
            is_probed: false,
        };
        let (mut choice, start) = (Choice::default(), Instant::now());
        for ms in (0..3_000).step_by(100) {
            let target = choice.decide(start + Duration::from_millis(ms), &situation);
            assert_eq!(target.mode, Mode::Flowing);
        }
        situation.is_limited = true;
        choice.decide(start + Duration::from_millis(3_000), &situation);
        let target = choice.decide(start + Duration::from_millis(3_300), &situation);
        assert_eq!(target.mode, Mode::KeyframesOnly);
        situation.is_limited = false;
        let target = choice.decide(start + Duration::from_millis(3_400), &situation);
        assert_eq!(target.mode, Mode::Flowing, "it came another way");
    }

    #[test]
    fn a_noisy_estimate_makes_no_viewer_flap() {
        const MINUTES: usize = 2;
        let single = [MIDDLE];
        for layers in [&SIMULCAST[..], &single] {
            for (mean, hold) in (1..30).flat_map(|n| [1, 10, 40, 120].map(|h| (n * n * 4_000, h))) {
                let (mut seed, mut noise) = (mean + hold, 100);
                let mut viewer = Viewer::new(layers);
                viewer.after(0, mean);
                for round in 0..MINUTES as u64 * 60 * 20 {
                    if round % hold == 0 {
                        noise = percent(&mut seed, 80, 120);
                    }
                    viewer.after(50, mean * noise / 100);
                }
                let most = MINUTES * 60 / 5;
                assert!(viewer.switches <= most, "{mean} {hold}: {}", viewer.switches);
                let most = MINUTES * 60 / 8;
                assert!(viewer.layer_switches <= most, "{mean} {hold}: keyframes");
            }
        }
    }

    #[test]
    fn whatever_happens_what_is_chosen_is_live_and_allowed_and_fits_or_is_the_least() {
        let mut seed = 7;
        for _ in 0..300 {
            let mut viewer = Viewer::new(&SIMULCAST[..percent(&mut seed, 0, 3) as usize]);
            for _ in 0..200 {
                for layer in &mut viewer.layers {
                    layer.is_live = percent(&mut seed, 0, 9) > 1;
                    layer.temporal[1] = layer.bitrate * percent(&mut seed, 0, 1) * 7 / 10;
                }
                let layer = percent(&mut seed, 0, 5) as usize;
                viewer.cap.layer = (layer < 3).then_some(layer);
                viewer.is_congested = percent(&mut seed, 0, 5) == 0;
                let estimate = percent(&mut seed, 0, 3_000_000);
                let target = viewer.after(percent(&mut seed, 0, 3_000), estimate);
                let least = viewer.layers.iter().position(|layer| layer.is_live);
                assert_eq!(target.layer.is_some(), least.is_some());
                let Some(index) = target.layer else { continue };
                let layer = viewer.layers[index];
                assert!(layer.is_live);
                let is_least = least == Some(index);
                assert!(is_least || viewer.cap.layer.is_none_or(|most| index <= most));
                let step = layer.temporal.get(usize::from(target.temporal));
                let bitrate = step.copied().unwrap_or(layer.bitrate);
                let fits = bitrate <= estimate || is_least && target.temporal == 0;
                assert!(fits || target.mode == Mode::Held);
                assert!(target.mode != Mode::KeyframesOnly || is_least);
                let more = viewer.choice.wanted().is_none_or(|wanted| wanted > bitrate);
                assert!(more || target.mode == Mode::Held);
            }
        }
    }
}
