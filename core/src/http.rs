//! HTTP as values: what is asked of us, what we answer, what we ask of others. It knows no
//! connection; HTTP itself ends in the adapters.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

/// A request's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Post,
    Patch,
    Delete,
    Options,
    /// HEAD, PUT and whatever else: no resource of ours takes it.
    Other,
}

impl Method {
    /// The name on the wire; `Other` has none and reads `-`.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Other => "-",
        }
    }
}

/// A request that somebody sent us.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// The path, percent-encoded as it came, from the first `/`.
    pub path: String,
    /// What follows the `?`, without it; empty if there is none.
    pub query: String,
    /// Header fields with names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The whole body; at most [`crate::limits::HTTP_BODY`] bytes.
    pub body: Vec<u8>,
    /// Who asks.
    pub peer: SocketAddr,
    /// Whether it came over TLS.
    pub secure: bool,
}

impl Request {
    /// The first value of a header field; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The value of a query parameter, percent-decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then(|| percent_decode(&value.replace('+', " "))).flatten()
        })
    }
}

/// An answer, ours or another node's.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Header fields with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Reply { status, headers: Vec::new(), body: Vec::new() }
    }

    /// An answer with a body of this media type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Reply::empty(status).with("content-type", content_type).body(body.into())
    }

    /// A JSON answer.
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        Reply::new(status, "application/json", value.to_string())
    }

    /// Adds a header field; `name` in lower case.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The first value of a header field; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }
}

/// A request that we send to another node.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// The absolute URL, `http` or `https`.
    pub url: String,
    /// Header fields with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long the whole call may take.
    pub timeout: Duration,
}

/// Why a call brought no reply, in a sentence for the operator ("connection refused", …).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError(pub String);

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An error as RFC 9457 problem details: a status, a title that names the kind of error, and a
/// sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status code.
    pub status: u16,
    /// A short name for the kind of problem, the same each time it occurs.
    pub title: &'static str,
    /// What happened here and what to do about it.
    pub detail: String,
    /// Seconds after which trying again makes sense.
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem for which trying again later does not help.
    pub fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Problem { status, title, detail: detail.into(), retry_after: None }
    }

    /// The same problem with a hint when to try again, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The problem as a JSON object (RFC 9457 section 3.1).
    pub fn to_json(&self) -> serde_json::Value {
        json!({
            "type": "about:blank",
            "status": self.status,
            "title": self.title,
            "detail": self.detail,
        })
    }

    /// The problem as an HTTP answer.
    pub fn to_reply(&self) -> Reply {
        let body = self.to_json().to_string();
        let reply = Reply::new(self.status, "application/problem+json", body);
        match self.retry_after {
            Some(seconds) => reply.with("retry-after", seconds.to_string()),
            None => reply,
        }
    }
}

/// Decodes `%41` and the like (RFC 3986 section 2.1); `None` if malformed or not UTF-8.
pub fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_decoding_takes_utf8_and_refuses_the_malformed() {
        assert_eq!(percent_decode("a%20b%C3%A9"), Some("a b\u{e9}".into()));
        for bad in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(percent_decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_problem_says_when_to_try_again() {
        let reply = Problem::new(503, "busy", "later").retry_after(3).to_reply();
        assert_eq!(reply.header("retry-after"), Some("3"));
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    }
}
