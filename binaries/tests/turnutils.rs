//! The TURN server under a client that others wrote: coturn's `turnutils_uclient`, in every mode
//! that coturn itself passes.

mod ports;

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ports::ports;

const TURN: &str = env!("CARGO_BIN_EXE_farcast-turn");
const SECRET: &str = "a secret of the laboratory, long enough";
const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds after which a client hangs; it is done in ten.
const HANGS: &str = "20";
/// A run that depends on the client's dice may go wrong so often.
const THROWS: u32 = 10;
/// Each client throws dice for the numbers of two channels. One pair in 16,384 is equal, which the
/// server must refuse, and at which the client gives up.
const SAME_NUMBER: &str = "channel bind: error 400 (Channel or Peer Taken)";
/// Messages of 200 bytes, 20 from each client, one every 5 ms.
const LOAD: &str = "-n 20 -z 5 -l 200";

/// A process that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn started(program: &str, flags: &[&str]) -> Process {
    let mut command = Command::new(program);
    command.args(flags).env_clear().stdout(Stdio::null()).stderr(Stdio::null());
    Process(command.spawn().unwrap_or_else(|error| panic!("{program}: {error}")))
}

/// A server with a certificate, and a peer that echoes.
struct Lab {
    plain: u16,
    tls: u16,
    peer: u16,
    folder: PathBuf,
    _server: Process,
    _peer: Process,
}

