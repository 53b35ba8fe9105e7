//! What becomes of flags and files together.

use super::*;

const PUBLIC_KEY_FOR_TESTS: &str = "0123456789abcdef0123456789abcdef";

fn ips(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|ip| ip.parse().unwrap()).collect()
}

fn settings(text: &str) -> Result<Settings, StartError> {
    settings_on(text, &["127.0.0.1", "::1", "192.168.1.5"])
}

fn settings_on(text: &str, interfaces: &[&str]) -> Result<Settings, StartError> {
    Settings::new(Wishes::parse(text, "a.toml").unwrap(), &ORIGIN, &ips(interfaces))
}

fn good(text: &str) -> Settings {
    settings(text).map_err(|error| panic!("{text}: {error}")).ok().unwrap()
}

fn error(text: &str) -> String {
    settings(text).err().expect(text).0
}

fn addresses(list: &[&str]) -> Vec<SocketAddr> {
    list.iter().map(|address| address.parse().unwrap()).collect()
}

#[test]
fn an_open_node_needs_nothing_else() {
    let node = good("open = true");
    assert_eq!(node.core.name, "origin-192.168.1.5-8080");
    assert!(matches!(node.core.access, Access::Open));
    assert_eq!(node.http, addresses(&["0.0.0.0:8080"]));
    assert_eq!(node.core.addresses.udp, addresses(&["0.0.0.0:8080"]));
    assert_eq!(node.core.addresses.interfaces, ips(&["192.168.1.5"]));
    assert_eq!((node.core.http_port, node.core.https_port), (Some(8080), None));
    assert_eq!((node.runtime, node.log), (Runtime::Tokio, Log::Info));
}

#[test]
fn without_keys_a_node_says_how_to_go_on() {
    let expected = "this node has no keys for tokens, so nobody could publish or watch.\n\
        Either make a key and give it to all your nodes (beside your other flags):\n    \
        (umask 077; openssl rand -base64 32 > farcast.keys)\n    \
        farcast-origin --key-file farcast.keys\n\
        or let everybody do everything, in a network that you trust:\n    \
        farcast-origin --open";
    assert_eq!(error(""), expected);
    assert_eq!(error("open = false"), expected);
}

#[test]
fn keys_and_open_exclude_each_other() {
    assert_eq!(
        error(&format!("open = true\nkeys = [\"{PUBLIC_KEY_FOR_TESTS}\"]")),
        "this node has keys for tokens and is open to everybody, which contradict each other; \
         take out the keys or --open (open = true)"
    );
    let node = good(&format!("open = false\nkeys = [\"{PUBLIC_KEY_FOR_TESTS}\"]"));
    let Access::Keys(keys) = node.core.access else { panic!("open with keys") };
    assert_eq!(keys[0].secret, PUBLIC_KEY_FOR_TESTS.as_bytes());
}

#[test]
fn edges_are_named_by_their_place_unless_they_have_names() {
    let node = good(
        "open = true\n[[edge]]\nurl = \"http://10.77.2.1:8080/\"\n[[edge]]\nname = \"tokyo\"\n\
         url = \"https://tokyo.internal\"\npublic_url = \"https://tokyo.example.com\"\n\
         token = \"t\"\n[[edge]]\nurl = \"http://10.77.4.1:8080\"\n",
    );
    let names: Vec<&str> = node.core.edges.iter().map(|edge| edge.name.as_str()).collect();
    assert_eq!(names, ["edge1", "tokyo", "edge3"]);
    assert_eq!(node.core.edges[0].url, "http://10.77.2.1:8080");
    assert_eq!(node.core.edges[0].public_url, None);
    assert_eq!(node.core.edges[1].public_url.as_deref(), Some("https://tokyo.example.com"));
    assert_eq!(node.core.edges[1].token.as_deref(), Some("t"));
}

#[test]
fn settings_of_streams_stand_in_one_place() {
    let text = "open = true\n[[stream]]\nname = \"a*\"\nplayout_delay = [10, 200]\n";
    let streams = good(&format!("{text}[[stream]]\nname = \"*\"")).core.streams;
    assert_eq!(streams[0].playout_delay.unwrap().hundredths(), [1, 20]);
    assert_eq!((streams.len(), streams[1].playout_delay), (2, None));
    assert_eq!(
        error(&format!("{text}[[stream]]\nname = \"a*\"")),
        "the streams a* are listed twice; say all about them in one [[stream]]"
    );
}

#[test]
fn edges_that_cannot_be_told_apart_are_refused() {
    let two =
        |one: &str, other: &str| error(&format!("open = true\n[[edge]]\n{one}\n[[edge]]\n{other}"));
    assert_eq!(
        two("url = \"http://a\"", "url = \"http://b\"\nname = \"edge1\""),
        "two edges are called edge1; give each [[edge]] its own name"
    );
    assert_eq!(
        two("url = \"http://a\"", "url = \"http://a/\""),
        "the edge http://a is listed twice; take one out"
    );
}

#[test]
fn too_many_edges_are_refused() {
    let edges = |count: usize| {
        let edge = |i| format!("[[edge]]\nurl = \"http://10.77.2.1:{}\"\n", 8000 + i);
        format!("open = true\n{}", (0..count).map(edge).collect::<String>())
    };
    assert_eq!(good(&edges(limits::EDGES)).core.edges.len(), limits::EDGES);
    assert_eq!(
        error(&edges(limits::EDGES + 1)),
        "65 edges are too many for one node, which feeds up to 64; let some edges feed others"
    );
}

