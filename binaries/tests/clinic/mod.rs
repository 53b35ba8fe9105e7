//! What examinations need: a folder with settings and certificates, neighbours that run, and the
//! doctor's own words.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

pub(crate) const KEY: &str = "a secret of more than thirty-two bytes, for tests";
pub(crate) const OTHER_KEY: &str = "another secret of more than thirty-two bytes, for tests";

/// A folder that goes away with its owner, and an authority that signs what lies in it.
pub(crate) struct Clinic {
    folder: PathBuf,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// What the doctor printed, without colours, and the exit code.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) text: String,
}

impl Clinic {
    pub(crate) fn new() -> Clinic {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("farcast-doctor-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let clinic = Clinic { folder, authority };
        clinic.write("ca.pem", &clinic.authority.pem());
        clinic.write("keys", KEY);
        clinic.write("other", OTHER_KEY);
        clinic
    }

    pub(crate) fn write(&self, file: &str, text: &str) -> String {
        let path = self.folder.join(file);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }

    /// Writes a certificate for `name` that ends in so many days, and its key.
    pub(crate) fn issue(&self, name: &str, days: i32) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let day = Duration::from_secs(86_400);
        let now = SystemTime::now();
        let end = now + day * days.max(0).unsigned_abs() - day * days.min(0).unsigned_abs();
        params.not_before = (now - day * 60).into();
        params.not_after = (end + day / 24).into();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        self.write("fullchain.pem", &certificate.pem());
        self.write("privkey.pem", &key.serialize_pem());
    }

    /// Writes a node's settings, with the certificate and a key for tokens.
    pub(crate) fn settings(&self, top: &str, edges: &str) -> String {
        let tls = "[tls]\ncert = \"fullchain.pem\"\nkey = \"privkey.pem\"\nca = \"ca.pem\"\n";
        self.write("node.toml", &format!("{top}\nkey_file = \"keys\"\n{tls}{edges}"))
    }
}

impl Drop for Clinic {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

impl Told {
    /// Runs `command`, which ends with a call of the doctor.
    pub(crate) fn by(command: &mut Command) -> Told {
        let output = command.env_remove("FARCAST_TOKEN").output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(errors, "", "the doctor has no other trouble");
        let text = String::from_utf8(output.stdout).unwrap();
        Told { code: output.status.code().unwrap(), text }
    }

    /// Examines a file.
    pub(crate) fn of(file: &str, flags: &[&str]) -> Told {
        Told::by(Command::new(env!("CARGO_BIN_EXE_farcast")).args(["doctor", file]).args(flags))
    }

    /// What is to be cured on any machine: what the kernel here may want is not the test's.
    pub(crate) fn bad(&self) -> Vec<&str> {
        let own = |line: &&str| line.starts_with("net.") || line.starts_with("this shell");
        self.lines("BAD ").filter(|line| !own(line)).collect()
    }

    pub(crate) fn good(&self, part: &str) -> bool {
        self.lines("ok  ").any(|line| line.contains(part))
    }

    pub(crate) fn unsure(&self, part: &str) -> bool {
        self.lines("?   ").any(|line| line.contains(part))
    }

    /// The cure below the red line that has `part`.
    pub(crate) fn cure(&self, part: &str) -> &str {
        let bad = |line: &&str| line.starts_with("BAD ") && line.contains(part);
        let mut lines = self.text.lines().skip_while(|line| !bad(line));
        assert!(lines.next().is_some(), "no red line with \"{part}\" in\n{}", self.text);
        lines.next().and_then(|line| line.strip_prefix("    -> ")).expect("each has a cure")
    }

    fn lines<'a>(&'a self, mark: &'a str) -> impl Iterator<Item = &'a str> {
        self.text.lines().filter_map(move |line| line.strip_prefix(mark))
    }
}

/// A program that runs until it is dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Starts a program, whose first word says that it listens.
    pub(crate) fn start(words: &[&str]) -> Running {
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program is built");
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).lines().next().expect("a word when it listens").expect("text");
        Running(child)
    }

    /// A neighbour at 127.0.0.1 with a file of keys from the clinic.
    pub(crate) fn edge(clinic: &Clinic, port: u16, keys: &str) -> Running {
        let at = format!("127.0.0.1:{port}");
        let program = env!("CARGO_BIN_EXE_farcast-edge");
        let flags = ["--http", &at, "--udp", &at, "--key-file", &clinic.path(keys)];
        let ca = clinic.path("ca.pem");
        Running::start(&[&[program][..], &flags, &["--ca", &ca]].concat())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
