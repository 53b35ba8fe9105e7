//! Descriptions and fragments as strangers may write them.

use farcast_core::config::Access;
use farcast_core::http::Method;
use farcast_core::limits;
use farcast_core::media::sdp::{Description, Fragment};

use crate::stage::{Stage, request};

/// An offer that every node takes.
pub(crate) const OFFER: &str = include_str!("../corpus/sdp_offer/chromium_publishes.sdp");

/// An SDP offer, for publishing and for playing.
pub fn sdp_offer(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > limits::HTTP_BODY {
        return;
    }
    let parsed = Description::parse(text);
    let mut stage = Stage::new(Access::Open);
    let published = stage.post("/whip/stream1", text);
    match &parsed {
        Ok(description) => {
            assert!(description.sections.len() <= limits::SDP_SECTIONS);
            assert!([201, 406, 422].contains(&published.status), "{}", published.status);
        }
        Err(error) => {
            assert!(error.line.is_none_or(|line| (1..=text.lines().count()).contains(&line)));
            assert_eq!(published.status, 422, "{error}");
        }
    }
    assert_eq!(published.status == 201, stage.population().sessions == 1);
    if published.status == 201 {
        let answer = String::from_utf8(published.body).expect("an answer is text");
        let answer = Description::parse(&answer).expect("we can read what we write");
        assert_eq!(Ok(answer.sections.len()), parsed.map(|offer| offer.sections.len()));
        assert_eq!(stage.post("/whip/stream1", text).status, 409, "one publisher per name");
    }
    stage.finish();
    play(text);
}

/// Only a connected publisher can be watched, so this one takes the long way round.
fn play(text: &str) {
    let mut stage = crate::datagrams::live();
    let reply = stage.stage.post("/whep/stream1", text);
    assert!([201, 406, 422].contains(&reply.status), "{}", reply.status);
    stage.stage.finish();
}

/// A fragment for a session that waits for candidates.
pub fn sdp_fragment(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > limits::HTTP_BODY {
        return;
    }
    let parsed = Fragment::parse(text);
    if let Ok(fragment) = &parsed {
        assert!(fragment.candidates.len() <= limits::CANDIDATES);
    }
    let mut stage = Stage::new(Access::Open);
    let session = stage.post("/whip/stream1", OFFER);
    let location = session.header("location").expect("a session has a location").to_owned();
    let etag = session.header("etag").expect("a session has an ETag").to_owned();
    for tag in [etag.as_str(), "*", "\"other\"", etag.as_str()] {
        let headers = [("content-type", "application/trickle-ice-sdpfrag"), ("if-match", tag)];
        let reply = stage.ask(request(Method::Patch, &location, &headers, text));
        let expected: &[u16] = if parsed.is_err() { &[422] } else { &[200, 204, 412, 422] };
        assert!(expected.contains(&reply.status), "{} after {tag}", reply.status);
        assert_eq!(stage.population().sessions, 1, "a fragment ends no session");
    }
    stage.finish();
}
