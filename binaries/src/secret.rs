//! Secrets as people write them, which never show in messages; it does not know what they sign.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use farcast_core::config::Key;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::error::StartError;

/// The command that makes a good key; messages about keys end with it.
pub const MAKE_ONE: &str = "openssl rand -base64 32";

/// The command that puts a good key into a file that nobody else can read.
pub fn make_file(path: &str) -> String {
    format!("(umask 077; {MAKE_ONE} > {path})")
}

/// A key for tokens: at least 32 bytes of text, taken as they stand, or `base64:` and the base64
/// of at least 32 bytes.
#[derive(Clone)]
pub struct Secret(Key);

/// Keys for tokens; the first one signs.
#[derive(Clone, Default, Debug)]
pub struct Secrets(pub Vec<Secret>);

/// A ready-made token for another node.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(pub String);

impl Secret {
    /// Reads a key as it stands in a file or variable. The error does not repeat it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let secret = match text.strip_prefix("base64:") {
            Some(digits) => STANDARD
                .decode(digits)
                .or_else(|_| STANDARD_NO_PAD.decode(digits))
                .map_err(|_| format!("this key is no base64; make one with: {MAKE_ONE}"))?,
            None => text.as_bytes().to_vec(),
        };
        if secret.len() < Key::SHORTEST {
            return Err(format!(
                "this key has {} bytes, too few to be safe; make one of {} or more with: \
                 {MAKE_ONE}",
                secret.len(),
                Key::SHORTEST
            ));
        }
        Ok(Secret(Key { secret }))
    }

    fn read(value: toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(text) => Secret::parse(&text),
            _ => Err("a key is a string; put it in quotes".into()),
        }
    }

    /// The key for the core.
    pub fn key(&self) -> Key {
        self.0.clone()
    }
}

impl Secrets {
    /// Reads a key file: one key a line; empty lines and lines that begin with `#` are skipped.
    pub fn load(path: &Path) -> Result<Self, StartError> {
        let shown = path.display().to_string();
        let make = make_file(&shown);
        let text = std::fs::read_to_string(path).map_err(|error| {
            StartError(format!("cannot read the key file {shown}: {error}; make one with: {make}"))
        })?;
        let mut secrets = Vec::new();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let secret = Secret::parse(line)
                .map_err(|why| StartError(format!("{shown}:{}: {why}", index + 1)))?;
            secrets.push(secret);
        }
        if secrets.is_empty() {
            return Err(StartError(format!("{shown} holds no key; make one with: {make}")));
        }
        Ok(Secrets(secrets))
    }

    /// Reads keys with commas between them, as they stand in an environment variable.
    pub fn parse_list(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Ok(Secrets(parts.map(Secret::parse).collect::<Result<_, _>>()?))
    }

    /// The keys for the core.
    pub fn keys(&self) -> Vec<Key> {
        self.0.iter().map(Secret::key).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

// Both are read as plain values first, because serde's own messages about a wrong type repeat
// what they found.

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(from)? {
            toml::Value::Array(list) => {
                let secret = |(index, value)| {
                    Secret::read(value).map_err(|why| format!("key {}: {why}", index + 1))
                };
                let secrets = list.into_iter().enumerate().map(secret);
                Ok(Secrets(secrets.collect::<Result<_, _>>().map_err(D::Error::custom)?))
            }
            _ => Err(D::Error::custom("keys is a list of strings; write keys = [\"…\"]")),
        }
    }
}

impl<'de> Deserialize<'de> for Bearer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(from)? {
            toml::Value::String(text) => Ok(Bearer(text)),
            _ => Err(D::Error::custom("a token is a string; put it in quotes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "correct horse battery staple, twice over";

    #[test]
    fn text_is_taken_as_it_stands_and_base64_only_when_it_says_so() {
        assert_eq!(Secret::parse(TEXT).unwrap().key().secret, TEXT.as_bytes());
        let digits = STANDARD.encode([7u8; 32]);
        assert_eq!(Secret::parse(&digits).unwrap().key().secret, digits.as_bytes());
        let named = format!("base64:{digits}");
        assert_eq!(Secret::parse(&named).unwrap().key().secret, [7u8; 32]);
        let unpadded = named.trim_end_matches('=');
        assert_eq!(Secret::parse(unpadded).unwrap().key().secret, [7u8; 32]);
    }

    #[test]
    fn thirty_two_bytes_are_enough_and_fewer_are_not() {
        assert!(Secret::parse(&"k".repeat(32)).is_ok());
        let error = Secret::parse("sesame-open").unwrap_err();
        assert_eq!(
            error,
            "this key has 11 bytes, too few to be safe; make one of 32 or more with: \
             openssl rand -base64 32"
        );
        let decoded = format!("base64:{}", STANDARD.encode([7u8; 31]));
        assert!(Secret::parse(&decoded).unwrap_err().contains("31 bytes"));
        assert!(Secret::parse("base64:%%%").unwrap_err().starts_with("this key is no base64"));
    }

    #[test]
    fn nothing_shows_a_secret() {
        let secrets = Secrets(vec![Secret::parse(TEXT).unwrap()]);
        assert_eq!(format!("{secrets:?}"), "Secrets([Secret(…)])");
        assert_eq!(format!("{:?}", Bearer(TEXT.into())), "Bearer(…)");
    }

    #[test]
    fn a_variable_holds_keys_with_commas_between_them() {
        let list = format!("{}, {},", "a".repeat(32), "b".repeat(32));
        let keys = Secrets::parse_list(&list).unwrap().keys();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[1].secret, "b".repeat(32).as_bytes());
        assert!(Secrets::parse_list("short").is_err());
    }
}
