//! A run's figures for people at a terminal. It computes nothing.

use std::fmt::Write;

use super::figures::{Cost, Figures, People, Tester, Times};

/// Reasons of failures that are shown.
const REASONS: usize = 5;
/// Characters of the longest name of a line.
const NAMES: usize = 14;

/// The table; `title` says what was done.
pub(super) fn text(title: &str, figures: &Figures) -> String {
    let Figures { publishers, viewers, .. } = figures;
    let mut lines = vec![
        ("publishers", format!("{} of {} connected", publishers.connected, publishers.wanted)),
        ("viewers", people(viewers, figures.saw_picture)),
        ("failed", viewers.failed.to_string()),
        ("first packet", times(figures.first_packet_ms, false)),
        ("first frame", times(figures.first_frame_ms, false)),
        ("since DTLS", times(figures.first_frame_after_dtls_ms, true)),
        ("latency", times(figures.latency_ms, true)),
        ("loss", format!("{} % of {} packets", figures.loss_percent, figures.packets)),
        (
            "freezes",
            format!("{}; {} a viewer-minute", figures.freezes, figures.freezes_per_viewer_minute),
        ),
    ];
    if let Some(rate) = figures.frames_per_second {
        let text = format!("{} a viewer, {} the one with the fewest", rate.mean, rate.lowest);
        lines.push(("frames/s", text));
    }
    lines.push(("keyframes", format!("{} asked of publishers", figures.keyframes_asked)));
    if let Some(server) = figures.server {
        lines.push(("server CPU", cpu(server)));
        lines.push(("server memory", memory(server)));
    }
    lines.push(("this tester", tester(figures.tester)));
    let mut text = format!("{title}\n\n");
    for (name, figure) in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<NAMES$}  {figure}");
    }
    text + &remarks(figures)
}

/// What must be said beside the figures: why people failed, and what figures cannot be trusted.
pub(super) fn remarks(figures: &Figures) -> String {
    let mut text = String::new();
    for (who, people) in [("publisher", &figures.publishers), ("viewer", &figures.viewers)] {
        for reason in people.reasons.iter().take(REASONS) {
            let s = if reason.count == 1 { "" } else { "s" };
            let _ = writeln!(text, "{} {who}{s} failed: {}", reason.count, reason.reason);
        }
        if let Some(more @ 1..) = people.reasons.len().checked_sub(REASONS) {
            let _ = writeln!(text, "{who}s failed for {more} more reasons; --json has them all");
        }
    }
    if figures.interrupted {
        text += "The run was ended early.\n";
    }
    if figures.tester.is_bottleneck {
        text += "Mind: this load tester could not keep up (its CPU or its timers, see above), so \
                 latency and freezes may be its own; ask for fewer viewers, or give it more \
                 cores.\n";
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

fn people(people: &People, saw: usize) -> String {
    let People { wanted, asked, connected, .. } = people;
    let asked = if asked < wanted { format!(", {asked} asked") } else { String::new() };
    format!("{connected} of {wanted} connected, {saw} saw a picture{asked}")
}

fn times(times: Times, with_max: bool) -> String {
    let ms = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"));
    let max = if with_max { format!("   max {}", ms(times.max)) } else { String::new() };
    format!("p50 {}   p99 {}{max}", ms(times.p50), ms(times.p99))
}

fn cpu(server: Cost) -> String {
    let packet = server.cpu_us_per_packet.map_or("-".to_owned(), |us| format!("{us:.2} µs"));
    format!("{packet} for each packet to a viewer; {} % of a core", server.cpu_percent)
}

fn memory(server: Cost) -> String {
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let (before, end) = (mb(server.memory_before), mb(server.memory_at_end));
    let each = server.memory_per_viewer;
    let each = each.map_or("-".to_owned(), |bytes| format!("{:.1} KB", bytes as f64 / 1e3));
    format!("{before} before viewers came, {end} at the end: {each} a viewer")
}

fn tester(tester: Tester) -> String {
    let Tester { cores, cpu_percent, timers_late_p99_ms, .. } = tester;
    let s = if cores == 1 { "" } else { "s" };
    format!("{cpu_percent} % of {cores} core{s}, timers {timers_late_p99_ms:.1} ms late (p99)")
}
