//! What an HTTP request means: the calls of `docs/signalling.md`, with the errors that a request
//! can have before anybody looks at streams.

use crate::director::signal::knock::Doors;
use crate::http::{Method, Problem, Request, percent_decode};
use crate::media::sdp::{Description, Fragment};
use crate::media::track::StreamName;

/// A request that makes sense.
#[derive(Debug)]
pub(crate) enum Route {
    /// What may be done here, and by whom: everybody.
    Options,
    /// A new session.
    Offer { protocol: Protocol, stream: StreamName, offer: Description },
    /// Candidates or an ICE restart for a session.
    Patch { resource: String, precondition: Precondition, fragment: Fragment },
    /// The end of a session.
    Delete { resource: String },
    /// Whom a viewer should ask.
    ServerList,
    /// How this node is, for other nodes.
    Load,
    /// Which doors of the asker's are open from here.
    Knock(Doors),
    /// Whether the node's loop runs.
    Healthy,
    /// Whether the node may get traffic.
    Ready,
}

/// Publishing or playing over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Whip,
    Whep,
}

/// `If-Match` (RFC 9110 section 13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// `*`: whatever ICE session there is; the sign of a restart (RFC 9725 section 4.3.3).
    Any,
    /// One of these entity tags, without quotes.
    Tags(Vec<String>),
}

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// Finds out what a request means.
pub(crate) fn route(request: &Request) -> Result<Route, Problem> {
    let mut parts = request.path.trim_start_matches('/').split('/');
    match (parts.next().unwrap_or(""), parts.next(), parts.next(), parts.next()) {
        ("whip", Some(stream), None, _) => endpoint(request, Protocol::Whip, stream),
        ("whep", Some(stream), None, _) => endpoint(request, Protocol::Whep, stream),
        ("whip" | "whep", Some(_), Some(resource), None) => session(request, resource),
        ("v1", Some("load"), None, _) => get(request, Route::Load),
        ("v1", Some("knock"), None, _) => knock(request),
        ("healthz", None, ..) => get(request, Route::Healthy),
        ("readyz", None, ..) => get(request, Route::Ready),
        _ => match request.query("action").as_deref() {
            Some("server_list") => get(request, Route::ServerList),
            Some(_) => Err(not_found("the only action is server_list")),
            None => Err(not_found("docs/signalling.md lists the calls")),
        },
    }
}

fn get(request: &Request, route: Route) -> Result<Route, Problem> {
    match request.method {
        Method::Get => Ok(route),
        Method::Options => Ok(Route::Options),
        _ => Err(not_allowed(request, "GET")),
    }
}

fn knock(request: &Request) -> Result<Route, Problem> {
    match request.method {
        Method::Options => return Ok(Route::Options),
        Method::Post => {}
        _ => return Err(not_allowed(request, "POST")),
    }
    content_type(request, "application/json")?;
    Doors::parse(&request.body).map(Route::Knock)
}

fn endpoint(request: &Request, protocol: Protocol, stream: &str) -> Result<Route, Problem> {
    match request.method {
        Method::Options => return Ok(Route::Options),
        Method::Post => {}
        _ => return Err(not_allowed(request, "POST")),
    }
    let name = percent_decode(stream).and_then(|name| StreamName::parse(&name));
    let Some(stream) = name else { return Err(bad_name()) };
    content_type(request, SDP)?;
    accepts_sdp(request)?;
    let offer = description(text(request)?)?;
    Ok(Route::Offer { protocol, stream, offer })
}

/// The problem with a stream's name that is none.
pub(crate) fn bad_name() -> Problem {
    let detail = "a stream's name has 1 to 128 characters: letters, digits and . _ ~ -";
    Problem::new(400, "malformed stream name", detail)
}

/// Reads an offer.
pub(crate) fn description(text: &str) -> Result<Description, Problem> {
    Description::parse(text).map_err(|error| {
        let detail = format!("the SDP offer cannot be read: {error}");
        Problem::new(422, "malformed SDP", detail)
    })
}

/// Reads a fragment.
pub(crate) fn fragment(text: &str) -> Result<Fragment, Problem> {
    Fragment::parse(text).map_err(|error| {
        let detail = format!("the SDP fragment cannot be read: {error}");
        Problem::new(422, "malformed SDP", detail)
    })
}

fn session(request: &Request, resource: &str) -> Result<Route, Problem> {
    let resource = resource.to_owned();
    match request.method {
        Method::Options => Ok(Route::Options),
        Method::Delete => Ok(Route::Delete { resource }),
        Method::Patch => {
            content_type(request, FRAGMENT)?;
            let precondition = precondition(request)?;
            let fragment = fragment(text(request)?)?;
            Ok(Route::Patch { resource, precondition, fragment })
        }
        _ => Err(not_allowed(request, "PATCH or DELETE")),
    }
}

