//! Real processes on loopback: they come up, answer, say why if they cannot, and end when told.

#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const FARCAST: &str = env!("CARGO_BIN_EXE_farcast");
const ORIGIN: &str = env!("CARGO_BIN_EXE_farcast-origin");
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that does not outlive its test.
struct Process(Child);

impl Process {
    fn start(program: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(args).env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
        Process(command.spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// The exit code and what stands on standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let begin = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < PATIENCE, "the process does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut text = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (self.0.wait().unwrap().code(), text)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As many ports in a row as a demo takes, all free for TCP and UDP a moment ago.
fn free_ports() -> u16 {
    (20_000..30_000)
        .step_by(3)
        .map(|port| port + (std::process::id() % 3_000) as u16 * 3)
        .find(|base| {
            (*base..base + 3).all(|port| {
                TcpListener::bind(("127.0.0.1", port)).is_ok()
                    && UdpSocket::bind(("0.0.0.0", port)).is_ok()
            })
        })
        .unwrap()
}

/// The answer to a GET, with its head; `None` while nobody listens.
fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    Some(answer)
}

#[test]
fn the_demo_comes_up_balances_over_both_edges_and_ends_on_ctrl_c() {
    for runtime in ["tokio", "smol"] {
        let base = free_ports();
        let port = base.to_string();
        let mut demo =
            Process::start(FARCAST, &["demo", "--port-base", &port, "--runtime", runtime]);
        let table = BufReader::new(demo.0.stdout.take().unwrap());
        let listening = table.lines().map(Result::unwrap).any(|line| line.contains("Ctrl-C"));
        assert!(listening, "{runtime}: no table");
        let begin = Instant::now();
        let mut seen = [false, false];
        while seen != [true, true] {
            assert!(begin.elapsed() < PATIENCE, "{runtime}: {seen:?}");
            let answer = get(base, "/?action=server_list").unwrap();
            seen[0] |= answer.contains(r#""name":"edge1""#);
            seen[1] |= answer.contains(r#""name":"edge2""#);
        }
        for node in base..base + 3 {
            assert!(get(node, "/player").unwrap().starts_with("HTTP/1.1 200"), "{runtime}");
        }
        demo.signal("-INT");
        assert_eq!(demo.end(), (Some(0), String::new()), "{runtime}");
        assert!(get(base, "/healthz").is_none(), "{runtime}");
    }
}

#[test]
fn a_port_in_use_ends_the_node_with_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let origin = Process::start(ORIGIN, &["--open", "--http", &at, "--udp", "127.0.0.1:0"]);
    let expected = format!(
        "farcast-origin: HTTP {at} is in use by another process; choose another with --http\n"
    );
    assert_eq!(origin.end(), (Some(1), expected));
}
