//! Bearer tokens as strangers may make them, without our key and with it.

use farcast_core::director::signal::token::{Act, Claims, mint, verify};
use farcast_core::media::track::Pattern;
use jsonwebtoken::{EncodingKey, Header};

use crate::http::key;
use crate::stage::CALENDAR;

/// A token; and the same text as claims that our own key signs, as header, and as pattern.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let now = CALENDAR.as_secs();
    check(text, now);
    if let Ok(claims) = serde_json::from_str::<serde_json::Value>(text) {
        let signer = EncodingKey::from_secret(&key().secret);
        let signed = jsonwebtoken::encode(&Header::default(), &claims, &signer);
        check(&signed.expect("JSON can be signed"), now);
    }
    if let Ok(pattern) = text.parse::<Pattern>() {
        assert_eq!(pattern.to_string(), text);
        assert!(pattern.matches(text.trim_end_matches('*')));
    }
    if let Ok(act) = text.parse::<Act>() {
        assert_eq!(act.as_str(), text);
    }
}

fn check(token: &str, now: u64) {
    let ask = |token: &str| verify(token, &[key()], now, Some("stream1"), &[Act::Publish]);
    match ask(token) {
        Ok(claims) => {
            assert!(claims.exp > now && claims.act == Act::Publish);
            assert!(claims.sub.matches("stream1"));
            let again: Claims = ask(&mint(&key(), &claims)).expect("our own token");
            assert_eq!(again, claims);
        }
        Err(refusal) => {
            assert!([401, 403].contains(&refusal.status()));
            assert!(!refusal.to_problem().detail.is_empty());
        }
    }
}
