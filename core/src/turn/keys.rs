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

pub(super) fn long_term(username: &[u8], realm: &str, password: &[u8]) -> Key {
    let mut md5 = Md5::new();
    for part in [username, b":", realm.as_bytes(), b":", password] {
        md5.update(part);
    }
    md5.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::turn::guard::scan;
    use crate::turn::rfc5769;

    const NOW: Duration = Duration::from_secs(1_800_000_000);
    const REALM: &str = "example.org";

    fn secret(text: &str) -> Secret {
        Secret(text.as_bytes().to_vec())
    }

    fn keys() -> Keys {
        let user = |name: &str, password: &str| TurnUser {
            name: name.to_owned(),
            password: password.to_owned(),
        };
        let users = vec![user("alice", "wonder"), user("1:carol", "song")];
        Keys::new(users, vec![secret("new"), secret("old")])
    }

    /// Asks for somebody who seals with this password.
    fn find(username: &str, password: &str) -> Result<Key, Why> {
        let key = long_term(username.as_bytes(), REALM, password.as_bytes());
        let found = keys().find(NOW, username.as_bytes(), REALM, |other| *other == key);
        assert!(found.is_err() || found == Ok(key));
        found
    }

    #[test]
    fn the_rfcs_own_user_is_let_in() {
        let request = rfc5769::long_term_request();
        let scanned = scan(&request).unwrap();
        let username = "\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}";
        let ask = |password: &str| {
            let user = TurnUser { name: username.to_owned(), password: password.to_owned() };
            let keys = Keys::new(vec![user], vec![]);
            keys.find(NOW, username.as_bytes(), REALM, |key| scanned.is_authentic(key))
        };
        assert!(ask("TheMatrIX").is_ok());
        assert_eq!(ask("TheMatrix"), Err(Why::Unknown));
    }

    #[test]
    fn a_user_is_let_in_by_the_password() {
        assert!(find("alice", "wonder").is_ok());
        assert_eq!(find("alice", "wander"), Err(Why::Unknown));
        assert_eq!(find("alice", ""), Err(Why::Unknown));
        assert_eq!(find("bob", "wonder"), Err(Why::Unknown));
        assert_eq!(find("bob", ""), Err(Why::Unknown));
        assert_eq!(find("", ""), Err(Why::Unknown));
        assert!(find("1:carol", "song").is_ok(), "a lasting name may look like any");
    }

    #[test]
    fn a_minted_credential_is_good_until_it_expires_with_each_secret() {
        for text in ["new", "old"] {
            let ask = |expires| {
                let credential = credential::mint(&secret(text), expires, "viewer");
                find(&credential.username, &credential.password)
            };
            assert!(ask(NOW + Duration::from_secs(1)).is_ok());
            assert_eq!(ask(NOW), Err(Why::Expired));
            assert_eq!(ask(Duration::ZERO), Err(Why::Expired));
        }
        let foreign = credential::mint(&secret("other"), NOW * 2, "viewer");
        assert_eq!(find(&foreign.username, &foreign.password), Err(Why::Unknown));
        let forever = credential::password(&secret("new"), b"viewer");
        assert_eq!(find("viewer", &forever), Err(Why::Unknown), "it names no end");
    }

    #[test]
    fn an_unknown_user_costs_as_much_as_a_wrong_password() {
        let tried = |username: &[u8]| {
            let (keys, tried) = (keys(), Cell::new(0));
            let found = keys.find(NOW, username, REALM, |_| {
                tried.set(tried.get() + 1);
                false
            });
            assert_eq!(found, Err(Why::Unknown));
            tried.get()
        };
        assert_eq!(tried(b"alice"), 3);
        assert_eq!(tried(b"nobody"), 3);
        assert_eq!(tried(b"1800000001:viewer"), 3);
        assert_eq!(tried(&[b'a'; limits::TURN_USERNAME + 1]), 0);
    }

    #[test]
    fn credentials_of_one_name_are_one_user() {
        assert_eq!(name(b"1800000000:viewer"), b"viewer");
        assert_eq!(name(b"viewer"), b"viewer");
        assert_eq!(name(b"a:viewer"), b"a:viewer");
    }
}
