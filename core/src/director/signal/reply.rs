//! Answers on their way out: what a hub found out, as HTTP or as a message, by the ticket that came
//! with the request.

use serde_json::Value;

use crate::director::signal::message;
use crate::http::{Problem, Reply};
use crate::machine::{Output, RequestId};
use crate::outbox::Outbox;
use crate::report::Report;
use crate::ticket::{IceServer, Ticket, Via};

/// What became of a session's offer.
pub(crate) fn answered(
    ticket: &Ticket,
    result: &Result<String, Problem>,
    out: &mut Outbox,
) -> Option<Value> {
    match (&ticket.via, result) {
        (Via::Http { request, location, .. }, Ok(sdp)) => {
            let reply = Reply::new(201, "application/sdp", sdp.as_str())
                .with("location", location)
                .with("etag", quoted(&ticket.etag))
                .with("accept-patch", "application/trickle-ice-sdpfrag");
            http(*request, linked(reply, ticket.ice_server.as_ref()), out);
            None
        }
        (Via::WebSocket { id, stream, .. }, Ok(sdp)) => {
            let answer = message::answer(id, &ticket.resource, stream, sdp);
            Some(message::with_ice_servers(answer, ticket.ice_server.as_ref()))
        }
        (_, Err(problem)) => refused(&ticket.via, problem, out),
    }
}

/// What became of an ICE restart.
pub(crate) fn restarted(
    ticket: &Ticket,
    result: &Result<String, Problem>,
    out: &mut Outbox,
) -> Option<Value> {
    match (&ticket.via, result) {
        (Via::Http { request, .. }, Ok(fragment)) => {
            let reply = Reply::new(200, "application/trickle-ice-sdpfrag", fragment.as_str())
                .with("etag", quoted(&ticket.etag));
            http(*request, linked(reply, ticket.ice_server.as_ref()), out);
            None
        }
        (Via::WebSocket { id, .. }, Ok(fragment)) => {
            let restarted = message::restarted(id, &ticket.resource, fragment);
            Some(message::with_ice_servers(restarted, ticket.ice_server.as_ref()))
        }
        (_, Err(problem)) => refused(&ticket.via, problem, out),
    }
}

/// A request was refused.
pub(crate) fn refused(via: &Via, problem: &Problem, out: &mut Outbox) -> Option<Value> {
    let Problem { status, title, detail, .. } = problem.clone();
    out.report(Report::Refused { status, title, detail });
    match via {
        Via::Http { request, .. } => {
            http(*request, problem_reply(problem), out);
            None
        }
        Via::WebSocket { id, .. } => Some(message::error(id, problem)),
    }
}

/// Sends a reply that any page may read (CORS).
pub(crate) fn http(id: RequestId, reply: Reply, out: &mut Outbox) {
    let reply = reply.with("access-control-allow-origin", "*").with(
        "access-control-expose-headers",
        "location, etag, link, retry-after, accept-patch, accept-post, www-authenticate",
    );
    out.push(Output::Reply { id, reply });
}

/// The answer to OPTIONS: for pages of other origins, and for WHIP clients (RFC 9725 section 4.2).
pub(crate) fn options() -> Reply {
    Reply::empty(204)
        .with("accept-post", "application/sdp")
        .with("accept-patch", "application/trickle-ice-sdpfrag")
        .with("access-control-allow-methods", "GET, POST, PATCH, DELETE, OPTIONS")
        .with("access-control-allow-headers", "authorization, content-type, if-match")
        .with("access-control-max-age", "86400")
}

fn problem_reply(problem: &Problem) -> Reply {
    let reply = problem.to_reply();
    match problem.status {
        // RFC 9110 section 11.6.1 and 15.5.6.
        401 => reply.with("www-authenticate", "Bearer"),
        405 => reply.with("allow", "GET, POST, PATCH, DELETE, OPTIONS"),
        _ => reply,
    }
}

/// Names TURN servers as WHIP does (RFC 9725 section 4.6). Nothing that we write there needs an
/// escape.
fn linked(reply: Reply, ice_server: Option<&IceServer>) -> Reply {
    let Some(IceServer { urls, username, credential }) = ice_server else { return reply };
    urls.iter().fold(reply, |reply, url| {
        let link = format!(
            "<{url}>; rel=\"ice-server\"; username=\"{username}\"; credential=\"{credential}\"; \
             credential-type=\"password\""
        );
        reply.with("link", link)
    })
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}
