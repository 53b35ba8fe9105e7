//! One person's session at a WHIP or WHEP endpoint, from the offer to the goodbye: a peer on a
//! socket of its own. It knows nobody else, and adds nothing up.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farcast_adapters::batch::Batch;
use farcast_adapters::runtime::{Runtime, Udp};
use farcast_core::http::{Call, Method, Reply};
use farcast_core::seed::Seed;
use futures_lite::future;

use super::calls::Calls;
use super::crowd::Crowd;
use super::socket::Socket;
use super::spread::Spread;
use super::tally::Tally;
use super::target;
use super::watch::Watch;
use crate::camera::Camera;
use crate::handshake::Dtls;
use crate::peer::{Birth, Peer};
use crate::wish::{Video, Wish};

/// How long an offer and a goodbye may take.
const OFFER: Duration = Duration::from_secs(10);
const GOODBYE: Duration = Duration::from_secs(5);
/// How long, and how often, viewers ask for a stream that is not there yet: it may still be on its
/// way to an edge.
const WAIT: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(250);
/// Characters of an error that are shown.
const WORDS: usize = 160;

/// What all sessions of a thread share.
pub(super) struct House<R> {
    pub(super) runtime: R,
    pub(super) crowd: Arc<Crowd>,
    pub(super) calls: Calls,
    /// Where sockets are read to; nobody holds it while they wait.
    pub(super) batch: RefCell<Batch>,
    /// How late the frames of all viewers were.
    pub(super) latency: RefCell<Spread>,
    /// The only IPs that media may be sent to, if it may not go everywhere.
    pub(super) fence: Option<Vec<IpAddr>>,
}

/// What somebody came for.
pub(super) struct Part {
    /// The endpoint.
    pub(super) url: String,
    pub(super) token: Option<String>,
    /// What they film; viewers film nothing.
    pub(super) camera: Option<Camera>,
    /// The IP of this machine that the server sees.
    pub(super) near: IpAddr,
    /// Where the server is, if they signal by a WebSocket.
    pub(super) socket: Option<SocketAddr>,
    pub(super) seed: Seed,
    /// When they ask.
    pub(super) begins: Instant,
}

/// Lives a session until the crowd leaves, or until it cannot go on.
pub(super) async fn live<R: Runtime>(house: Rc<House<R>>, part: Part) -> Tally {
    let House { runtime, crowd, .. } = &*house;
    let mut tally = Tally::new(crowd.time(runtime.now()));
    let publishes = part.camera.is_some();
    let result = visit(&house, part, &mut tally).await;
    let got = if publishes { tally.connected } else { tally.first_frame };
    if got.is_none() {
        crowd.settle();
    }
    if let Err(why) = result {
        tally.fail(why);
    }
    tally
}

async fn visit<R: Runtime>(house: &House<R>, part: Part, tally: &mut Tally) -> Result<(), String> {
    let Part { url, token, camera, near, socket: signalling, seed, .. } = part;
    let socket = house.runtime.bind(SocketAddr::new(near, 0)).await;
    let socket = socket.map_err(|error| format!("no UDP socket for a session: {error}"))?;
    let bound = socket.local_addr().map_err(|error| error.to_string())?;
    let publishes = camera.is_some();
    let (now, start) = (house.runtime.now(), house.crowd.start());
    let birth = Birth { now, start, address: bound, seed, dtls: Dtls::Real, camera };
    let video = if publishes { Video::Vp8 } else { Video::All };
    let (mut peer, offer) = Peer::born(birth, Wish { publishes, audio: true, video });
    let desk = Desk { house, url: &url, token: token.as_deref() };
    let (sdp, mut place) = match signalling {
        Some(at) => desk.play(at, &offer).await?,
        None => desk.post(&offer, !publishes).await?,
    };
    let accepted = peer.try_accept(house.runtime.now(), &sdp);
    let mut watch = Watch::new(house, socket, peer, publishes, tally);
    let result = match (accepted, &mut place) {
        (Ok(()), Place::Socket(socket)) => future::or(watch.watch(), socket.listen()).await,
        (Ok(()), _) => watch.watch().await,
        (Err(why), _) => Err(format!("the server's answer cannot be used: {why}")),
    };
    watch.end();
    // Whoever was thrown out is not known there any more.
    if !watch.is_closed() && !desk.leave(place).await {
        watch.close();
    }
    result
}

