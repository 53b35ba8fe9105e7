//! The configuration files that people write, good and bad.

use super::*;

fn error(text: &str) -> String {
    Wishes::parse(text, "origin.toml").unwrap_err().to_string()
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_right_name() {
    let text = "# an origin\nname = \"origin\"\n\n\n\n\n[[edgs]]\nurl = \"http://edge1\"\n";
    assert_eq!(error(text), "origin.toml:7: unknown key \"edgs\"; did you mean \"edge\"?");
    assert_eq!(
        error("\n\n\n\n\n\nedgs = []\n"),
        "origin.toml:7: unknown key \"edgs\"; did you mean \"edge\"?"
    );
    assert_eq!(
        error("open = true\ntls = { crt = \"a.pem\" }\n"),
        "origin.toml:2:9: unknown key \"crt\"; did you mean \"cert\"?"
    );
    assert_eq!(
        error("[[edge]]\nurl = \"http://edge1\"\npublc_url = \"http://edge1\"\n"),
        "origin.toml:3: unknown key \"publc_url\"; did you mean \"public_url\"?"
    );
}

#[test]
fn an_unknown_key_far_from_all_others_gets_the_list() {
    assert_eq!(
        error("[tls]\npassphrase = \"x\"\n"),
        "origin.toml:2: unknown key \"passphrase\"; the keys here are cert, key, ca"
    );
}

#[test]
fn wrong_values_are_refused_with_their_place() {
    assert_eq!(
        error("http = [\"0.0.0.0:8080\", \"0.0.0.0\"]\n"),
        "origin.toml:1:8: \"0.0.0.0\" has no port; write \"0.0.0.0:8080\""
    );
    assert_eq!(
        error("\nruntime = \"async-std\"\n"),
        "origin.toml:2:11: \"async-std\" is no runtime of ours; write tokio or smol"
    );
    assert_eq!(
        error("log = \"loud\"\n"),
        "origin.toml:1:7: \"loud\" is no level of the log; write debug, info or warn"
    );
    assert_eq!(
        error("[[edge]]\nurl = \"10.77.2.1:8080\"\n"),
        "origin.toml:2:7: \"10.77.2.1:8080\" is not the address of a node; write \
         \"http://HOST:PORT\" or \"https://HOST\", without a path"
    );
    assert_eq!(
        error("keys = [\"0123456789abcdef0123456789abcdef\", \"sesame\"]\n"),
        "origin.toml:1:8: key 2: this key has 6 bytes, too few to be safe; make one of 32 or more \
         with: openssl rand -base64 32"
    );
}

#[test]
fn streams_that_cannot_be_are_refused_with_their_place() {
    let stream = |line: &str| error(&format!("[[stream]]\nname = \"race-*\"\n{line}\n"));
    assert_eq!(
        stream("playout_delay = [0, 41000]"),
        "origin.toml:3:17: 41000 ms cannot be said to browsers; write a multiple of 10 up to 40950"
    );
    assert_eq!(
        stream("playout_delay = [200, 100]"),
        "origin.toml:3:17: the least, 200 ms, is more than the most, 100 ms"
    );
    for bad in ["[200]", "[0, 100, 200]"] {
        assert_eq!(
            stream(&format!("playout_delay = {bad}")),
            "origin.toml:3:17: write the least and the most, in milliseconds: [0, 200]"
        );
    }
    for bad in ["200", "[-10, 0]", "[0, 0.5]"] {
        let error = stream(&format!("playout_delay = {bad}"));
        assert!(error.starts_with("origin.toml:3:"), "{bad}: {error}");
    }
    assert_eq!(
        error("[[stream]]\nname = \"race *\"\n"),
        "origin.toml:2:8: \"race *\" names no stream; write up to 128 letters, digits and . _ ~ -, \
         and a * at the end for all names that begin so"
    );
    assert_eq!(
        error("[[stream]]\nplayout_delay = [0, 0]\n"),
        "origin.toml:1: the key \"name\" is missing here; add name = \"…\""
    );
}

#[test]
fn wrong_types_are_refused_with_their_place() {
    assert_eq!(
        error("name = \"origin\"\nhttp = 8080\n"),
        "origin.toml:2:8: invalid type: integer `8080`, expected a string in quotes, or a list of \
         them"
    );
    assert_eq!(
        error("open = \"yes\"\n"),
        "origin.toml:1:8: invalid type: string \"yes\", expected a boolean"
    );
    assert_eq!(
        error("[[edge]]\nname = \"edge1\"\n"),
        "origin.toml:1: the key \"url\" is missing here; add url = \"…\""
    );
    assert!(error("edge = [\"http://edge1\"]\n").contains("a table [[edge]]"));
    assert!(error("tls = \"cert.pem\"\n").contains("a table [tls]"));
}

#[test]
fn broken_toml_is_refused_with_its_place() {
    let error = error("name = \"origin\"\nhttp = [\"0.0.0.0:8080\"\nopen = true\n");
    assert!(error.starts_with("origin.toml:3"), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn no_error_repeats_a_secret() {
    let secret = "Ch2ZBq3p-this-must-not-be-seen";
    for text in [
        format!("keys = \"{secret}\""),
        format!("keys = [[\"{secret}\"]]"),
        format!("keys = [\"{secret}\"]"),
        format!("keys = {{ one = \"{secret}\" }}"),
        format!("kesy = [\"{secret}\"]"),
        format!("keys = [\"{secret}\""),
        format!("keys = [\"{secret}]"),
        format!("keys = [{secret}]"),
        format!("[[edge]]\nurl = \"http://edge1\"\ntoken = [\"{secret}\"]"),
        format!("[[edge]]\nurl = \"http://edge1\"\ntokn = \"{secret}\""),
    ] {
        assert!(!error(&text).contains(&secret[..8]), "{text}: {}", error(&text));
    }
}

#[test]
fn nothing_that_was_read_shows_a_secret() {
    let secret = "Ch2ZBq3p-this-must-not-be-seen-either";
    let text =
        format!("keys = [\"{secret}\"]\n[[edge]]\nurl = \"http://edge1\"\ntoken = \"{secret}\"");
    let wishes = Wishes::parse(&text, "origin.toml").unwrap();
    assert_eq!(wishes.keys.keys()[0].secret, secret.as_bytes());
    assert!(!format!("{wishes:?}").contains(&secret[..8]));
}

#[test]
fn one_string_stands_for_a_list_of_one() {
    let one = Wishes::parse("udp = \"[::]:443\"\npublic = [\"203.0.113.7\"]", "a").unwrap();
    assert_eq!(one.udp, ["[::]:443".parse::<Listen>().unwrap()]);
    assert_eq!(one.public, ["203.0.113.7".parse::<Public>().unwrap()]);
}

#[test]
fn an_empty_file_asks_for_nothing() {
    let wishes = Wishes::parse("", "origin.toml").unwrap();
    assert!(wishes.http.is_empty() && wishes.open.is_none() && wishes.tls == Tls::default());
}

#[test]
fn what_is_above_wins_and_the_rest_shows_through() {
    let parse = |text: &str| Wishes::parse(text, "a").unwrap();
    let above = parse("name = \"above\"\nhttp = \"0.0.0.0:1\"\nopen = false\n[tls]\nkey = \"k1\"");
    let below = parse(
        "name = \"below\"\nhttp = [\"0.0.0.0:2\", \"0.0.0.0:3\"]\nudp = \"0.0.0.0:4\"\n\
         open = true\nlog = \"warn\"\n[tls]\nkey = \"k2\"\ncert = \"c2\"",
    );
    let both = above.over(below);
    assert_eq!(both.name.as_deref(), Some("above"));
    assert_eq!(both.http, ["0.0.0.0:1".parse::<Listen>().unwrap()]);
    assert_eq!(both.udp, ["0.0.0.0:4".parse::<Listen>().unwrap()]);
    assert_eq!(both.open, Some(false));
    assert_eq!(both.log, Some(Log::Warn));
    assert_eq!(both.tls.key, Some("k1".into()));
    assert_eq!(both.tls.cert, Some("c2".into()));
}

#[test]
fn keys_above_replace_every_key_below() {
    let key = "0123456789abcdef0123456789abcdef";
    let above = Wishes { key_file: Some("new".into()), ..Wishes::default() };
    let below = Wishes::parse(&format!("keys = [\"{key}\"]\nkey_file = \"old\""), "a").unwrap();
    let kept = Wishes::default().over(below.clone());
    assert_eq!((kept.keys.0.len(), kept.key_file), (1, Some("old".into())));
    let both = above.over(below);
    assert_eq!((both.keys.0.len(), both.key_file), (0, Some("new".into())));
}
