//! The TOML file of a node and the words in it; it does not know flags, nor what comes of it all.

pub mod turn;

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use farcast_core::config::{Egress, PlayoutDelay};
use farcast_core::limits;
use farcast_core::media::track::Pattern;
use serde::de::{DeserializeOwned, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::address::{Listen, NodeUrl, Public};
use crate::error::StartError;
use crate::secret::{Bearer, Secrets};

/// What an operator asked for, in a file or by flags; what is `None` or empty has a default.
/// Every word means the same in the file, as a flag and in the environment.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "the settings of a node")]
pub struct Wishes {
    /// How other nodes and people call this node.
    pub name: Option<String>,
    /// Where to listen for plain HTTP.
    #[serde(deserialize_with = "one_or_many")]
    pub http: Vec<Listen>,
    /// Where to listen for HTTPS.
    #[serde(deserialize_with = "one_or_many")]
    pub https: Vec<Listen>,
    /// Where media arrives.
    #[serde(deserialize_with = "one_or_many")]
    pub udp: Vec<Listen>,
    /// The IPs that candidates announce instead of the bound ones.
    #[serde(deserialize_with = "one_or_many")]
    pub public: Vec<Public>,
    /// The host that viewers are told for this node.
    pub public_host: Option<String>,
    /// Whether everybody may do everything.
    pub open: Option<bool>,
    /// Keys for tokens.
    pub keys: Secrets,
    /// A file with keys for tokens.
    pub key_file: Option<PathBuf>,
    /// Which async runtime drives the node.
    #[serde(deserialize_with = "word")]
    pub runtime: Option<Runtime>,
    /// Who seals what goes to viewers.
    #[serde(deserialize_with = "word")]
    pub egress: Option<Egress>,
    /// How many cores share the work.
    pub cores: Option<Cores>,
    /// How much the log says.
    #[serde(deserialize_with = "word")]
    pub log: Option<Log>,
    /// Certificates.
    pub tls: Tls,
    /// The TURN server inside the node, or others.
    pub turn: turn::Turn,
    /// Nodes that take every stream of this one.
    pub edge: Vec<Edge>,
    /// What goes for some streams alone.
    pub stream: Vec<Stream>,
}

/// The certificates of a node and of the nodes it talks to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table [tls] with cert, key and ca")]
pub struct Tls {
    /// The certificate chain, PEM (`fullchain.pem`).
    pub cert: Option<PathBuf>,
    /// Its private key, PEM (`privkey.pem`).
    pub key: Option<PathBuf>,
    /// A private authority that vouches for the other nodes, PEM.
    pub ca: Option<PathBuf>,
}

/// A downstream node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table [[edge]] with at least a url")]
pub struct Edge {
    /// How people call it; by its place in the list if `None`.
    pub name: Option<String>,
    /// How this node reaches it.
    #[serde(deserialize_with = "needed_word")]
    pub url: NodeUrl,
    /// What viewers are told; the same as `url` if `None`.
    #[serde(default, deserialize_with = "word")]
    pub public_url: Option<NodeUrl>,
    /// The token that it wants from us; made from our own first key if `None`.
    pub token: Option<Bearer>,
}

/// What goes for some streams alone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table [[stream]] with at least a name")]
pub struct Stream {
    /// Which: a name, or with a `*` at its end all names that begin so.
    pub name: Pattern,
    /// How long their frames wait at viewers; as each viewer's line needs it if `None`.
    #[serde(default, deserialize_with = "playout_delay")]
    pub playout_delay: Option<PlayoutDelay>,
}

/// An async runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Runtime {
    #[default]
    Tokio,
    Smol,
}

/// A number of cores: 1 to [`limits::CORES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Cores(pub usize);

/// How much the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Log {
    /// Every session.
    Debug,
    /// The life of streams and nodes.
    #[default]
    Info,
    /// What needs the operator's eyes.
    Warn,
}

impl Wishes {
    /// Reads a file. Paths in it are relative to it.
    pub fn load(path: &Path) -> Result<Self, StartError> {
        let mut wishes: Wishes = load(path, "origin.toml")?;
        let tls = &mut wishes.tls;
        let files = [&mut wishes.key_file, &mut wishes.turn.secret_file];
        beside(path, files);
        beside(path, [&mut tls.cert, &mut tls.key, &mut tls.ca]);
        Ok(wishes)
    }

    /// Reads the text of a file called `name`.
    pub fn parse(text: &str, name: &str) -> Result<Self, StartError> {
        parse(text, name)
    }

    /// These wishes where they say something, and those of `below` where they do not.
    #[must_use]
    pub fn over(self, below: Wishes) -> Wishes {
        let keyed = !self.keys.0.is_empty() || self.key_file.is_some();
        // Keys are replaced as one, or a key that was taken out on purpose would come back.
        let (keys, key_file) =
            if keyed { (self.keys, self.key_file) } else { (below.keys, below.key_file) };
        Wishes {
            name: self.name.or(below.name),
            http: or_list(self.http, below.http),
            https: or_list(self.https, below.https),
            udp: or_list(self.udp, below.udp),
            public: or_list(self.public, below.public),
            public_host: self.public_host.or(below.public_host),
            open: self.open.or(below.open),
            keys,
            key_file,
            runtime: self.runtime.or(below.runtime),
            egress: self.egress.or(below.egress),
            cores: self.cores.or(below.cores),
            log: self.log.or(below.log),
            tls: self.tls.over(below.tls),
            turn: self.turn.over(below.turn),
            edge: or_list(self.edge, below.edge),
            stream: or_list(self.stream, below.stream),
        }
    }
}