impl Lab {
    fn new(name: &str, flags: &[&str]) -> Lab {
        let folder = std::env::temp_dir().join(format!("farcast-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for temporary files");
        let file = |name: &str| folder.join(name).display().to_string();
        let certified = rcgen::generate_simple_self_signed(["turn.lab.test".to_owned()]);
        let certified = certified.expect("a certificate");
        let key = certified.signing_key.serialize_pem();
        for (file, text) in
            [("cert.pem", certified.cert.pem()), ("key.pem", key), ("secret", SECRET.to_owned())]
        {
            std::fs::write(folder.join(file), text).expect("room on the disk");
        }
        let [plain, tls, peer] = ports();
        let (listen, tls_listen) = (format!("127.0.0.1:{plain}"), format!("127.0.0.1:{tls}"));
        let listen6 = format!("[::1]:{plain}");
        let (cert, key, secret) = (file("cert.pem"), file("key.pem"), file("secret"));
        let mut all = vec![
            "--listen",
            &listen,
            "--listen",
            &listen6,
            "--tls-listen",
            &tls_listen,
            "--cert",
            &cert,
            "--key",
            &key,
            "--realm",
            "lab.test",
            "--user",
            "alice:secret",
            "--secret-file",
            &secret,
            "--relay-ip",
            "127.0.0.1",
            "--relay-ip",
            "::1",
            "--ports",
            "49152-65000",
        ];
        all.extend(flags);
        let server = started(TURN, &all);
        let echo =
            started("turnutils_peer", &["-L", "127.0.0.1", "-L", "::1", "-p", &peer.to_string()]);
        let begin = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", plain)).is_err() {
            assert!(begin.elapsed() < PATIENCE, "the server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Lab { plain, tls, peer, folder, _server: server, _peer: echo }
    }

    /// Runs the client with these flags, against the TLS port if they ask for TLS.
    fn client(&self, flags: &str, server: &str) -> Output {
        let secure = flags.split(' ').any(|flag| flag == "-S");
        let port = if secure { self.tls } else { self.plain };
        let peer_ip = if flags.split(' ').any(|flag| flag == "-x") { "::1" } else { "127.0.0.1" };
        let all = format!("-e {peer_ip} -r {} -p {port} {flags}", self.peer);
        let mut args: Vec<&str> = all.split(' ').filter(|flag| !flag.is_empty()).collect();
        let words;
        if let Some(at) = args.iter().position(|flag| *flag == "REST") {
            words = ["-u", "bob", "-W", SECRET];
            args.splice(at..=at, words);
        }
        args.push(server);
        let output = Command::new("timeout").args([HANGS, "turnutils_uclient"]).args(args).output();
        output.expect("scripts/install-test-tools installs it")
    }

    /// Runs the client as alice, who must lose at most so many percent of her packets.
    fn passes(&self, flags: &str, percent: f64) {
        self.passes_at("127.0.0.1", &format!("-u alice -w secret {flags}"), percent);
    }

    fn passes_at(&self, server: &str, flags: &str, percent: f64) {
        let mut output = self.client(flags, server);
        for _ in 0..THROWS {
            if !String::from_utf8_lossy(&output.stdout).contains(SAME_NUMBER) {
                break;
            }
            output = self.client(flags, server);
        }
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{flags}: {text}");
        let lost = lost(&text).unwrap_or_else(|| panic!("{flags}: no figures: {text}"));
        assert!(lost <= percent, "{flags}: {lost} % lost: {text}");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// The percentage in `Total lost packets 3 (1.500000%), …`.
fn lost(text: &str) -> Option<f64> {
    let (_, rest) = text.rsplit_once("Total lost packets ")?;
    rest.split_once('(')?.1.split_once('%')?.0.parse().ok()
}

const ALLOWED: [&str; 4] = ["--allow-peer", "127.0.0.0/8", "--allow-peer", "::1"];

#[test]
fn every_mode_of_a_client_over_udp_loses_nothing() {
    let lab = Lab::new("turnutils-udp", &ALLOWED);
    // A client mostly waits.
    std::thread::scope(|scope| {
        for flags in
            ["-c", "", "-c -s", "-c -g", "-c -D", "-c -B", "-c -I", "-Z -y", "-x -y -c", "-X -c"]
        {
            let lab = &lab;
            scope.spawn(move || lab.passes(&format!("{LOAD} {flags}"), 0.0));
        }
    });
    lab.passes_at("127.0.0.1", &format!("REST {LOAD} -c"), 0.0);
    // The client throws dice. With -G it asks for peers of any family, and gives up after too many
    // wrong ones in a row; with -R it sends what is no STUN half of the time, and waits for ever.
    for flags in ["-c -G", "-c -R"] {
        let all = format!("-u alice -w secret {LOAD} {flags}");
        let lucky = || lab.client(&all, "127.0.0.1").status.code() == Some(0);
        assert!((0..THROWS).any(|_| lucky()), "{flags} is answered");
    }
    lab.passes_at("::1", &format!("-u alice -w secret {LOAD} -x -y -c"), 0.0);
    let connect_and_exit = lab.client(&format!("-u alice -w secret {LOAD} -c -O"), "127.0.0.1");
    assert_eq!(connect_and_exit.status.code(), Some(0));
}

#[test]
fn every_mode_of_a_client_over_tcp_and_tls_works() {
    let lab = Lab::new("turnutils-tcp", &ALLOWED);
    lab.passes(&format!("{LOAD} -c -t"), 0.0);
    // RFC 6062.
    lab.passes(&format!("{LOAD} -T"), 0.0);
    lab.passes(&format!("{LOAD} -T -S"), 0.0);
    // The client itself loses what comes in one TLS record with something else.
    lab.passes("-n 50 -z 10 -l 200 -c -t -S -m 20", 2.0);
}

#[test]
fn who_may_not_is_refused() {
    let lab = Lab::new("turnutils-refused", &ALLOWED);
    let refused = |flags: &str| {
        let output = lab.client(flags, "127.0.0.1");
        assert_ne!(output.status.code(), Some(0), "{flags}");
    };
    refused(&format!("-u alice -w wrong {LOAD} -c"));
    refused(&format!("-u mallory -w secret {LOAD} -c"));
    // The client asks for two channels to one peer, and says that it was refused.
    let output = lab.client(&format!("-u alice -w secret {LOAD} -c -N"), "127.0.0.1");
    assert_eq!(output.status.code(), Some(255));
    lab.passes(&format!("{LOAD} -c"), 0.0);

    let careful = Lab::new("turnutils-careful", &[]);
    let output = careful.client(&format!("-u alice -w secret {LOAD} -c"), "127.0.0.1");
    assert_ne!(output.status.code(), Some(0), "a peer on loopback is refused by default");
}

#[test]
fn a_stun_client_learns_its_address() {
    let lab = Lab::new("turnutils-stun", &[]);
    let port = lab.plain.to_string();
    let output = Command::new("turnutils_stunclient").args(["-p", &port, "127.0.0.1"]).output();
    let output = output.expect("scripts/install-test-tools installs it");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("UDP reflexive addr: 127.0.0.1:"), "{text}");
}

#[test]
fn a_server_is_emptied_while_it_runs() {
    let lab = Lab::new("turnutils-drain", &ALLOWED);
    let file = |name: &str| lab.folder.join(name);
    let [port, elsewhere] = ports();
    let wishes = format!(
        "listen = \"127.0.0.1:{port}\"\n[turn]\nusers = \"alice:secret\"\n\
         relay_ip = \"127.0.0.1\"\nallow_peers = \"127.0.0.0/8\"\n"
    );
    std::fs::write(file("turn.toml"), &wishes).expect("a folder for tests");
    let log = std::fs::File::create(file("log")).expect("a folder for tests");
    let mut command = Command::new(TURN);
    command.arg("--config").arg(file("turn.toml")).env_clear().stdout(Stdio::null()).stderr(log);
    let server = Process(command.spawn().expect("it was built"));
    let until_says = |word: &str| {
        let begin = Instant::now();
        while !std::fs::read_to_string(file("log")).expect("a log").contains(word) {
            assert!(begin.elapsed() < PATIENCE, "it never says {word}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let asks = || {
        let (peer, port) = (lab.peer.to_string(), port.to_string());
        let client = ["5", "turnutils_uclient", "-u", "alice", "-w", "secret", "-n", "2", "-c"];
        let whom = ["-e", "127.0.0.1", "-r", &peer, "-p", &port, "127.0.0.1"];
        let output = Command::new("timeout").args(client).args(whom).output();
        output.expect("scripts/install-test-tools installs it").status.code() == Some(0)
    };
    let reload = |text: &str| {
        std::fs::write(file("turn.toml"), text).expect("a folder for tests");
        let kill = Command::new("kill").args(["-HUP", &server.0.id().to_string()]).status();
        assert!(kill.expect("every system has it").success());
    };
    while !asks() {}
    reload(&format!("{wishes}alternate = \"127.0.0.1:{elsewhere}\"\n"));
    until_says(&format!("new TURN clients are sent to 127.0.0.1:{elsewhere}"));
    assert!(!asks(), "nobody is there");
    until_says("(300 Try Alternate)");
    reload("nonsense");
    until_says("the settings stay as they are");
    assert!(!asks(), "what cannot be read changes nothing");
    reload(&wishes);
    until_says("new TURN clients are sent nowhere else");
    while !asks() {}
}
