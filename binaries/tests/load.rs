//! The load tester against a real origin on loopback: it counts its people, and goes nowhere else.

#![allow(missing_docs, clippy::unwrap_used)]

mod ports;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use ports::ports;
use serde_json::Value;

const FARCAST: &str = env!("CARGO_BIN_EXE_farcast");
const ORIGIN: &str = env!("CARGO_BIN_EXE_farcast-origin");

/// An origin that does not outlive its test.
struct Origin {
    process: Child,
    port: u16,
}

impl Origin {
    /// One that listens.
    fn start() -> Self {
        let [port] = ports();
        let at = format!("127.0.0.1:{port}");
        let mut command = Command::new(ORIGIN);
        command.args(["--open", "--http", &at, "--udp", &at, "--log", "warn", "--cores", "3"]);
        let mut process = command.env_clear().stdout(Stdio::piped()).spawn().unwrap();
        let mut welcome = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut welcome).unwrap();
        assert!(welcome.contains(&at), "{welcome}");
        Origin { process, port }
    }

    /// The figure of this name that it tells now.
    fn metric(&self, name: &str) -> f64 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let figures = text.lines().filter_map(|line| line.rsplit_once(' '));
        let of_name = figures.filter(|(what, _)| what.split('{').next() == Some(name));
        of_name.map(|(_, figure)| figure.parse::<f64>().unwrap()).sum()
    }

    /// Where somebody who acts so finds this stream.
    fn url(&self, act: &str, stream: &str) -> String {
        format!("http://127.0.0.1:{}/{act}/{stream}", self.port)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn load(args: &[&str]) -> Output {
    Command::new(FARCAST).arg("load").args(args).env_clear().output().unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", stderr(output)))
}

#[test]
fn ten_viewers_see_a_real_origin_and_tell_what_it_costs() {
    let origin = Origin::start();
    let (whip, whep) = (origin.url("whip", "load"), origin.url("whep", "load"));
    let pid = origin.process.id().to_string();
    let args = ["--whip", &whip, "--whep", &whep, "--viewers", "10", "--secs", "3", "--json"];
    let measure: &[&str] = if cfg!(target_os = "linux") { &["--pid", &pid] } else { &[] };
    let output = load(&[&args, measure].concat());
    let figures = json(&output);
    assert_eq!(output.status.code(), Some(0), "{figures:#}");
    assert_eq!(figures["publishers"]["connected"], 1);
    let viewers = &figures["viewers"];
    assert_eq!((&viewers["asked"], &viewers["connected"]), (&10.into(), &10.into()));
    assert_eq!(figures["saw_picture"], 10);
    assert_eq!(figures["interrupted"], false);
    assert!(figures["packets"].as_u64().unwrap() > 1_000, "{figures:#}");
    for times in ["first_packet_ms", "first_frame_ms", "latency_ms"] {
        let [p50, p99, max] =
            ["p50", "p99", "max"].map(|share| figures[times][share].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= p99 && p99 <= max, "{times}: {figures:#}");
    }
    assert!(figures["frames_per_second"]["mean"].as_f64().unwrap() > 1.0, "{figures:#}");
    if !measure.is_empty() {
        let server = &figures["server"];
        assert!(server["memory_at_end"].as_u64().unwrap() > 1_000_000, "{figures:#}");
        assert!(server["cpu_us_per_packet"].as_f64().is_some(), "{figures:#}");
    }
}

#[test]
fn goodbyes_are_said_once_over_either_way_of_signalling() {
    let origin = Origin::start();
    let (whip, whep) = (origin.url("whip", "load"), origin.url("whep", "load"));
    for ws in [&[][..], &["--ws"]] {
        let args = ["--whip", &whip, "--whep", &whep, "--viewers", "4", "--secs", "1", "--json"];
        let output = load(&[&args, ws].concat());
        let figures = json(&output);
        assert_eq!(output.status.code(), Some(0), "{ws:?} {figures:#}{}", stderr(&output));
        assert_eq!(figures["saw_picture"], 4);
        let since = figures["first_frame_after_dtls_ms"]["max"].as_f64().unwrap();
        assert!(since < figures["first_frame_ms"]["max"].as_f64().unwrap(), "{figures:#}");
        // It counts its people once a second; whoever fell silent would stay for longer.
        let gone = |_| {
            thread::sleep(Duration::from_millis(100));
            origin.metric("farcast_viewers") == 0.0
        };
        assert!((0..30).any(gone), "{ws:?}");
        assert_eq!(origin.metric("farcast_refused_total"), 0.0, "{ws:?}");
    }
}

#[test]
fn several_publishers_have_a_stream_each_and_a_table_tells_of_all() {
    let origin = Origin::start();
    let (whip, whep) = (origin.url("whip", "cam{}"), origin.url("whep", "cam{}"));
    let people = ["--publishers", "2", "--viewers", "4", "--secs", "1", "--kbps", "300"];
    let output = load(&[&["--whip", &whip, "--whep", &whep], &people[..]].concat());
    let table = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}{}", stderr(&output));
    assert!(table.contains("publishers      2 of 2 connected\n"), "{table}");
    assert!(table.contains("viewers         4 of 4 connected, 4 saw a picture\n"), "{table}");
}

#[test]
fn viewers_without_a_picture_are_a_failure_with_a_reason() {
    let origin = Origin::start();
    let (whip, whep) = (origin.url("whip", "load"), origin.url("whep", "other"));
    let output =
        load(&["--whip", &whip, "--whep", &whep, "--viewers", "2", "--secs", "1", "--json"]);
    let viewers = &json(&output)["viewers"];
    assert_eq!((output.status.code(), &viewers["failed"]), (Some(1), &2.into()), "{viewers:#}");
    let reason = &viewers["reasons"][0];
    assert_eq!(reason["count"], 2);
    assert!(reason["reason"].as_str().unwrap().contains("the server answered 404: "), "{reason}");
    assert!(stderr(&output).contains("2 viewers failed: the server answered 404"));
}

#[test]
fn other_machines_are_left_alone() {
    let here = "http://127.0.0.1:9/whip/a";
    for (whip, whep) in [
        ("http://192.0.2.1/whip/a", here),
        (here, "https://[2001:db8::1]/whep/a"),
        ("http://0.0.0.0:8080/whip/a", here),
    ] {
        let output = load(&["--whip", whip, "--whep", whep]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{whip} {whep}");
        let why = stderr(&output);
        assert!(why.contains("is not this machine's loopback"), "{why}");
        assert!(why.contains("--i-own-this-server"), "{why}");
    }
}

#[test]
fn help_says_how_streams_are_numbered() {
    let output = load(&["--help"]);
    let help = std::str::from_utf8(&output.stdout).unwrap();
    assert!(help.contains("{} in both\nURLs stands for the stream's number"), "{help}");
}

#[test]
fn what_cannot_be_loaded_is_explained() {
    let url = "http://127.0.0.1:9/whip/a";
    for (more, code, words) in [
        (vec!["--viewers", "5001"], 2, "5001 is not in 1..=5000"),
        (vec!["--ramp", "fast"], 2, "write it like \"50/s\""),
        (vec!["--whep", "localhost"], 2, "write https://HOST or http://HOST:PORT"),
        (vec![], 1, "nobody could publish: connection refused by 127.0.0.1:9"),
        (vec!["--pid", "4294967295"], 1, "--pid"),
    ] {
        let whep = if more.first() == Some(&"--whep") { vec![] } else { vec!["--whep", url] };
        let output = load(&[vec!["--whip", url], whep, more.clone()].concat());
        assert_eq!(output.status.code(), Some(code), "{more:?}");
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}