#[test]
fn names_are_short_and_plain() {
    assert_eq!(
        error("open = true\nname = \"my node\\n\""),
        "\"my node\\n\" cannot name a node; write 1 to 252 letters, digits and . _ -"
    );
    assert!(
        error("open = true\n[[edge]]\nname = \"\"\nurl = \"http://a\"").contains("cannot name")
    );
    assert_eq!(
        error("open = true\npublic_host = \"https://a.example.com\""),
        "public_host \"https://a.example.com\" is no host; write a name or an IP without scheme \
         and port, like edge1.example.com"
    );
    let host = good("open = true\npublic_host = \"2001:db8::7\"").core.public_host;
    assert_eq!(host.as_deref(), Some("2001:db8::7"));
}

#[test]
fn https_and_its_certificate_come_together() {
    let https = "open = true\nhttps = \"0.0.0.0:443\"";
    assert_eq!(
        error(https),
        "HTTPS needs a certificate; add --cert fullchain.pem --key privkey.pem"
    );
    assert_eq!(
        error(&format!("{https}\ntls.cert = \"c\"")),
        "the certificate has no private key; add --key privkey.pem"
    );
    assert_eq!(
        error("open = true\ntls.key = \"k\""),
        "--key is the private key of a certificate, and there is none; add --cert fullchain.pem \
         (keys for tokens go with --key-file)"
    );
    assert_eq!(
        error("open = true\ntls = { cert = \"c\", key = \"k\" }"),
        "there is a certificate, but nothing listens for HTTPS; add --https 0.0.0.0:443"
    );
    assert_eq!(
        error(&format!("{https}\ntls = {{ cert = \"none/c.pem\", key = \"k\" }}")),
        "cannot open the certificate (cert) none/c.pem: No such file or directory (os error 2); \
         correct the path, or let this user read it"
    );
}

#[test]
fn https_alone_takes_media_on_its_own_port() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let tls = format!("tls = {{ cert = \"{file}\", key = \"{file}\" }}");
    let node = good(&format!("open = true\nhttps = [\"0.0.0.0:443\", \"[::]:443\"]\n{tls}"));
    assert!(node.http.is_empty());
    assert_eq!(node.core.addresses.udp, addresses(&["0.0.0.0:443", "[::]:443"]));
    assert_eq!((node.core.http_port, node.core.https_port), (None, Some(443)));
    assert_eq!(node.certificate.unwrap().chain, Path::new(file));
}

#[test]
fn media_never_hides_on_loopback_unless_asked_to() {
    let node = good("open = true\nhttp = [\"127.0.0.1:9000\", \"[::1]:9000\"]");
    assert_eq!(node.core.addresses.udp, addresses(&["0.0.0.0:9000", "[::]:9000"]));
    let node = good("open = true\nhttp = [\"127.0.0.1:9000\", \"10.77.1.1:9000\"]");
    assert_eq!(node.core.addresses.udp, addresses(&["0.0.0.0:9000", "10.77.1.1:9000"]));
    let node = good("open = true\nudp = \"127.0.0.1:9000\"");
    assert_eq!(node.core.addresses.udp, addresses(&["127.0.0.1:9000"]));
}

#[test]
fn an_address_serves_once() {
    let twice = "0.0.0.0:8080 is listed twice; one address serves either HTTP or HTTPS, once";
    assert_eq!(error("open = true\nhttp = [\"0.0.0.0:8080\", \"0.0.0.0:8080\"]"), twice);
    assert_eq!(error("open = true\nudp = [\"0.0.0.0:8080\", \"0.0.0.0:8080\"]"), twice);
}

#[test]
fn a_machine_with_loopback_alone_is_told_what_to_do() {
    let on_loopback = |text: &str| settings_on(text, &["127.0.0.1", "::1", "fe80::1"]);
    assert_eq!(
        on_loopback("open = true").err().unwrap().0,
        "this machine has no network interface but loopback, which browsers do not take for \
         media; connect it to a network, or make an interface with: sudo ip link add farcast0 type \
         dummy && sudo ip addr add 10.99.0.1/24 dev farcast0 && sudo ip link set farcast0 up; or \
         name the address under which browsers reach it with --public IP"
    );
    assert!(on_loopback("open = true\npublic = \"203.0.113.7\"").is_ok());
    assert!(on_loopback("open = true\nudp = \"127.0.0.1:8080\"").is_ok());
}

#[test]
fn a_wildcard_of_the_wrong_family_is_told_the_right_one() {
    let error = settings_on("open = true", &["::1", "2001:db8::7"]).err().unwrap();
    assert_eq!(
        error.0,
        "this machine has IPv6 addresses alone; receive media there with --udp [::]:8080"
    );
}

#[test]
fn plain_http_over_the_open_internet_warns_and_starts() {
    let node = good(
        "open = true\n[[edge]]\nurl = \"http://203.0.113.7\"\n[[edge]]\nurl = \"http://10.0.0.2\"",
    );
    assert_eq!(
        node.warnings,
        ["http://203.0.113.7 is plain HTTP to a public address: tokens and streams' names can be \
             read on the way; use https:// or a private network"]
    );
}
