//! Tests of the figures of a run, and of the table that shows them.

use std::time::Instant;

use str0m::media::MediaKind;

use super::*;
use crate::load::server::Usage;
use crate::load::table;
use crate::viewer::Frame;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Somebody who asked after a second, and saw ten seconds of a picture that is 4 ms late.
fn viewer(latency: &mut Spread) -> Tally {
    let mut tally = Tally::new(ms(1_000));
    tally.connected = Some(ms(1_010));
    (0..100).filter(|n| *n != 50).for_each(|n| tally.packet(ms(1_020), MediaKind::Video, n));
    for at in (1_030..11_030).step_by(40) {
        tally.frame(
            Frame { captured: ms(at), shown: ms(at + 4), complete: ms(at + 4), parts: 1 },
            latency,
        );
    }
    tally.end(ms(11_030));
    tally
}

fn refused(why: &str) -> Tally {
    let mut tally = Tally::new(ms(1_000));
    tally.fail(why.to_owned());
    tally
}

/// A run of ten seconds on two cores, of which we used so many seconds.
fn outcome(tallies: Vec<Tally>, latency: Spread, own: u64) -> Outcome {
    let start = Instant::now();
    let mark = |seconds: u64, packets, cpu, memory, own| Mark {
        at: start + Duration::from_secs(seconds),
        packets,
        server: Some(Usage { cpu: ms(cpu), memory }),
        own: Duration::from_secs(own),
    };
    let lateness = [ms(1)].into_iter().collect();
    let mut publisher = Tally::new(ms(1));
    publisher.connected = Some(ms(9));
    publisher.keyframes_asked = 3;
    Outcome {
        publishers: vec![Report { tallies: vec![publisher], ..Report::default() }],
        viewers: vec![Report { tallies, latency, lateness }],
        before: mark(0, 0, 0, 20_000_000, 0),
        steady: (mark(1, 5_000, 100, 0, 1), mark(11, 405_000, 1_100, 20_500_000, 1 + own)),
        cores: 2,
        interrupted: false,
    }
}

#[test]
fn a_good_run_says_what_a_packet_cost() {
    let mut latency = Spread::default();
    let tallies = vec![viewer(&mut latency), viewer(&mut latency)];
    let figures = Figures::new(&outcome(tallies, latency, 4), 1, 2);
    assert!(figures.is_good());
    assert_eq!((figures.packets, figures.lost, figures.loss_percent), (200, 2, 1.0));
    assert_eq!((figures.freezes, figures.viewers.failed), (0, 0));
    assert_eq!(figures.first_frame_ms.p50, Some(34.0));
    assert_eq!(figures.latency_ms.max, Some(4.0));
    let server = figures.server.expect("it was measured");
    assert_eq!((server.cpu_us_per_packet, server.cpu_percent), (Some(2.5), 10.0));
    assert_eq!(server.memory_per_viewer, Some(250_000));
    let tester = figures.tester;
    assert_eq!((tester.cpu_percent, tester.is_bottleneck), (20.0, false));
    let text = table::text("two", &figures);
    for line in [
        "viewers         2 of 2 connected, 2 saw a picture\n",
        "since DTLS      p50 24.0 ms   p99 24.0 ms   max 24.0 ms\n",
        "keyframes       3 asked of publishers\n",
        "latency         p50 4.0 ms   p99 4.0 ms   max 4.0 ms\n",
        "loss            1 % of 200 packets\n",
        "server CPU      2.50 µs for each packet to a viewer; 10 % of a core\n",
        "server memory   20.0 MB before viewers came, 20.5 MB at the end: 250.0 KB a viewer\n",
        "this tester     20 % of 2 cores, timers 1.0 ms late (p99)\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(!text.contains("Mind"), "{text}");
}

#[test]
fn failures_are_told_with_the_commonest_reason_first() {
    let mut latency = Spread::default();
    let tallies = vec![refused("full"), refused("late"), viewer(&mut latency), refused("late")];
    let figures = Figures::new(&outcome(tallies, latency, 4), 1, 5);
    assert!(!figures.is_good());
    let People { wanted, asked, connected, failed, ref reasons } = figures.viewers;
    assert_eq!((wanted, asked, connected, failed), (5, 4, 1, 3));
    assert_eq!(reasons[0], Reason { count: 2, reason: "late".to_owned() });
    let text = table::text("five", &figures);
    assert!(text.contains("1 of 5 connected, 1 saw a picture, 4 asked\n"), "{text}");
    assert!(text.ends_with("\n2 viewers failed: late\n1 viewer failed: full\n"), "{text}");
}

#[test]
fn a_tester_that_is_the_bottleneck_says_so() {
    let figures = Figures::new(&outcome(Vec::new(), Spread::default(), 17), 1, 1);
    assert!(figures.tester.is_bottleneck);
    assert!(table::text("one", &figures).contains("Mind: this load tester could not keep up"));
    assert_eq!((figures.latency_ms.p50, figures.frames_per_second), (None, None));

    let mut late = outcome(Vec::new(), Spread::default(), 4);
    late.viewers[0].lateness = [ms(11)].into_iter().collect();
    assert!(Figures::new(&late, 1, 1).tester.is_bottleneck);
}
