//! Translates between the core's HTTP values and hyper's. It knows no socket and no path.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;

use farcast_core::http::{Method, Problem, Reply, Request};
use farcast_core::limits;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request;
use hyper::http::uri::Authority;
use hyper::{Response, StatusCode};

/// An answer that lies in memory as a whole; all of ours do.
pub(super) type Answer = Response<Full<Bytes>>;

/// Why a body cannot be used.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It has more than [`limits::HTTP_BODY`] bytes.
    TooLarge,
    /// Its sender stopped in the middle.
    Broken(String),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooLarge => write!(f, "it is larger than {} bytes", limits::HTTP_BODY),
            BodyError::Broken(why) => write!(f, "it broke off: {why}"),
        }
    }
}

/// Reads a whole body of bounded size. What is too large is read on for a while all the same and
/// thrown away: closing a socket that holds unread bytes would reset it, and the peer would never
/// learn why.
pub(super) async fn collect<B>(body: B) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Error,
{
    let mut body = pin!(body);
    let (mut whole, mut size) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        size += data.len();
        if size <= limits::HTTP_BODY {
            whole.extend_from_slice(&data);
        } else if size > DISCARDED {
            break;
        }
    }
    match size {
        ..=limits::HTTP_BODY => Ok(whole.into()),
        _ => Err(BodyError::TooLarge),
    }
}

/// The request as the core reads it. HTTP/2 has the host in its own place; the core finds it in
/// the `host` field always.
pub(super) fn request(
    head: &request::Parts,
    body: Bytes,
    peer: SocketAddr,
    secure: bool,
) -> Request {
    let mut headers = fields(&head.headers);
    if let Some(authority) = head.uri.authority()
        && !head.headers.contains_key(header::HOST)
    {
        headers.push(("host".to_owned(), authority.to_string()));
    }
    Request {
        method: method(&head.method),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers,
        body: body.into(),
        peer,
        secure,
    }
}

/// The host that a request of HTTP/1 names; empty if none.
pub(super) fn host<B>(request: &hyper::Request<B>) -> String {
    let host = request.headers().get(header::HOST);
    host.and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned()
}

/// The reply as hyper writes it.
pub(super) fn answer(reply: Reply) -> Answer {
    let fields: Option<Vec<_>> =
        reply.headers.iter().map(|(name, value)| field(name, value)).collect();
    let (Ok(status), Some(fields)) = (StatusCode::from_u16(reply.status), fields) else {
        let detail = "the node made an answer that HTTP cannot carry; please report this";
        return problem(&Problem::new(500, "bad answer", detail));
    };
    let mut answer = Answer::new(Full::new(reply.body.into()));
    *answer.status_mut() = status;
    for (name, value) in fields {
        answer.headers_mut().append(name, value);
    }
    answer
}

/// A problem of HTTP itself, which pages of any origin may read.
pub(super) fn problem(problem: &Problem) -> Answer {
    answer(problem.to_reply().with("access-control-allow-origin", "*"))
}

/// Shows who speaks plain HTTP to an HTTPS port the way: the same URL with the other scheme.
pub(super) fn to_https<B>(request: &hyper::Request<B>) -> Answer {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host: Option<Authority> = host.and_then(|host| host.parse().ok());
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let Some(host) = host else {
        let detail = "this port speaks HTTPS, and a request without a host cannot be shown there";
        return problem(&Problem::new(400, "no host", detail));
    };
    let location = format!("https://{host}{path}");
    let reply = Reply::new(308, "text/plain", format!("this port speaks HTTPS: {location}\n"));
    answer(reply.with("location", location).with("connection", "close"))
}

/// Header fields as the core keeps them: names in lower case, in order.
pub(super) fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// A header field for hyper; `None` if HTTP cannot carry it.
pub(super) fn field(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((name.parse().ok()?, value.parse().ok()?))
}

fn method(method: &hyper::Method) -> Method {
    match *method {
        // RFC 9110 section 9.3.2: the same answer without its body, which the server takes off.
        hyper::Method::GET | hyper::Method::HEAD => Method::Get,
        hyper::Method::POST => Method::Post,
        hyper::Method::PATCH => Method::Patch,
        hyper::Method::DELETE => Method::Delete,
        hyper::Method::OPTIONS => Method::Options,
        _ => Method::Other,
    }
}

/// Bytes of a body that are read at most before its connection is given up.
const DISCARDED: usize = 16 * limits::HTTP_BODY;
