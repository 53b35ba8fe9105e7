//! What people meet when they type our commands: words, exit codes, and who overrides whom.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use farcast::config::Wishes;
use farcast::flags::NodeFlags;
use farcast_core::config::Key;
use farcast_core::director::signal::token::{Act, Refusal, verify};

const FARCAST: &str = env!("CARGO_BIN_EXE_farcast");
const ORIGIN: &str = env!("CARGO_BIN_EXE_farcast-origin");
const EDGE: &str = env!("CARGO_BIN_EXE_farcast-edge");
const SECRET: &str = "a secret of more than thirty-two bytes, for tests";

/// Runs a command with no other variables than these.
fn run(program: &str, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(variables.iter().copied());
    command.output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A file of this test run; `name` is unique among tests.
fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn key(secret: &str) -> Key {
    Key { secret: secret.into() }
}

#[derive(Parser)]
struct Node {
    #[command(flatten)]
    flags: NodeFlags,
}

/// What a node of this process makes of flags; the environment of tests holds none of ours.
fn wishes(args: &[&str]) -> Wishes {
    let args = ["node"].iter().chain(args);
    Node::try_parse_from(args)
        .map_err(|error| panic!("{error}"))
        .ok()
        .unwrap()
        .flags
        .wishes()
        .unwrap()
}

#[test]
fn one_line_describes_an_origin() {
    let wishes = wishes(&[
        "--http",
        "10.77.1.1:8080",
        "--udp",
        "10.77.1.1:8080",
        "--edge",
        "http://10.77.2.1:8080",
        "--edge",
        "http://10.77.3.1:8080",
        "--public",
        "203.0.113.7",
        "--public",
        "2001:db8::7",
        "--runtime",
        "smol",
        "--log",
        "debug",
        "--open",
    ]);
    assert_eq!(wishes.http[0].0.to_string(), "10.77.1.1:8080");
    assert_eq!(wishes.udp[0].0.to_string(), "10.77.1.1:8080");
    assert_eq!((wishes.edge.len(), wishes.public.len()), (2, 2));
    assert_eq!(wishes.edge[1].url.as_str(), "http://10.77.3.1:8080");
    assert_eq!(wishes.open, Some(true));
}

#[test]
fn flags_override_the_file() {
    let path = file("flags.toml", "name = \"file\"\nopen = true\nudp = \"0.0.0.0:1\"\n");
    let wishes = wishes(&["--config", &path, "--name", "flag", "--open=false"]);
    assert_eq!(wishes.name.as_deref(), Some("flag"));
    assert_eq!(wishes.open, Some(false));
    assert_eq!(wishes.udp[0].0.port(), 1);
}

#[test]
fn flags_override_the_environment_which_overrides_the_file() {
    // The certificate's path comes back in the error, which shows who won.
    let path = file(
        "override.toml",
        "open = true\nhttps = \"0.0.0.0:443\"\ntls = { cert = \"/file.pem\", key = \"/k\" }\n",
    );
    let variable = [("FARCAST_TLS_CERT", "/variable.pem")];
    let won = |args: &[&str], variables: &[(&str, &str)]| {
        let args = [&["--config", &path], args].concat();
        let output = run(ORIGIN, &args, variables);
        assert_eq!(output.status.code(), Some(1));
        let words: Vec<String> = stderr(&output).split([' ', ':']).map(str::to_owned).collect();
        words.into_iter().find(|word| word.ends_with(".pem")).unwrap()
    };
    assert_eq!(won(&[], &[]), "/file.pem");
    assert_eq!(won(&[], &variable), "/variable.pem");
    assert_eq!(won(&["--cert", "/flag.pem"], &variable), "/flag.pem");
    assert_eq!(won(&["--cert", "/flag.pem"], &[]), "/flag.pem");
}

#[test]
fn a_node_without_keys_does_not_start_and_says_how_to_go_on() {
    for (program, name) in [(ORIGIN, "farcast-origin"), (EDGE, "farcast-edge")] {
        let output = run(program, &["--udp", "127.0.0.1:8080"], &[]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            stderr(&output),
            format!(
                "{name}: this node has no keys for tokens, so nobody could publish or watch.\n\
                 Either make a key and give it to all your nodes (beside your other flags):\n    \
                 (umask 077; openssl rand -base64 32 > farcast.keys)\n    \
                 {name} --key-file farcast.keys\n\
                 or let everybody do everything, in a network that you trust:\n    \
                 {name} --open\n"
            )
        );
    }
}

#[test]
fn a_bad_variable_is_named_and_its_secret_is_not_shown() {
    let output = run(ORIGIN, &[], &[("FARCAST_KEYS", "sesame")]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "farcast-origin: FARCAST_KEYS: this key has 6 bytes, too few to be safe; make one of 32 \
         or more with: openssl rand -base64 32\n"
    );
}

#[test]
fn a_bad_flag_says_what_would_be_good() {
    let output = run(EDGE, &["--http", "localhost:8080", "--open"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("write them like \"0.0.0.0:8080\""), "{}", stderr(&output));
    let output = run(EDGE, &["--opne"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--open"), "{}", stderr(&output));
}

#[test]
fn a_missing_file_is_named() {
    let output = run(ORIGIN, &["--config", "none/origin.toml"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "farcast-origin: cannot read none/origin.toml: No such file or directory (os error 2); \
         name a TOML file like deploy/examples/origin.toml\n"
    );
    let output = run(ORIGIN, &["--key-file", "none/keys"], &[]);
    assert_eq!(
        stderr(&output),
        "farcast-origin: cannot read the key file none/keys: No such file or directory (os error \
         2); make one with: (umask 077; openssl rand -base64 32 > none/keys)\n"
    );
}

#[test]
fn check_tells_good_files_from_bad_ones() {
    let keys = file("check.keys", SECRET);
    let good = file("good.toml", "udp = \"127.0.0.1:8080\"\nkey_file = \"check.keys\"\n");
    let output = run(FARCAST, &["check", &good], &[]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    assert_eq!(stdout(&output), format!("{good} is good.\n"));
    fs::remove_file(keys).unwrap();
    assert_eq!(run(FARCAST, &["check", &good], &[]).status.code(), Some(1));

    let bad = file("bad.toml", "name = \"origin\"\n\n\n\n\n\nedgs = []\n");
    let output = run(FARCAST, &["check", &bad], &[]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
    assert_eq!(
        stderr(&output),
        format!("farcast: {bad}:7: unknown key \"edgs\"; did you mean \"edge\"?\n")
    );
    assert_eq!(run(FARCAST, &["check"], &[]).status.code(), Some(2));
}

#[test]
fn check_looks_at_the_file_alone() {
    let path = file("alone.toml", "udp = \"127.0.0.1:8080\"\n");
    let output = run(FARCAST, &["check", &path], &[("FARCAST_OPEN", "true")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no keys for tokens"));
}

#[test]
fn check_passes_warnings_on() {
    let text = "open = true\nudp = \"127.0.0.1:8080\"\nedge = [{ url = \"http://203.0.113.7\" }]";
    let path = file("warn.toml", text);
    let output = run(FARCAST, &["check", &path], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("Mind: http://203.0.113.7 is plain HTTP"));
}

#[test]
fn a_printed_token_is_good_where_its_key_is_known() {
    let keys = file("token.keys", &format!("# the new one\n{SECRET}\n\n{}\n", "old".repeat(11)));
    let what = ["--stream", "stream1", "--act", "publish", "--for", "2h"];
    let output = run(FARCAST, &[&["token", "--key-file", &keys], &what[..]].concat(), &[]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let token = stdout(&output).strip_suffix('\n').unwrap();
    let ask = |secret: &str, now: u64, stream: &str, act: Act| {
        verify(token, &[key(secret)], now, Some(stream), &[act])
    };
    let claims = ask(SECRET, now(), "stream1", Act::Publish).unwrap();
    assert!((now() + 7_190..=now() + 7_200).contains(&claims.exp), "{}", claims.exp);
    assert_eq!(
        ask(&"old".repeat(11), now(), "stream1", Act::Publish),
        Err(Refusal::WrongSignature)
    );
    assert_eq!(ask(SECRET, now(), "stream2", Act::Publish).unwrap_err().status(), 403);
    assert_eq!(ask(SECRET, now(), "stream1", Act::Relay).unwrap_err().status(), 403);
    assert!(ask(SECRET, claims.exp, "stream1", Act::Publish).is_err());

    let output = run(FARCAST, &[&["token", "--key", SECRET], &what[..]].concat(), &[]);
    let other = stdout(&output).trim_end();
    assert!(verify(other, &[key(SECRET)], now(), Some("stream1"), &[Act::Publish]).is_ok());
}

#[test]
fn token_says_what_is_wrong_without_the_secret() {
    let token = |args: &[&str]| {
        let output = run(FARCAST, &[&["token"], args].concat(), &[]);
        assert!(stdout(&output).is_empty());
        (output.status.code().unwrap(), stderr(&output).to_owned())
    };
    let rest = ["--stream", "s", "--act", "play", "--for", "1h"];
    let (code, text) = token(&[&["--key", "sesame"], &rest[..]].concat());
    assert_eq!(code, 1);
    assert!(text.contains("6 bytes") && !text.contains("sesame"), "{text}");
    let (code, text) = token(&rest);
    assert_eq!(code, 2);
    assert!(text.contains("--key-file"), "{text}");
    let (code, text) =
        token(&["--key", SECRET, "--stream", "a*b", "--act", "sing", "--for", "soon"]);
    assert_eq!(code, 2);
    assert!(text.contains("names no stream") && !text.contains(SECRET), "{text}");
    let (code, text) = token(&["--key", SECRET, "--stream", "s", "--act", "sing", "--for", "1h"]);
    assert_eq!(code, 2);
    assert!(text.contains("write publish, play, relay or admin"), "{text}");
}

#[test]
fn a_demo_that_cannot_be_anywhere_says_where_it_can() {
    let demo = |args: &[&str]| {
        let output = run(FARCAST, &[&["demo"], args].concat(), &[]);
        assert!(stdout(&output).is_empty());
        (output.status.code().unwrap(), stderr(&output).to_owned())
    };
    let (code, text) = demo(&["--atlas", "four-cities", "--viewer", "Atlantis"]);
    assert_eq!(code, 1);
    assert_eq!(
        text,
        "farcast: --viewer Atlantis: there is no city called Atlantis; there are Novosibirsk, \
         Frankfurt, New York, Singapore\n"
    );
    let (code, text) = demo(&["--atlas", "none/atlas.toml"]);
    assert_eq!(code, 1);
    assert_eq!(
        text,
        "farcast: cannot read the atlas none/atlas.toml: No such file or directory (os error 2); \
         take the one that is built in, four-cities, or name a TOML file like \
         sim/atlases/four-cities.toml\n"
    );
    let cities = "city = [{ name = \"A\" }, { name = \"B\" }]\n";
    let wrong = file("wrong-atlas.toml", cities);
    let (code, text) = demo(&["--atlas", &wrong]);
    assert_eq!(code, 1);
    assert!(text.contains("wrong-atlas.toml cannot be: ") && text.contains("add a [[link]]"));
    let link = "link = [{ between = [\"A\", \"B\"], rtt_ms = 10 }]\n";
    let small = file("small-atlas.toml", &format!("{cities}{link}"));
    let (code, text) = demo(&["--atlas", &small]);
    assert_eq!(code, 1);
    assert!(
        text.ends_with(
            "too few cities to choose one for edge1; say where it is with --edge CITY\n"
        )
    );
    let (code, text) = demo(&["--viewer", "Frankfurt"]);
    assert_eq!(code, 2);
    assert!(text.contains("--atlas <NAME|FILE>"), "{text}");
}

#[test]
fn help_names_every_flag_and_no_secret() {
    let output = run(ORIGIN, &["--help"], &[("FARCAST_KEYS", SECRET)]);
    let help = stdout(&output);
    for flag in [
        "--config",
        "--name",
        "--http",
        "--https",
        "--cert",
        "--key",
        "--ca",
        "--udp",
        "--public",
        "--public-host",
        "--edge",
        "--key-file",
        "--open",
        "--runtime",
        "--log",
        "FARCAST_KEYS",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
    assert!(!help.contains(SECRET));
}
