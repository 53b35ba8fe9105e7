//! Bearer tokens, which say who may do what with which stream until when; it knows no clock and
//! does not know who asks.

use std::fmt;
use std::str::FromStr;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::config::Key;
use crate::http::Problem;
use crate::limits;
use crate::media::track::Pattern;

/// What a token's bearer may do. On the wire, the claims of a JWT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// With which streams.
    pub sub: Pattern,
    /// What.
    pub act: Act,
    /// From this second on no longer, counted since the Unix epoch.
    pub exp: u64,
}

/// Something that a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// Publish a stream, from a browser or an encoder.
    Publish,
    /// Watch a stream.
    Play,
    /// Carry a stream from node to node, and ask a node for its load.
    Relay,
    /// Read and do what operators may.
    Admin,
}

/// Why a token does not open the door. Nothing changed because of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is none, and this node wants one.
    Missing,
    /// It is not a token of ours: why, for the person who made it.
    Malformed(&'static str),
    /// None of our keys signed exactly this.
    WrongSignature,
    /// It was good once.
    Expired {
        /// For so many seconds it has not been good any more.
        seconds: u64,
    },
    /// It is for other streams.
    WrongStream {
        /// The stream that was asked for.
        stream: String,
        /// The streams that it is for.
        allowed: Pattern,
    },
    /// It allows something else.
    WrongAct {
        /// What was wanted; any of them would do.
        wanted: Vec<Act>,
        /// What it allows.
        allowed: Act,
    },
}

/// Signs claims. Whoever holds `key` takes the token as proof.
pub fn mint(key: &Key, claims: &Claims) -> String {
    let signer = EncodingKey::from_secret(&key.secret);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &signer)
        .expect("three plain claims are always JSON, and HS256 takes a key of any length")
}

/// Reads a token that any of `keys` signed, and checks that at `now_unix` it allows one of
/// `wanted`, with `stream` if the request is about one. An empty token stands for none.
pub fn verify(
    token: &str,
    keys: &[Key],
    now_unix: u64,
    stream: Option<&str>,
    wanted: &[Act],
) -> Result<Claims, Refusal> {
    let claims = read(token, keys)?;
    if now_unix >= claims.exp {
        return Err(Refusal::Expired { seconds: now_unix - claims.exp });
    }
    if let Some(stream) = stream.filter(|stream| !claims.sub.matches(stream)) {
        return Err(Refusal::WrongStream { stream: stream.to_owned(), allowed: claims.sub });
    }
    if !wanted.contains(&claims.act) {
        return Err(Refusal::WrongAct { wanted: wanted.to_vec(), allowed: claims.act });
    }
    Ok(claims)
}

fn read(token: &str, keys: &[Key]) -> Result<Claims, Refusal> {
    if token.is_empty() {
        return Err(Refusal::Missing);
    }
    if token.len() > limits::TOKEN {
        return Err(Refusal::Malformed("it is too long"));
    }
    let rules = rules();
    for key in keys {
        let verifier = DecodingKey::from_secret(&key.secret);
        match jsonwebtoken::decode::<Claims>(token, &verifier, &rules) {
            // RFC 7515 section 4.1.11: what must be understood and is not, must be refused.
            Ok(data) if data.header.crit.is_some() => {
                return Err(Refusal::Malformed("its header marks something as critical"));
            }
            Ok(data) => return Ok(data.claims),
            // Perhaps an older key signed it.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
            Err(error) => return Err(malformed(error.kind())),
        }
    }
    Err(Refusal::WrongSignature)
}

/// HS256 alone, and no look at any clock: this crate would ask the system for the time.
fn rules() -> Validation {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    rules
}

fn malformed(kind: &ErrorKind) -> Refusal {
    Refusal::Malformed(match kind {
        ErrorKind::InvalidToken => "it does not have three parts with dots between them",
        ErrorKind::InvalidAlgorithm => "it is not signed with HS256",
        ErrorKind::Base64(_) | ErrorKind::Utf8(_) => "a part of it is not base64url",
        ErrorKind::Json(_) => "its header or its claims (sub, act, exp) cannot be read",
        _ => "it cannot be read",
    })
}

impl Act {
    /// Every act, in the order in which people read them.
    pub const ALL: [Act; 4] = [Act::Publish, Act::Play, Act::Relay, Act::Admin];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Act::Publish => "publish",
            Act::Play => "play",
            Act::Relay => "relay",
            Act::Admin => "admin",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Act {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Act::ALL.into_iter().find(|act| act.as_str() == text).ok_or_else(|| {
            format!(
                "\"{text}\" is nothing that a token allows; write publish, play, relay or admin"
            )
        })
    }
}

