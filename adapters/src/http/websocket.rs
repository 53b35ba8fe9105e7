//! WebSockets (RFC 6455) between peers and the driver: bounded both ways, watched by pings. It
//! knows not what the messages say.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::error::Error;
use async_tungstenite::tungstenite::handshake::server::create_response_with_body;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Bytes, Message};
use farcast_core::http::Problem;
use farcast_core::limits;
use farcast_core::machine::ConnectionId;
use futures_lite::{AsyncWriteExt, Stream as _, io};
use futures_util::Sink;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Version};
use smol_hyper::rt::FuturesIo;

use super::server::busy;
use super::wire::{self, Answer};
use crate::link::{Fact, ToPeer};
use crate::runtime::{ByteStream, Runtime, within};

/// Accepts the upgrade to WebSocket: what to answer, and the conversation that follows, to be
/// run as a task; or a refusal.
pub(super) fn accept<R: Runtime, S: ByteStream>(
    runtime: R,
    facts: Sender<Fact>,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<(Answer, impl Future<Output = ()> + 'static), Box<Answer>> {
    if request.version() != Version::HTTP_11 || !wants_websocket(request.headers()) {
        let detail = "connect to /ws as a WebSocket, over HTTP/1.1 (ws:// or wss://)";
        let mut refusal = wire::problem(&Problem::new(426, "upgrade required", detail));
        // HTTP/2 has neither field (RFC 9113 section 8.2.2).
        if request.version() == Version::HTTP_11 {
            let headers = refusal.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        return Err(Box::new(refusal));
    }
    let answer = create_response_with_body(&request, Default::default).map_err(|why| {
        let problem = Problem::new(400, "bad WebSocket handshake", why.to_string());
        let mut refusal = wire::problem(&problem);
        let version = HeaderValue::from_static("13");
        refusal.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, version);
        Box::new(refusal)
    })?;
    if facts.is_full() {
        return Err(Box::new(wire::problem(&busy())));
    }
    let host = wire::host(&request);
    let upgraded = hyper::upgrade::on(&mut request);
    let conversation = async move {
        let Ok(upgraded) = upgraded.await else { return };
        let parts = upgraded
            .downcast::<FuturesIo<S>>()
            .expect("a connection is upgraded to the stream that it was made of");
        let (stream, early) = (parts.io.into_inner(), parts.read_buf.into());
        let socket =
            WebSocketStream::from_partially_read(stream, early, Role::Server, Some(config()));
        Conversation::open(runtime, facts, socket.await, peer, host).await;
    };
    Ok((answer, conversation))
}

fn wants_websocket(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        // The queue is ours, so that we know what is unsent.
        .write_buffer_size(0)
        .max_write_buffer_size(2 * limits::WEBSOCKET_UNSENT)
        .max_message_size(Some(limits::WEBSOCKET_MESSAGE))
        .max_frame_size(Some(limits::WEBSOCKET_MESSAGE))
}

/// One open WebSocket.
struct Conversation<R, S> {
    runtime: R,
    facts: Sender<Fact>,
    socket: WebSocketStream<S>,
    connection: ConnectionId,
    inbox: Pin<Box<Receiver<ToPeer>>>,
    queue: VecDeque<Message>,
    /// Bytes of text in `queue` and in flight.
    unsent: usize,
    /// Bytes of text in the message that the kernel takes just now.
    in_flight: Option<usize>,
    /// When the peer was heard last.
    heard: Instant,
    /// Set when a close frame is on its way: when we stop waiting for the peer's.
    closing: Option<Instant>,
    tick: Pin<Box<dyn Future<Output = ()>>>,
}

/// What may happen to a conversation.
enum Event {
    Heard(Message),
    Failed(Error),
    Ended,
    Order(Option<ToPeer>),
    Written,
    Tick,
}

/// How a conversation ended.
/// Whether a close frame says that the peer is done (RFC 6455 section 7.4.1: 1000 normal, 1001
/// going away, or no code at all); clients that mean to come back use another code.
fn is_goodbye(frame: Option<&CloseFrame>) -> bool {
    frame.is_none_or(|frame| matches!(frame.code, CloseCode::Normal | CloseCode::Away))
}

enum End {
    /// The peer sent a close frame: because it is done, or because the connection seems broken.
    Closed {
        goodbye: bool,
    },
    Broken,
    /// The peer does not keep to the rules; it gets this close frame.
    Refused(CloseFrame),
}

impl<R: Runtime, S: ByteStream> Conversation<R, S> {
    async fn open(
        runtime: R,
        facts: Sender<Fact>,
        socket: WebSocketStream<S>,
        peer: SocketAddr,
        host: String,
    ) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let connection = ConnectionId(NEXT.fetch_add(1, Ordering::Relaxed));
        let (writer, inbox) = async_channel::bounded(ORDERS);
        if facts.send(Fact::Opened { connection, peer, host, writer }).await.is_err() {
            return;
        }
        let heard = runtime.now();
        let mut conversation = Conversation {
            tick: Box::pin(runtime.sleep_until(heard + PING)),
            inbox: Box::pin(inbox),
            queue: VecDeque::new(),
            unsent: 0,
            in_flight: None,
            closing: None,
            runtime,
            facts,
            socket,
            connection,
            heard,
        };
        let clean = conversation.run().await;
        let left = Fact::Left { connection, clean };
        // When the driver has gone, nobody is left to be told.
        let _ = conversation.facts.send(left).await;
        conversation.part().await;
    }

    /// Talks until either side ends it; whether the peer said goodbye.
    async fn run(&mut self) -> bool {
        let mut clean = false;
        loop {
            match self.step().await {
                Ok(()) => {}
                // The answer to the peer's close frame still has to leave: go on until the end.
                Err(End::Closed { goodbye }) => {
                    clean = goodbye;
                    self.give_up_after(GOODBYE);
                }
                Err(End::Broken) => return clean,
                Err(End::Refused(frame)) => {
                    let last = self.socket.send(Message::Close(Some(frame)));
                    let _ = within(&self.runtime, GOODBYE, last).await;
                    return clean;
                }
            }
        }
    }

    async fn step(&mut self) -> Result<(), End> {
        let event = poll_fn(|cx| self.poll(cx)).await;
        match event {
            Event::Heard(message) => self.hear(message).await,
            Event::Failed(Error::Capacity(_)) => {
                let reason = format!("a message may have {} bytes", limits::WEBSOCKET_MESSAGE);
                Err(End::Refused(frame(CloseCode::Size, reason)))
            }
            Event::Failed(Error::Utf8(_)) => {
                Err(End::Refused(frame(CloseCode::Invalid, "text is UTF-8")))
            }
            Event::Failed(Error::Protocol(why)) => {
                Err(End::Refused(frame(CloseCode::Protocol, why.to_string())))
            }
            Event::Failed(_) | Event::Ended => Err(End::Broken),
            Event::Order(Some(ToPeer::Text(text))) => {
                self.unsent += text.len();
                self.queue.push_back(Message::text(text));
                self.write_next()
            }
            Event::Order(Some(ToPeer::Close(reason))) => {
                self.close(frame(CloseCode::Policy, reason));
                self.write_next()
            }
            Event::Order(None) => {
                self.close(frame(CloseCode::Away, ""));
                self.write_next()
            }
            Event::Written => {
                let taken = self.in_flight.take().unwrap_or_default();
                self.unsent -= taken;
                self.write_next()?;
                let (connection, unsent) = (self.connection, self.unsent);
                match taken {
                    // A ping, which the core did not write.
                    0 => Ok(()),
                    _ => self.tell(Fact::Writable { connection, unsent }).await,
                }
            }
            Event::Tick => self.tick(),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.tick.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::Tick);
        }
        // Before writing, so that the core hears of all that waits; what a slow peer does not take
        // stays in the channel, whose fullness the driver sees.
        if self.closing.is_none()
            && self.unsent < limits::WEBSOCKET_UNSENT
            && let Poll::Ready(order) = self.inbox.as_mut().poll_next(cx)
        {
            return Poll::Ready(Event::Order(order));
        }
        if self.in_flight.is_some()
            && let Poll::Ready(flushed) = Pin::new(&mut self.socket).poll_flush(cx)
        {
            return Poll::Ready(flushed.map_or_else(Event::Failed, |()| Event::Written));
        }
        Pin::new(&mut self.socket).poll_next(cx).map(|next| match next {
            Some(Ok(message)) => Event::Heard(message),
            Some(Err(error)) => Event::Failed(error),
            None => Event::Ended,
        })
    }

    async fn hear(&mut self, message: Message) -> Result<(), End> {
        self.heard = self.runtime.now();
        match message {
            Message::Text(_) if self.closing.is_some() => Ok(()),
            Message::Text(text) => {
                let (connection, text) = (self.connection, text.as_str().to_owned());
                self.tell(Fact::Said { connection, text }).await
            }
            Message::Binary(_) => {
                Err(End::Refused(frame(CloseCode::Unsupported, "messages are text")))
            }
            Message::Close(frame) => Err(End::Closed { goodbye: is_goodbye(frame.as_ref()) }),
            // tungstenite answers pings itself.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    async fn tell(&self, fact: Fact) -> Result<(), End> {
        self.facts.send(fact).await.map_err(|_| End::Broken)
    }

    /// Hands the next message to the socket if that is done with the one before.
    fn write_next(&mut self) -> Result<(), End> {
        if self.in_flight.is_some() {
            return Ok(());
        }
        let Some(message) = self.queue.pop_front() else { return Ok(()) };
        self.in_flight = Some(if message.is_text() { message.len() } else { 0 });
        Pin::new(&mut self.socket).start_send(message).map_err(|_| End::Broken)
    }

    fn close(&mut self, frame: CloseFrame) {
        self.queue.push_back(Message::Close(Some(frame)));
        self.give_up_after(GOODBYE);
    }

    fn give_up_after(&mut self, pause: Duration) {
        let until = self.runtime.now() + pause;
        self.closing = Some(until);
        self.tick = Box::pin(self.runtime.sleep_until(until));
    }

    fn tick(&mut self) -> Result<(), End> {
        let now = self.runtime.now();
        if self.closing.is_some_and(|until| until <= now) || now >= self.heard + SILENCE {
            return Err(End::Broken);
        }
        self.tick = Box::pin(self.runtime.sleep_until(now + PING));
        // A driver that gave up on a slow peer closes the channel, behind what lies in it.
        if self.closing.is_none() && self.inbox.is_closed() && self.in_flight.is_some() {
            self.queue.clear();
            self.close(frame(CloseCode::Policy, "too slow"));
        }
        if self.in_flight.is_none() && self.closing.is_none() {
            self.queue.push_back(Message::Ping(Bytes::new()));
        }
        self.write_next()
    }

    /// Ends the stream so that the peer gets what we sent last: closing a socket that holds
    /// unread bytes would reset it.
    async fn part(mut self) {
        let work = async {
            let stream = self.socket.get_mut();
            if stream.close().await.is_ok() {
                let _ = io::copy(stream, io::sink()).await;
            }
        };
        within(&self.runtime, GOODBYE, work).await;
    }
}

fn frame(code: CloseCode, reason: impl Into<String>) -> CloseFrame {
    CloseFrame { code, reason: reason.into().into() }
}

/// Bytes that one read takes; most messages are shorter.
const BUFFER: usize = 4 * 1024;
/// Messages that may wait for one WebSocket to take them.
const ORDERS: usize = 64;
/// Between two pings.
const PING: Duration = Duration::from_secs(5);
/// A peer that was silent for so long is gone: it missed two pings.
const SILENCE: Duration = Duration::from_secs(15);
/// From our close frame to the end, and for the last bytes to leave.
const GOODBYE: Duration = Duration::from_secs(2);