impl Tls {
    /// These files where they are named, and those of `below` where they are not.
    #[must_use]
    pub fn over(self, below: Tls) -> Tls {
        Tls {
            cert: self.cert.or(below.cert),
            key: self.key.or(below.key),
            ca: self.ca.or(below.ca),
        }
    }
}

/// Reads settings from a file; `like` is an example of it.
pub(crate) fn load<T: DeserializeOwned>(path: &Path, like: &str) -> Result<T, StartError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        StartError(format!(
            "cannot read {shown}: {error}; name a TOML file like deploy/examples/{like}"
        ))
    })?;
    parse(&text, &shown.to_string())
}

/// Reads the text of a file called `name`.
fn parse<T: DeserializeOwned>(text: &str, name: &str) -> Result<T, StartError> {
    toml::from_str(text).map_err(|error| {
        let place = error.span().map_or(String::new(), |span| place(text, span.start));
        StartError(format!("{name}:{place} {}", plain(error.message())))
    })
}

/// Makes paths that a file names relative to it.
pub(crate) fn beside<const N: usize>(path: &Path, files: [&mut Option<PathBuf>; N]) {
    let folder = path.parent().unwrap_or(Path::new(""));
    for file in files {
        *file = file.take().map(|file| folder.join(file));
    }
}

pub(crate) fn or_list<T>(above: Vec<T>, below: Vec<T>) -> Vec<T> {
    if above.is_empty() { below } else { above }
}

/// `7:` for what begins its line, as keys and headers of tables do, else `7:12:`; both are counted
/// from one.
fn place(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let left = before.rsplit('\n').next().unwrap_or("");
    match left.trim_start_matches([' ', '\t', '[']) {
        "" => format!("{line}:"),
        _ => format!("{line}:{}:", left.chars().count() + 1),
    }
}

/// Says what serde says, in the words of somebody who writes a file.
fn plain(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let key = quoted.next().unwrap_or_default();
        return unknown_key(key, &quoted.collect::<Vec<_>>());
    }
    if message.starts_with("missing field") {
        let key = quoted.next().unwrap_or_default();
        return format!("the key \"{key}\" is missing here; add {key} = \"…\"");
    }
    message.replace('\n', " ")
}

fn unknown_key(key: &str, known: &[&str]) -> String {
    let distance = |other: &str| strsim::damerau_levenshtein(key, other);
    // Farther than this, a guess confuses more than it helps.
    let reach = (key.chars().count() / 3).max(2);
    let near = known.iter().min_by_key(|other| distance(other));
    match near.filter(|other| distance(other) <= reach) {
        Some(near) => format!("unknown key \"{key}\"; did you mean \"{near}\"?"),
        None => format!("unknown key \"{key}\"; the keys here are {}", known.join(", ")),
    }
}

/// A string that says what it should be if it cannot be read.
struct Word<T>(T);

impl<'de, T: FromStr<Err = String>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map(Word).map_err(D::Error::custom)
    }
}

fn needed_word<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = String>,
{
    Word::deserialize(from).map(|word| word.0)
}

pub(crate) fn word<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = String>,
{
    needed_word(from).map(Some)
}

/// The least and the most, in milliseconds.
fn playout_delay<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PlayoutDelay>, D::Error> {
    let delay = match Vec::<u64>::deserialize(from)?[..] {
        [least, most] => PlayoutDelay::from_millis(least, most),
        _ => Err("write the least and the most, in milliseconds: [0, 200]".to_owned()),
    };
    delay.map(Some).map_err(D::Error::custom)
}

/// A list of strings; a single one stands for a list of one.
pub(crate) fn one_or_many<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = String>,
{
    struct Words<T>(PhantomData<T>);

    impl<'de, T: FromStr<Err = String>> Visitor<'de> for Words<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string in quotes, or a list of them")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
            text.parse().map(|one| vec![one]).map_err(E::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(Word(one)) = list.next_element()? {
                all.push(one);
            }
            Ok(all)
        }
    }

    from.deserialize_any(Words(PhantomData))
}

impl FromStr for Runtime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "tokio" => Ok(Runtime::Tokio),
            "smol" => Ok(Runtime::Smol),
            _ => Err(format!("\"{text}\" is no runtime of ours; write tokio or smol")),
        }
    }
}

impl TryFrom<u32> for Cores {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        let most = limits::CORES;
        let fits = usize::try_from(number).ok().filter(|number| (1..=most).contains(number));
        fits.map(Cores).ok_or_else(|| format!("{number} cores are none of ours; write 1 to {most}"))
    }
}

impl FromStr for Cores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number: u32 = text.parse().map_err(|_| format!("\"{text}\" is no number of cores"))?;
        number.try_into()
    }
}

impl FromStr for Log {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "debug" => Ok(Log::Debug),
            "info" => Ok(Log::Info),
            "warn" => Ok(Log::Warn),
            _ => Err(format!("\"{text}\" is no level of the log; write debug, info or warn")),
        }
    }
}

#[cfg(test)]
mod tests;