impl Refusal {
    /// 401 if another token is needed, 403 if this one is good for something else.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::WrongStream { .. } | Refusal::WrongAct { .. } => 403,
            _ => 401,
        }
    }

    /// The refusal as problem details, for HTTP and WebSocket alike.
    pub fn to_problem(&self) -> Problem {
        let title = match self {
            Refusal::Missing => "token missing",
            Refusal::Malformed(_) => "token malformed",
            Refusal::WrongSignature => "token not ours",
            Refusal::Expired { .. } => "token expired",
            Refusal::WrongStream { .. } => "token for another stream",
            Refusal::WrongAct { .. } => "token for something else",
        };
        Problem::new(self.status(), title, self.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Missing => f.write_str(
                "this node wants a bearer token; ask its operator for one (`farcast token` makes \
                 them)",
            ),
            Refusal::Malformed(why) => {
                write!(f, "this is no token for this node: {why}; copy it again, whole")
            }
            Refusal::WrongSignature => f.write_str(
                "no key of this node signed this token; make it with the node's own key, or copy \
                 it again, whole",
            ),
            Refusal::Expired { seconds } => {
                write!(f, "this token expired {seconds} s ago; ask for a new one")
            }
            Refusal::WrongStream { stream, allowed } => {
                write!(f, "this token is for {allowed}, not for {stream}; ask for one for {stream}")
            }
            Refusal::WrongAct { wanted, allowed } => {
                let wanted: Vec<&str> = wanted.iter().map(|act| act.as_str()).collect();
                let wanted = wanted.join(" or ");
                write!(f, "this token may {allowed}, not {wanted}; ask for one that may {wanted}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const END: u64 = NOW + 60;

    fn key(byte: u8) -> Key {
        Key { secret: vec![byte; Key::SHORTEST] }
    }

    fn claims(sub: &str, act: Act) -> Claims {
        Claims { sub: sub.parse().unwrap(), act, exp: END }
    }

    fn token(sub: &str, act: Act) -> String {
        mint(&key(1), &claims(sub, act))
    }

    fn check(token: &str, now: u64) -> Result<Claims, Refusal> {
        verify(token, &[key(1)], now, Some("stream1"), &[Act::Publish])
    }

    /// A token with this header and these claims, truly signed by key 1.
    fn signed(header: &str, payload: &str) -> String {
        let message = format!("{}.{}", base64url(header), base64url(payload));
        let signer = EncodingKey::from_secret(&key(1).secret);
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &signer, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }

    fn base64url(text: &str) -> String {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut out = String::new();
        for chunk in text.as_bytes().chunks(3) {
            let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            for digit in 0..=chunk.len() {
                let index = bits >> (18 - 6 * digit) & 63;
                out.push(char::from(DIGITS[index as usize]));
            }
        }
        out
    }

    const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

    #[test]
    fn a_minted_token_is_good_and_says_what_it_said() {
        let minted = claims("stream1", Act::Publish);
        assert_eq!(check(&mint(&key(1), &minted), NOW), Ok(minted));
    }

    #[test]
    fn claims_are_plain_json_that_other_tools_can_write() {
        let payload = format!(r#"{{"sub":"str*","act":"publish","exp":{END},"iss":"shop"}}"#);
        let read = check(&signed(HEADER, &payload), NOW).unwrap();
        assert_eq!(read, claims("str*", Act::Publish));
        assert_eq!(
            serde_json::to_string(&read).unwrap(),
            format!(r#"{{"sub":"str*","act":"publish","exp":{END}}}"#)
        );
    }

    #[test]
    fn a_token_ends_at_the_exact_second() {
        let token = token("stream1", Act::Publish);
        assert!(check(&token, END - 1).is_ok());
        assert_eq!(check(&token, END), Err(Refusal::Expired { seconds: 0 }));
        assert_eq!(check(&token, END + 7), Err(Refusal::Expired { seconds: 7 }));
    }

    #[test]
    fn only_hs256_is_taken() {
        let payload = format!(r#"{{"sub":"stream1","act":"publish","exp":{END}}}"#);
        assert!(check(&signed(HEADER, &payload), NOW).is_ok());
        for alg in ["none", "None", "HS384", "HS512", "RS256", ""] {
            let header = format!(r#"{{"alg":"{alg}"}}"#);
            let refusal = check(&signed(&header, &payload), NOW).unwrap_err();
            assert!(matches!(refusal, Refusal::Malformed(_)), "{alg}: {refusal:?}");
            let unsigned = format!("{}.{}.", base64url(&header), base64url(&payload));
            let refusal = check(&unsigned, NOW).unwrap_err();
            assert!(matches!(refusal, Refusal::Malformed(_)), "{alg}: {refusal:?}");
        }
    }

    #[test]
    fn a_critical_header_that_we_do_not_know_is_refused() {
        let payload = format!(r#"{{"sub":"stream1","act":"publish","exp":{END}}}"#);
        let token = signed(r#"{"alg":"HS256","crit":["b64"],"b64":true}"#, &payload);
        let refusal = Refusal::Malformed("its header marks something as critical");
        assert_eq!(check(&token, NOW), Err(refusal));
    }

    #[test]
    fn every_single_changed_character_is_refused() {
        let good = token("stream1", Act::Publish);
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = match bytes[at] {
                b'A'..=b'Z' => b'9',
                _ => b'B',
            };
            let bad = String::from_utf8(bytes).unwrap();
            let refusal = check(&bad, NOW).expect_err(&bad);
            assert_eq!(refusal.status(), 401, "{bad}");
        }
    }

    #[test]
    fn an_empty_signature_is_no_signature() {
        let good = token("stream1", Act::Publish);
        let (message, _) = good.rsplit_once('.').unwrap();
        assert_eq!(check(&format!("{message}."), NOW), Err(Refusal::WrongSignature));
    }

    #[test]
    fn any_of_several_keys_may_have_signed() {
        let old = mint(&key(2), &claims("stream1", Act::Publish));
        let ask = |keys: &[Key]| verify(&old, keys, NOW, Some("stream1"), &[Act::Publish]);
        assert!(ask(&[key(1), key(2)]).is_ok());
        assert!(ask(&[key(2), key(1)]).is_ok());
        assert_eq!(ask(&[key(1), key(3)]), Err(Refusal::WrongSignature));
        assert_eq!(ask(&[]), Err(Refusal::WrongSignature));
    }

    #[test]
    fn another_stream_or_act_is_forbidden_with_a_sentence() {
        let ask = |token: &str, wanted: &[Act]| {
            verify(token, &[key(1)], NOW, Some("stream1"), wanted).map_err(|r| r.to_problem())
        };
        let problem = ask(&token("horses*", Act::Publish), &[Act::Publish]).unwrap_err();
        assert_eq!((problem.status, problem.title), (403, "token for another stream"));
        assert_eq!(
            problem.detail,
            "this token is for horses*, not for stream1; ask for one for stream1"
        );
        let problem = ask(&token("*", Act::Play), &[Act::Relay, Act::Admin]).unwrap_err();
        assert_eq!((problem.status, problem.title), (403, "token for something else"));
        assert_eq!(
            problem.detail,
            "this token may play, not relay or admin; ask for one that may relay or admin"
        );
        assert!(ask(&token("*", Act::Admin), &[Act::Relay, Act::Admin]).is_ok());
        assert!(ask(&token("*", Act::Admin), &[]).is_err());
    }

    #[test]
    fn a_request_about_no_stream_takes_a_token_for_any() {
        let token = token("horses*", Act::Relay);
        assert!(verify(&token, &[key(1)], NOW, None, &[Act::Relay]).is_ok());
    }

    #[test]
    fn what_is_no_token_is_refused_with_a_reason() {
        assert_eq!(check("", NOW), Err(Refusal::Missing));
        let long = "a".repeat(limits::TOKEN + 1);
        assert_eq!(check(&long, NOW), Err(Refusal::Malformed("it is too long")));
        for bad in ["a", "a.b", "a.b.c", "...", "\u{1f3a5}.\u{1f3a5}.\u{1f3a5}", &long[1..]] {
            assert!(matches!(check(bad, NOW), Err(Refusal::Malformed(_))), "{bad}");
        }
        for payload in [
            "[]",
            r#"{"sub":"stream1","act":"publish"}"#,
            r#"{"sub":"stream1","act":"sing","exp":9999999999}"#,
            r#"{"sub":"a*b","act":"publish","exp":9999999999}"#,
            r#"{"sub":"stream1","act":"publish","exp":-1}"#,
        ] {
            let refusal = check(&signed(HEADER, payload), NOW).unwrap_err();
            assert!(matches!(refusal, Refusal::Malformed(_)), "{payload}: {refusal:?}");
        }
    }

    #[test]
    fn the_longest_token_of_ours_fits() {
        let sub = format!("{}*", "x".repeat(limits::STREAM_NAME)).parse().unwrap();
        let token = mint(&key(1), &Claims { sub, act: Act::Publish, exp: u64::MAX });
        assert!(token.len() <= limits::TOKEN, "{}", token.len());
    }
}
