//! Who has nothing but TCP gets through by TURN, through nodes as they are: these name the servers,
//! their doors tell what comes, their hubs have the media.

use farcast_core::report::Report;
use farcast_sim::memory;
use farcast_sim::plan::Plan;
use farcast_sim::story::Story;
use farcast_sim::told::Told;

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

#[test]
fn a_squeeze_of_who_has_no_stream_is_a_mistake_of_the_story() {
    let story = r#"
        atlas = "four-cities"
        node = [{ name = "origin", city = "Frankfurt" }]
        publisher = [{ name = "camera", city = "Frankfurt" }]
        event = [{ at_s = 6, squeeze = { person = "camera", kbps = 9 } }]
    "#;
    let error = Plan::new(Story::parse(story).expect("a story"), 1).expect_err("no stream");
    assert_eq!(error, "camera has no byte stream to squeeze; add firewalled = true");
}