/// Where the server keeps a session.
enum Place<S> {
    Nowhere,
    Url(String),
    Socket(Box<Socket<S>>),
}

/// Where somebody signals.
struct Desk<'a, R> {
    house: &'a House<R>,
    url: &'a str,
    token: Option<&'a str>,
}

impl<R: Runtime> Desk<'_, R> {
    /// Offers by WHIP or WHEP. Returns the answer, and where the session is.
    async fn post(&self, offer: &str, patient: bool) -> Result<(String, Place<R::Tcp>), String> {
        let answer = self.offer(offer, patient).await?;
        let place = answer.header("location").and_then(|at| target::session(self.url, at));
        let sdp = String::from_utf8_lossy(&answer.body).into_owned();
        Ok((sdp, place.map_or(Place::Nowhere, Place::Url)))
    }

    /// The same by a WebSocket at this address.
    async fn play(&self, at: SocketAddr, offer: &str) -> Result<(String, Place<R::Tcp>), String> {
        let playing = async {
            let mut socket = Socket::open(&self.house.runtime, at, self.url).await?;
            let sdp = socket.play(self.token, offer).await?;
            Ok((sdp, Place::Socket(Box::new(socket))))
        };
        self.within(OFFER, playing).await
    }

    /// Ends a session where it is kept; whether that was done.
    async fn leave(&self, place: Place<R::Tcp>) -> bool {
        match place {
            Place::Nowhere => false,
            Place::Url(url) => {
                let reply = self.call(Method::Delete, &url, "", GOODBYE).await;
                reply.is_ok_and(|reply| reply.status < 300)
            }
            Place::Socket(socket) => {
                let closing = async {
                    socket.close().await;
                    Ok(())
                };
                self.within(GOODBYE, closing).await.is_ok()
            }
        }
    }

    async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        let runtime = &self.house.runtime;
        let late = async {
            runtime.sleep_until(runtime.now() + limit).await;
            Err(format!("the server did not answer within {} s", limit.as_secs()))
        };
        future::or(work, late).await
    }

    /// Offers until it is answered, or refused for good.
    async fn offer(&self, offer: &str, patient: bool) -> Result<Reply, String> {
        let runtime = &self.house.runtime;
        let until = runtime.now() + if patient { WAIT } else { Duration::ZERO };
        loop {
            let reply = self.call(Method::Post, self.url, offer, OFFER).await?;
            match reply.status {
                201 => return Ok(reply),
                404 if runtime.now() < until && !self.house.crowd.leaves() => {
                    runtime.sleep_until(runtime.now() + AGAIN).await;
                }
                _ => return Err(refusal(&reply)),
            }
        }
    }

    async fn call(
        &self,
        method: Method,
        url: &str,
        body: &str,
        timeout: Duration,
    ) -> Result<Reply, String> {
        let offers = method == Method::Post;
        let kind = offers.then(|| ("content-type".to_owned(), "application/sdp".to_owned()));
        let token = self.token.map(|token| ("authorization".to_owned(), format!("Bearer {token}")));
        let headers = kind.into_iter().chain(token).collect();
        let (url, body) = (url.to_owned(), body.as_bytes().to_vec());
        self.house.calls.make(Call { method, url, headers, body, timeout }).await
    }
}

/// What a server that refuses says: the detail of a problem (RFC 9457), or its words.
fn refusal(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(&reply.body);
    let problem = serde_json::from_str(&body).unwrap_or(serde_json::Value::Null);
    let words = problem["detail"].as_str().or(body.lines().next()).unwrap_or_default();
    let words: String = words.chars().filter(|c| !c.is_control()).take(WORDS).collect();
    match words.as_str() {
        "" => format!("the server answered {}", reply.status),
        words => format!("the server answered {}: {words}", reply.status),
    }
}

#[test]
fn a_refusal_says_what_the_server_said() {
    let problem = r#"{"title": "unauthorized", "detail": "no token came"}"#;
    for (body, words) in [
        (problem, "the server answered 401: no token came"),
        ("go\naway", "the server answered 401: go"),
        ("", "the server answered 401"),
    ] {
        assert_eq!(refusal(&Reply::new(401, "text/plain", body)), words);
    }
}
