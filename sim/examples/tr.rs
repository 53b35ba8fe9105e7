//! scratch
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let text = std::fs::read_to_string(&a[1]).unwrap();
    let story = farcast_sim::story::Story::parse(&text).unwrap();
    let plan =
        farcast_sim::plan::Plan::new(story, a.get(2).map_or(1, |s| s.parse().unwrap())).unwrap();
    for (at, e) in &plan.events {
        println!("EVENT {:.3} {:?}", at.as_secs_f64(), e);
    }
    let s = std::time::Instant::now();
    let t = if a.len() > 3 {
        farcast_sim::hosts::tell(
            &plan,
            farcast_sim::handshake::Dtls::Rehearsed,
            a[3] == "t",
            &|_| {},
        )
        .unwrap()
    } else {
        farcast_sim::memory::tell(&plan, true, &|_| {}).unwrap()
    };
    eprintln!("told in {:?}", s.elapsed());
    println!("{}", t.trace);
    for (n, r) in t.evidence.reports.iter().enumerate() {
        for (at, r) in r {
            if !matches!(
                r,
                farcast_core::report::Report::Forwarded { .. }
                    | farcast_core::report::Report::Received { .. }
                    | farcast_core::report::Report::Population { .. }
            ) {
                println!("{:.6} REPORT {} {}", at.as_secs_f64(), plan.nodes[n].name, r);
            }
        }
    }
    for (p, s) in t.evidence.people.iter().enumerate() {
        println!("PERSON {} {:#?}", plan.people[p].name, s.attempts);
        println!("kf {:?}", s.keyframes_asked);
        for f in &s.frames {
            if f.latency().as_millis() > 400 {
                println!("LATE {:?} {:?}", f.shown, f.latency());
            }
        }
        for f in &s.sounds {
            if f.latency().as_millis() > 900 {
                println!("LATESOUND {:?} {:?}", f.shown, f.latency());
            }
        }
    }
    for r in farcast_sim::outcome::rows(&plan, &t.evidence, &plan.net().unwrap()) {
        println!(
            "ROW {} {} {} {} {} {} {} {}",
            r.name, r.viewers, r.floor_ms, r.p50_ms, r.p99_ms, r.max_ms, r.startup_ms, r.freezes
        );
    }
    for b in farcast_sim::laws::judge(&plan, &t.evidence).unwrap().broken {
        println!("BROKEN {b}");
    }
}
