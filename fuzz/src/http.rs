//! Requests as strangers may send them.
//!
//! An input is text: requests as HTTP/1 writes them (a line with method and target, header fields,
//! an empty line, a body), with a line `====` between them. `{resource}`, `{etag}` and `{location}`
//! stand for those of the latest session, `{offer}` for an offer that every node takes, and
//! `{publish}`, `{play}` and `{relay}` for tokens. If the first line is
//! `keys`, the node wants one.

use farcast_core::config::{Access, Key};
use farcast_core::director::signal::token::{Act, Claims, mint};
use farcast_core::http::{Method, Reply};
use farcast_core::limits;

use crate::sdp::OFFER;
use crate::stage::{CALENDAR, Stage, request};

/// Requests, one after another.
pub fn http_request(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (access, text) = match text.strip_prefix("keys\n") {
        Some(rest) => (Access::Keys(vec![key()]), rest),
        None => (Access::Open, text.as_ref()),
    };
    let mut stage = Stage::new(access);
    let mut latest = Reply::empty(404);
    for one in text.split("====\n").take(limits::PER_CONNECTION) {
        let (head, body) = one.split_once("\n\n").unwrap_or((one, ""));
        let head = fill(head, &latest);
        let body = if body.trim() == "{offer}" { OFFER } else { body };
        if body.len() > limits::HTTP_BODY {
            continue;
        }
        let mut lines = head.lines();
        let (method, target) = lines.next().unwrap_or("").split_once(' ').unwrap_or(("", "/"));
        let headers: Vec<(String, &str)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
            .collect();
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let reply = stage.ask(request(self::method(method), target, &headers, body));
        if reply.status == 201 {
            latest = reply;
        }
        stage.run_for(std::time::Duration::from_millis(10));
    }
    stage.finish();
}

/// The key of nodes that want tokens.
pub(crate) fn key() -> Key {
    Key { secret: vec![1; Key::SHORTEST] }
}

fn fill(text: &str, latest: &Reply) -> String {
    if !text.contains('{') {
        return text.to_owned();
    }
    let location = latest.header("location").unwrap_or("");
    let resource = location.rsplit('/').next().unwrap_or("");
    text.replace("{location}", location)
        .replace("{resource}", resource)
        .replace("{etag}", latest.header("etag").unwrap_or(""))
        .replace("{publish}", &token(Act::Publish))
        .replace("{play}", &token(Act::Play))
        .replace("{relay}", &token(Act::Relay))
}

fn token(act: Act) -> String {
    let sub = "stream*".parse().expect("a pattern");
    mint(&key(), &Claims { sub, act, exp: CALENDAR.as_secs() + 60 })
}

fn method(name: &str) -> Method {
    let all = [Method::Get, Method::Post, Method::Patch, Method::Delete, Method::Options];
    all.into_iter().find(|method| method.as_str() == name).unwrap_or(Method::Other)
}
