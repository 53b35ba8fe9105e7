//! Which path is a page, a metric or the core's business, and how pages are served. It knows no
//! socket and not what the pages say.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use farcast_core::http::{Problem, Reply};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode, Uri};

use super::wire::{self, Answer};

/// A file that the binary carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its media type.
    pub content_type: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
}

impl Page {
    /// A page whose media type follows from the ending of its file's name.
    pub fn new(name: &str, bytes: &'static [u8]) -> Self {
        let content_type = match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("html") => HTML,
            Some("js" | "mjs") => JAVASCRIPT,
            Some("css") => "text/css; charset=utf-8",
            Some("json" | "map") => "application/json",
            Some("svg") => "image/svg+xml",
            Some("png") => "image/png",
            Some("ico") => "image/vnd.microsoft.icon",
            Some("txt" | "md") => "text/plain; charset=utf-8",
            _ => "application/octet-stream",
        };
        Page { content_type, bytes }
    }
}

/// What a node serves besides its API.
pub struct Site {
    pages: fn(&str) -> Option<Page>,
    metrics: Box<dyn Fn() -> String>,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").finish_non_exhaustive()
    }
}

/// Who answers a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    Core,
    WebSocket,
    Here,
}

impl Site {
    /// `pages` finds files by name (`index.html`, `sdk/farcast.js`); `metrics` writes the text
    /// of `/metrics`.
    pub fn new(pages: fn(&str) -> Option<Page>, metrics: impl Fn() -> String + 'static) -> Self {
        Site { pages, metrics: Box::new(metrics) }
    }

    pub(super) fn route(uri: &Uri) -> Route {
        let path = uri.path();
        let api = ["/whip/", "/whep/", "/v1/"].iter().any(|prefix| path.starts_with(prefix));
        let balancer = || {
            uri.query()
                .is_some_and(|query| query.split('&').any(|pair| pair.starts_with("action=")))
        };
        match path {
            "/ws" => Route::WebSocket,
            "/healthz" | "/readyz" => Route::Core,
            _ if api || balancer() => Route::Core,
            _ => Route::Here,
        }
    }

    /// Answers what is neither the core's nor a WebSocket's.
    pub(super) fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let detail = format!("{path} is a page: ask for it with GET");
            let mut refusal = wire::problem(&Problem::new(405, "method not allowed", detail));
            refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        let mut answer = if path == "/metrics" {
            wire::answer(
                Reply::new(200, METRICS, (self.metrics)()).with("cache-control", "no-store"),
            )
        } else {
            let name = file_name(path);
            match (self.pages)(&name) {
                Some(page) => serve(page, &name, headers),
                None => wire::problem(&Problem::new(
                    404,
                    "not found",
                    format!(
                        "there is nothing at {path}; pages are /, /publish, /player and /latency"
                    ),
                )),
            }
        };
        if method == Method::HEAD {
            behead(&mut answer);
        }
        answer
    }
}

/// The file behind a path: `/` is `index.html`, `/player` is `player.html`.
fn file_name(path: &str) -> String {
    let path = path.trim_start_matches('/');
    match path.rsplit('/').next() {
        None | Some("") => format!("{path}index.html"),
        Some(last) if last.contains('.') => path.to_owned(),
        Some(_) => format!("{path}.html"),
    }
}

fn serve(page: Page, name: &str, asked: &HeaderMap) -> Answer {
    let etag = etag(page.bytes);
    let known = asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == etag);
    let mut answer = match known {
        true => wire::answer(Reply::empty(StatusCode::NOT_MODIFIED.as_u16())),
        false => Answer::new(Full::new(Bytes::from_static(page.bytes))),
    };
    let headers = answer.headers_mut();
    let etag = etag.parse().expect("a quoted hexadecimal number is a header value");
    headers.insert(header::ETAG, etag);
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CACHE_CONTROL, "no-cache");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if !known {
        set(header::CONTENT_TYPE, page.content_type);
    }
    if page.content_type == JAVASCRIPT {
        // Pages of other origins import the SDK from here.
        set(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    }
    if page.content_type == HTML {
        let embedded = name == PLAYER;
        set(header::CONTENT_SECURITY_POLICY, if embedded { EMBEDDED_CSP } else { PAGE_CSP });
        set(PERMISSIONS_POLICY, if embedded { EMBEDDED_PERMISSIONS } else { PAGE_PERMISSIONS });
        // Addresses of pages may hold tokens.
        set(header::REFERRER_POLICY, "no-referrer");
    }
    answer
}

/// A strong validator (RFC 9110 section 8.8.3): the same bytes, the same tag.
fn etag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("\"{:016x}-{:x}\"", hasher.finish(), bytes.len())
}

/// Takes the body off and leaves its length (RFC 9110 section 9.3.2).
pub(super) fn behead(answer: &mut Answer) {
    let length = hyper::body::Body::size_hint(answer.body()).lower();
    if answer.status() != StatusCode::NOT_MODIFIED {
        answer.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    *answer.body_mut() = Full::default();
}

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The one page that other sites show in an iframe.
const PLAYER: &str = "player.html";

macro_rules! content_security_policy {
    ($rest:literal) => {
        concat!(
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; ",
            // Pages talk to whichever node the balancer names.
            "media-src 'self' blob: mediastream:; connect-src http: https: ws: wss:; ",
            "object-src 'none'; base-uri 'none'; form-action 'self'",
            $rest
        )
    };
}
const PAGE_CSP: &str = content_security_policy!("; frame-ancestors 'self'");
const EMBEDDED_CSP: &str = content_security_policy!("");
const PERMISSIONS_POLICY: header::HeaderName =
    header::HeaderName::from_static("permissions-policy");
const PAGE_PERMISSIONS: &str =
    "camera=(self), microphone=(self), display-capture=(self), geolocation=()";
const EMBEDDED_PERMISSIONS: &str = "camera=(), microphone=(), display-capture=(), geolocation=()";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_answerer() {
        let cases = [
            ("/whip/a", Route::Core),
            ("/whep/a/b", Route::Core),
            ("/v1/load", Route::Core),
            ("/healthz", Route::Core),
            ("/readyz", Route::Core),
            ("/?action=server_list", Route::Core),
            ("/?x=1&action=server_list", Route::Core),
            ("/?transaction=1", Route::Here),
            ("/ws", Route::WebSocket),
            ("/ws/", Route::Here),
            ("/", Route::Here),
            ("/metrics", Route::Here),
            ("/player?stream=action", Route::Here),
        ];
        for (uri, expected) in cases {
            assert_eq!(Site::route(&Uri::from_static(uri)), expected, "{uri}");
        }
    }

    #[test]
    fn paths_name_files() {
        let cases = [
            ("/", "index.html"),
            ("/player", "player.html"),
            ("/sdk/farcast.js", "sdk/farcast.js"),
            ("/sdk/", "sdk/index.html"),
            ("//publish", "publish.html"),
        ];
        for (path, file) in cases {
            assert_eq!(file_name(path), file, "{path}");
        }
    }

    #[test]
    fn other_content_has_another_tag() {
        assert_eq!(etag(b"one"), etag(b"one"));
        assert_ne!(etag(b"one"), etag(b"two"));
    }
}
