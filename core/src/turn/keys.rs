//! Who may use the TURN server, and the keys with which they seal their messages (RFC 8489 section
//! 9.2.2). It knows no message.

use std::collections::BTreeMap;
use std::time::Duration;

use md5::{Digest, Md5};

use crate::config::{Secret, TurnUser};
use crate::{credential, limits};

/// A long-term key: MD5 of name, realm and password (RFC 8489 section 9.2.2).
pub(crate) type Key = [u8; 16];

/// Users with passwords that last, and secrets for passwords that do not.
pub(crate) struct Keys {
    /// Passwords by name.
    users: BTreeMap<Vec<u8>, Vec<u8>>,
    secrets: Vec<Secret>,
}

/// Why somebody may not use the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// No user of this name has sealed the message.
    Unknown,
    /// It was a good credential once.
    Expired,
}

impl Keys {
    /// Of several users with one name the last one counts.
    pub(crate) fn new(users: Vec<TurnUser>, secrets: Vec<Secret>) -> Self {
        let pair = |user: TurnUser| (user.name.into_bytes(), user.password.into_bytes());
        Keys { users: users.into_iter().map(pair).collect(), secrets }
    }

    /// The key of this user that `fits` a message, at calendar time since the Unix epoch. There may
    /// be several keys while secrets change. Unknown names cost as much as wrong passwords.
    pub(crate) fn find(
        &self,
        calendar: Duration,
        username: &[u8],
        realm: &str,
        fits: impl Fn(&[u8]) -> bool,
    ) -> Result<Key, Why> {
        if username.len() > limits::TURN_USERNAME {
            return Err(Why::Unknown);
        }
        let fitting = |password: &[u8]| {
            let key = long_term(username, realm, password);
            fits(&key).then_some(key)
        };
        let password = self.users.get(username);
        let lasting = fitting(password.map_or(b"", |password| password));
        let mut limited = None;
        for secret in &self.secrets {
            limited = fitting(credential::password(secret, username).as_bytes()).or(limited);
        }
        if let Some(key) = lasting.filter(|_| password.is_some()) {
            return Ok(key);
        }
        let key = limited.ok_or(Why::Unknown)?;
        let (expires, _) = credential::read(username).ok_or(Why::Unknown)?;
        if calendar < expires { Ok(key) } else { Err(Why::Expired) }
    }
}

/// Whom a username is about: without the expiry, if there is one.
pub(crate) fn name(username: &[u8]) -> &[u8] {
    credential::read(username).map_or(username, |(_, name)| name)
}

fn long_term(username: &[u8], realm: &str, password: &[u8]) -> Key {
    let mut md5 = Md5::new();
    for part in [username, b":", realm.as_bytes(), b":", password] {
        md5.update(part);
    }
    md5.finalize().into()
}
