//! Who has nothing but TCP gets through by TURN, through nodes as they are: these name the servers,
//! their doors tell what comes, their hubs have the media.

use std::time::Duration;

use farcast_core::report::Report;
use farcast_sim::memory;
use farcast_sim::plan::Plan;
use farcast_sim::story::Story;
use farcast_sim::told::Told;
use farcast_sim::viewer::{Frame, gaps};

/// A node with a TURN server, a publisher, and somebody behind a firewall who watches.
fn told(seconds: u32, more: &str) -> (Plan, Told) {
    let story = format!(
        r#"
        atlas = "four-cities"
        seconds = {seconds}
        node = [{{ name = "origin", city = "Frankfurt", turn = "origin" }}]
        publisher = [{{ name = "camera", city = "Frankfurt", video_kbps = 300 }}]
        {more}
        [[viewer]]
        name = "office"
        city = "New York"
        node = "origin"
        firewalled = true
        "#
    );
    let plan = Plan::new(Story::parse(&story).expect("a story"), 1).expect("it can be");
    let told = memory::tell(&plan, false, &|_| {}).expect("it can be told");
    (plan, told)
}

fn allocations(told: &Told) -> (usize, usize) {
    let reports = told.evidence.reports.iter().flatten();
    reports.fold((0, 0), |(came, went), (_, report)| match report {
        Report::TurnAllocated { .. } => (came + 1, went),
        Report::TurnFreed { .. } => (came, went + 1),
        _ => (came, went),
    })
}

#[test]
fn an_allocation_comes_with_its_viewer_and_goes_with_them() {
    let (plan, told) = told(10, "");
    let viewer = &told.evidence.people[1];
    let shown = (plan.people[1].script.closes - viewer.frames[0].shown).as_secs_f64();
    assert!(viewer.frames.len() as f64 > shown * 29.0, "{} in {shown} s", viewer.frames.len());
    assert_eq!(allocations(&told), (1, 1));
}

#[test]
fn it_lasts_for_as_long_as_its_viewer_wants() {
    let (_, told) = told(1_300, "");
    let viewer = &told.evidence.people[1];
    assert_eq!(viewer.attempts.len(), 1);
    assert!(viewer.frames.last().expect("a picture").captured.as_secs() >= 1_298);
    assert_eq!(allocations(&told), (1, 1));
}

#[test]
fn whoever_lost_it_gets_another_one() {
    let more = r#"event = [{ at_s = 6, kill = "origin" }, { at_s = 7, start = "origin" }]"#;
    let (_, told) = told(20, more);
    let viewer = &told.evidence.people[1];
    assert!(viewer.attempts.len() > 1);
    assert!(viewer.frames.last().expect("a picture").captured.as_secs() >= 18);
    assert_eq!(allocations(&told).0, 2);
}

/// People of the story `firewalled-viewer`.
const CAMERA: usize = 0;
const OFFICE: usize = 1;
const SQUEEZED: usize = 3;
/// Between two frames of a film.
const FRAME: Duration = Duration::from_millis(34);

fn longest_gap(frames: &[Frame]) -> Duration {
    gaps(frames).map(|(_, gap)| gap).max().expect("some frames")
}

#[test]
fn a_squeezed_line_freezes_the_picture_whole_and_a_keyframe_ends_the_pause() {
    let story = Story::named("firewalled-viewer").expect("it comes with the program");
    let plan = Plan::new(story, 1).expect("it can be");
    let told = memory::tell(&plan, false, &|_| {}).expect("it can be told");
    let [(squeezed, _), (released, _)] = plan.events[..] else { panic!("{:?}", plan.events) };
    let people = &told.evidence.people;
    let seen: Vec<Frame> =
        people[SQUEEZED].frames.iter().filter(|frame| frame.shown >= squeezed).copied().collect();
    let worst = seen.iter().map(Frame::latency).max().expect("some");
    assert!(worst < Duration::from_millis(650), "{worst:?}");
    let during = seen.iter().filter(|frame| frame.shown < released).count();
    assert!(during > 15, "{during} frames while it was slow");
    let longest = longest_gap(&seen);
    assert!(longest < Duration::from_millis(1_500), "{longest:?}");
    // The camera makes a keyframe of the first picture after it was asked for one.
    let is_keyframe = |frame: &Frame| {
        let after = |at: &Duration| (*at..=*at + FRAME).contains(&frame.captured);
        people[CAMERA].keyframes_asked.iter().any(after)
    };
    let pauses = seen.windows(2).filter(|pair| pair[1].captured > pair[0].captured + FRAME);
    assert!(pauses.clone().count() > 3, "it froze now and then");
    assert!(pauses.clone().all(|pair| is_keyframe(&pair[1])));
    let is_loss = |report: &Report| matches!(report, Report::TurnDropped { .. });
    assert!(!told.evidence.reports.iter().flatten().any(|(_, report)| is_loss(report)));
    let back = seen.iter().filter(|frame| frame.shown > released + Duration::from_secs(1)).count();
    assert!(back > 205, "{back} frames in the seven seconds after it");
    let unharmed = longest_gap(&people[OFFICE].frames);
    assert!(unharmed < Duration::from_millis(100), "{unharmed:?}");
}