fn precondition(request: &Request) -> Result<Precondition, Problem> {
    let Some(value) = request.header("if-match") else {
        let detail = "send If-Match with the ETag of this ICE session, or * to restart ICE";
        return Err(Problem::new(428, "precondition required", detail));
    };
    if value.trim() == "*" {
        return Ok(Precondition::Any);
    }
    let tag = |tag: &str| tag.trim().trim_matches('"').to_owned();
    Ok(Precondition::Tags(value.split(',').map(tag).collect()))
}

fn content_type(request: &Request, wanted: &str) -> Result<(), Problem> {
    let given = request.header("content-type").unwrap_or("");
    let media_type = given.split(';').next().unwrap_or("").trim();
    if media_type.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let detail = format!("this takes {wanted}, not \"{given}\"; set Content-Type");
    Err(Problem::new(415, "unsupported media type", detail))
}

fn accepts_sdp(request: &Request) -> Result<(), Problem> {
    let Some(accept) = request.header("accept") else { return Ok(()) };
    let mut ranges = accept.split(',').map(|range| range.split(';').next().unwrap_or("").trim());
    if ranges.any(|range| [SDP, "application/*", "*/*"].contains(&range)) {
        return Ok(());
    }
    let detail = format!("the answer is {SDP}, which Accept: {accept} excludes");
    Err(Problem::new(406, "not acceptable", detail))
}

fn text(request: &Request) -> Result<&str, Problem> {
    std::str::from_utf8(&request.body)
        .map_err(|_| Problem::new(422, "malformed SDP", "the body is not UTF-8 text"))
}

fn not_found(hint: &str) -> Problem {
    Problem::new(404, "not found", format!("there is nothing here; {hint}"))
}

fn not_allowed(request: &Request, allowed: &str) -> Problem {
    let detail = format!("{} takes {allowed} here", request.path);
    Problem::new(405, "method not allowed", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\na=ice-ufrag:a\r\na=ice-pwd:b\r\na=fingerprint:x\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n";

    fn request(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Request {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Request {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            body: body.into(),
            peer: ([127, 0, 0, 1], 1).into(),
            secure: false,
        }
    }

    fn status(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        route(&request(method, path, headers, body)).map_or_else(|problem| problem.status, |_| 0)
    }

    #[test]
    fn each_error_has_its_status() {
        let sdp = ("content-type", "application/sdp");
        let frag = ("content-type", "application/trickle-ice-sdpfrag");
        let post = |headers: &[_], body| status(Method::Post, "/whip/s", headers, body);
        assert_eq!(post(&[sdp], OFFER), 0);
        assert_eq!(post(&[], OFFER), 415);
        assert_eq!(post(&[("content-type", "text/plain")], OFFER), 415);
        assert_eq!(post(&[sdp, ("accept", "text/html")], OFFER), 406);
        assert_eq!(post(&[sdp], "v=0\r\nnonsense"), 422);
        assert_eq!(status(Method::Get, "/whip/s", &[], ""), 405);
        assert_eq!(status(Method::Post, "/whip/a%20b", &[sdp], OFFER), 400);
        assert_eq!(status(Method::Get, "/whip/s/r", &[], ""), 405);
        assert_eq!(status(Method::Patch, "/whip/s/r", &[frag], ""), 428);
        assert_eq!(status(Method::Patch, "/whip/s/r", &[frag, ("if-match", "\"x\"")], ""), 0);
        assert_eq!(status(Method::Patch, "/whip/s/r", &[("if-match", "*")], ""), 415);
        assert_eq!(status(Method::Get, "/nowhere", &[], ""), 404);
        assert_eq!(status(Method::Get, "/?action=dance", &[], ""), 404);
        assert_eq!(status(Method::Get, "/?action=server_list", &[], ""), 0);
    }

    #[test]
    fn entity_tags_lose_their_quotes() {
        let headers = [
            ("content-type", "application/trickle-ice-sdpfrag"),
            ("if-match", "\"ice-1\", \"ice-2\""),
        ];
        let Ok(Route::Patch { precondition, .. }) =
            route(&request(Method::Patch, "/whep/s/r", &headers, ""))
        else {
            panic!("not a patch");
        };
        assert_eq!(precondition, Precondition::Tags(vec!["ice-1".into(), "ice-2".into()]));
    }
}
