//! `farcast sim` as people meet it: what it prints, which files it writes, how it ends.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// Runs `farcast sim` and gives its code, its output and its complaints.
fn sim(args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farcast"));
    let Output { status, stdout, stderr } = command.arg("sim").args(args).output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (status.code().unwrap(), stdout, stderr)
}

/// The path of a file of this test run; `name` is unique among tests.
fn path(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    path.to_str().unwrap().to_owned()
}

fn file(name: &str, text: &str) -> String {
    let path = path(name);
    fs::write(&path, text).unwrap();
    path
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Two cities, ten milliseconds apart, one of them with a node.
const PAIR: &str = r#"
    seconds = 6
    city = [{ name = "Here" }, { name = "There" }]
    link = [{ between = ["Here", "There"], rtt_ms = 10, jitter_ms = 2 }]
    node = [{ name = "origin", city = "There" }]
    publisher = [{ name = "camera", city = "Here" }]
    viewer = [{ name = "home", city = "Here", node = "origin", opens_s = 1 }]
"#;

#[test]
fn without_a_story_it_lists_them() {
    let (code, stdout, stderr) = sim(&[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for (name, _) in farcast_sim::story::STORIES {
        assert!(stdout.lines().any(|line| line.trim_start().starts_with(name)), "{name}");
    }
    assert!(stdout.contains("farcast sim four-cities"));
}

#[test]
fn four_cities_have_the_floors_of_their_atlas_in_both_worlds() {
    for world in ["memory", "turmoil"] {
        let (code, stdout, stderr) = sim(&["four-cities", "--world", world]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        for (route, floor) in [("edge1", 172.0), ("edge2", 289.5), ("origin", 90.0)] {
            assert_route(&stdout, &format!("home via {route} "), floor);
        }
        assert!(stdout.contains("\nkept            on-time, "), "{stdout}");
    }
}

/// One viewer, who saw frames in their order and on time.
fn assert_route(stdout: &str, name: &str, floor: f64) {
    let line = stdout.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let figures: Vec<f64> = line.split_whitespace().map(|cell| cell.parse().unwrap()).collect();
    let [viewers, shown, p50, p99, max, overhead, startup, _freezes] = figures[..] else {
        panic!("{line}")
    };
    assert_eq!((viewers, shown), (1.0, floor));
    assert!(floor <= p50 && p50 <= p99 && p99 <= max && max < floor + 5.0, "{line}");
    assert!((p99 - floor - overhead).abs() < 0.11 && startup > floor, "{line}");
}

#[test]
fn json_has_the_shape_that_machines_expect() {
    let (code, stdout, stderr) = sim(&["four-cities", "--json", "--seed", "7"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let document = json(&stdout);
    assert_eq!((&document["story"], &document["seed"]), (&"four-cities".into(), &7.into()));
    assert_eq!(document["laws_broken"], Value::Array(Vec::new()));
    let route = document["routes"][1].as_object().unwrap();
    let keys: Vec<&str> = route.keys().map(String::as_str).collect();
    let expected = ["floor_ms", "freezes", "max_ms", "name", "p50_ms", "p99_ms", "startup_ms"];
    assert_eq!(keys, expected);
    assert_eq!((&route["name"], &route["floor_ms"]), (&"home via edge2".into(), &289.5.into()));

    let many = sim(&[&file("runs.toml", PAIR), "--json", "--seed", "7", "--runs", "3"]).1;
    let many = json(&many);
    let seeds: Vec<&Value> = many.as_array().unwrap().iter().map(|run| &run["seed"]).collect();
    assert_eq!(seeds, [7, 8, 9]);
    assert_eq!(many[0]["story"], "runs");
}

#[test]
fn many_runs_are_one_table() {
    let (code, stdout, stderr) = sim(&[&file("pool.toml", PAIR), "--runs", "4"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.contains("seeds 1 to 4"), "{stdout}");
    let line = stdout.lines().find(|line| line.starts_with("home via origin")).unwrap();
    assert_eq!(line.split_whitespace().nth(3), Some("4"), "the viewers of all runs: {line}");
}

#[test]
fn what_cannot_be_told_is_explained() {
    let unknown = file("unknown.toml", &PAIR.replace("seconds", "\n\nsecnds"));
    let nowhere = file("nowhere.toml", &PAIR.replace("city = \"There\"", "city = \"Where\""));
    let past = file("past.toml", &PAIR.replace("opens_s = 1", "closes_s = -1"));
    let faults = file("faults.toml", &format!("random_faults = 4000000000{PAIR}"));
    for (args, code, words) in [
        (vec![&*past], 1, "-1 s is not within the story's 6 s"),
        (vec![&*faults], 1, "random_faults lies between 0 and 1000"),
        (vec!["four-citys"], 1, "did you mean four-cities?"),
        (vec!["none/story.toml"], 1, "cannot read none/story.toml"),
        (vec![&unknown], 1, "unknown field `secnds`"),
        (vec![&unknown], 1, "line 4"),
        (vec![&nowhere], 1, "nowhere.toml: there is no city called Where; there are Here, There"),
        (vec!["four-cities", "--trace", "none/trace"], 1, "cannot write none/trace"),
        (vec!["four-cities", "--runs", "100001"], 2, "100001"),
        (vec!["four-cities", "--runs", "2", "--html", "x"], 2, "cannot be used with"),
    ] {
        let (ended, stdout, stderr) = sim(&args);
        assert_eq!((ended, stdout.as_str()), (code, ""), "{args:?}");
        assert!(stderr.contains(words), "{stderr}");
    }
}

#[test]
fn cities_and_links_alone_get_a_tour() {
    let text = "
        city = [{ name = 'Oslo' }, { name = 'Rome' }, { name = 'New Delhi' }]
        link = [
            { between = ['Oslo', 'Rome'], rtt_ms = 44 },
            { between = ['Rome', 'New Delhi'], rtt_ms = 130 },
            { between = ['New Delhi', 'Oslo'], rtt_ms = 150 },
        ]";
    let (code, stdout, stderr) = sim(&[&file("tour.toml", text)]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.starts_with("tour: "), "{stdout}");
    let floor = |route: &str| {
        let line = stdout.lines().find_map(|line| line.strip_prefix(route)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(floor("Rome via rome "), "22.0");
    assert_eq!(floor("New Delhi via rome "), "87.0");
    assert_eq!(floor("Oslo via oslo "), "0.0");
}

#[test]
fn a_broken_law_ends_with_one_and_says_seed_and_commit_first() {
    let story = format!("{PAIR}\nlimits = {{ p99_above_floor_ms = -1 }}\n");
    let story = file("broken.toml", &story);
    let first = format!("seed 3, commit {}: ", farcast_sim::COMMIT);
    let (code, stdout, _) = sim(&[&story, "--seed", "3"]);
    assert_eq!(code, 1);
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines[0].starts_with(&first), "{stdout}");
    assert!(lines[1].starts_with("  broken: p99 at 6.000 s: home via origin: "), "{stdout}");
    assert!(stdout.contains("\nbroken          p99\n"), "{stdout}");

    let (code, stdout, stderr) = sim(&[&story, "--seed", "3", "--json"]);
    assert_eq!((code, &json(&stdout)["laws_broken"]), (1, &vec!["p99"].into()));
    assert!(stderr.starts_with(&first), "{stderr}");

    let (code, stdout, _) = sim(&[&story, "--runs", "7"]);
    assert_eq!(code, 1);
    assert_eq!(stdout.lines().filter(|line| line.starts_with("seed ")).count(), 5);
    assert!(stdout.contains("and 2 seeds more; 7 of 7 failed"), "{stdout}");
    assert!(stdout.contains("broken          p99 in 7 of 7 runs"), "{stdout}");
}

#[test]
fn who_never_saw_a_picture_is_not_forgotten() {
    let story = PAIR
        .replace("viewer = [", "viewer = [{ name = 'blind', city = 'There', stream = 'none' },");
    let (_, stdout, _) = sim(&[&file("blind.toml", &story)]);
    assert!(stdout.contains("\nblind: 1 viewer never saw a picture.\n"), "{stdout}");
    let page = path("blind.html");
    sim(&[&file("blind.toml", &story), "--html", &page]);
    assert!(fs::read_to_string(page).unwrap().contains("blind: 1 viewer never saw a picture."));
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_one_does_not() {
    let story = file("trace.toml", PAIR);
    let trace = |name: &str, seed: &str| {
        let path = path(name);
        assert_eq!(sim(&[&story, "--seed", seed, "--trace", &path]).0, 0);
        fs::read_to_string(path).unwrap()
    };
    let first = trace("first.trace", "1");
    assert!(first.lines().count() > 1_000);
    assert!(first == trace("again.trace", "1"), "the same seed, another trace");
    assert!(first != trace("other.trace", "2"), "another seed, the same trace");
}

#[test]
fn a_page_has_the_map_the_table_and_a_chart_of_every_route() {
    let path = path("page.html");
    let (code, stdout, _) = sim(&["ocean-cable-cut", "--html", &path]);
    assert_eq!(code, 0, "{stdout}");
    let page = fs::read_to_string(path).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert_eq!(page.matches("class=\"chart\"").count(), 2);
    for words in ["class=\"map\"", "<td>91.0</td>", "origin – edge1 cut", "seed 1 · commit "] {
        assert!(page.contains(words), "{words}");
    }
}
