//! WebSockets: what the driver hears of them and how they end.

use std::time::Duration;

use async_channel::Sender;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::{Bytes, Message};
use async_tungstenite::{WebSocketStream, client_async};
use farcast_adapters::link::{Fact, ToPeer};
use farcast_adapters::runtime::Runtime;
use farcast_core::limits::{WEBSOCKET_MESSAGE, WEBSOCKET_UNSENT};
use farcast_core::machine::ConnectionId;
use futures_lite::{AsyncRead, AsyncWrite, StreamExt, future};
use smol::net::TcpStream;

use crate::certificates::{issued, load};
use crate::house::{House, soon, with_house};
use crate::tls::connect;

/// A WebSocket over `stream`, both ends of it.
async fn open_over<S: AsyncRead + AsyncWrite + Unpin>(
    house: &House,
    stream: S,
) -> (WebSocketStream<S>, ConnectionId, Sender<ToPeer>) {
    let opening = soon(client_async("ws://localhost/ws", stream));
    let (client, fact) = future::zip(opening, house.fact()).await;
    let Fact::Opened { connection, peer, writer, .. } = fact else { panic!("{fact:?}") };
    assert!(peer.ip().is_loopback());
    (client.unwrap().0, connection, writer)
}

async fn open(house: &House) -> (WebSocketStream<TcpStream>, ConnectionId, Sender<ToPeer>) {
    open_over(house, TcpStream::connect(house.address).await.unwrap()).await
}

/// Says a word to the node and hears another.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    house: &House,
    (client, connection, writer): (&mut WebSocketStream<S>, ConnectionId, &Sender<ToPeer>),
) {
    client.send(Message::text("{\"type\":\"ping\"}")).await.unwrap();
    let fact = house.fact().await;
    let Fact::Said { connection: who, text } = fact else { panic!("{fact:?}") };
    assert_eq!((who, &*text), (connection, "{\"type\":\"ping\"}"));
    writer.try_send(ToPeer::Text("pong".to_owned())).unwrap();
    let heard = soon(client.next()).await.unwrap().unwrap();
    assert_eq!(heard, Message::text("pong"));
    let fact = house.fact().await;
    assert!(matches!(fact, Fact::Writable { connection: c, unsent: 0 } if c == connection));
}

/// How the conversation ended; facts of writing are passed over.
async fn left(house: &House) -> (ConnectionId, bool) {
    loop {
        match house.fact().await {
            Fact::Left { connection, clean } => return (connection, clean),
            Fact::Writable { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Reads until the end; the close frame that came.
async fn close_frame(client: &mut WebSocketStream<TcpStream>) -> (CloseCode, String) {
    let reading = async {
        loop {
            match client.next().await.expect("a close frame comes before the end").unwrap() {
                Message::Close(frame) => {
                    let frame = frame.unwrap();
                    return (frame.code, frame.reason.to_string());
                }
                Message::Ping(_) | Message::Text(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    soon(reading).await
}

#[test]
fn words_pass_both_ways_and_a_goodbye_is_clean() {
    with_house(8, None, async |house| {
        let (mut client, connection, writer) = open(&house).await;
        converse(&house, (&mut client, connection, &writer)).await;
        client.close(None).await.unwrap();
        assert_eq!(left(&house).await, (connection, true));
        // The close frame is answered, then the stream ends.
        while let Some(last) = soon(client.next()).await {
            assert!(matches!(last.unwrap(), Message::Close(_) | Message::Ping(_)));
        }
        let (_client, other, _writer) = open(&house).await;
        assert_ne!(connection, other);
    });
}

#[test]
fn words_pass_over_tls() {
    let (directory, _authority, ca) = issued();
    with_house(8, Some(load(&directory)), async |house| {
        let stream = connect(&house, &ca, b"http/1.1").await.unwrap();
        let (mut client, connection, writer) = open_over(&house, stream).await;
        converse(&house, (&mut client, connection, &writer)).await;
        client.close(None).await.unwrap();
        assert_eq!(left(&house).await, (connection, true));
    });
}

#[test]
fn a_connection_that_breaks_is_not_clean() {
    with_house(8, None, async |house| {
        let (client, connection, _writer) = open(&house).await;
        drop(client);
        assert_eq!(left(&house).await, (connection, false));
    });
}

#[test]
fn a_peer_that_answers_pings_stays_and_a_silent_one_goes() {
    with_house(8, None, async |house| {
        let (mut client, connection, _writer) = open(&house).await;
        let start = house.runtime.now();
        let reading = async {
            let mut pings = 0;
            while house.runtime.now() < start + Duration::from_secs(40) {
                let message = soon(client.next()).await.unwrap().unwrap();
                assert_eq!(message, Message::Ping(Bytes::new()));
                pings += 1;
            }
            pings
        };
        let pings = reading.await;
        assert!((4..=9).contains(&pings), "{pings} pings");
        // From now on nobody reads the client's end, so nobody answers.
        let silent = house.runtime.now();
        while house.facts.is_empty() && house.runtime.now() < silent + Duration::from_secs(60) {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
        let borne = (house.runtime.now() - silent).as_secs();
        assert!((8..25).contains(&borne), "{borne} s");
        assert_eq!(left(&house).await, (connection, false));
    });
}

#[test]
fn a_slow_reader_fills_the_channel_and_no_more() {
    with_house(8, None, async |house| {
        let (client, connection, writer) = open(&house).await;
        let mut reported = 0;
        let mut written = 0;
        let text = "x".repeat(WEBSOCKET_MESSAGE);
        let start = house.runtime.now();
        // The task may rest for a moment though the peer's kernel still has room.
        while !(writer.is_full() && house.runtime.now() > start + Duration::from_secs(5)) {
            assert!(written < 64 * 1024 * 1024, "the writer takes whatever comes");
            while writer.try_send(ToPeer::Text(text.clone())).is_ok() {
                written += text.len();
            }
            while let Ok(fact) = house.facts.try_recv() {
                let Fact::Writable { unsent, .. } = fact else { panic!("{fact:?}") };
                assert!(unsent < WEBSOCKET_UNSENT + WEBSOCKET_MESSAGE, "{unsent}");
                reported = reported.max(unsent);
            }
            smol::Timer::after(Duration::from_micros(100)).await;
        }
        assert!(reported > 0);
        // As the driver does with who is too slow.
        drop(writer);
        assert_eq!(left(&house).await, (connection, false));
        drop(client);
    });
}

#[test]
fn the_core_closes_with_its_reason() {
    with_house(8, None, async |house| {
        let (mut client, connection, writer) = open(&house).await;
        writer.try_send(ToPeer::Text("last words".to_owned())).unwrap();
        writer.try_send(ToPeer::Close("node is stopping")).unwrap();
        let heard = soon(client.next()).await.unwrap().unwrap();
        assert_eq!(heard, Message::text("last words"));
        let frame = close_frame(&mut client).await;
        assert_eq!(frame, (CloseCode::Policy, "node is stopping".to_owned()));
        assert!(soon(client.next()).await.is_none());
        // The peer only repeated our frame; it did not say that it is done.
        assert_eq!(left(&house).await, (connection, false));
    });
}

#[test]
fn a_closing_peer_that_never_answers_is_left() {
    with_house(8, None, async |house| {
        let (_client, connection, writer) = open(&house).await;
        writer.try_send(ToPeer::Close("node is stopping")).unwrap();
        let start = house.runtime.now();
        assert_eq!(left(&house).await, (connection, false));
        let borne = (house.runtime.now() - start).as_secs();
        assert!((2..6).contains(&borne), "{borne} s");
    });
}

#[test]
fn messages_against_the_rules_close_the_connection() {
    let long = Message::text("x".repeat(WEBSOCKET_MESSAGE + 1));
    let cases = [(Message::binary(vec![1, 2, 3]), CloseCode::Unsupported), (long, CloseCode::Size)];
    for (message, code) in cases {
        with_house(8, None, async |house| {
            let (mut client, connection, _writer) = open(&house).await;
            client.send(message).await.unwrap();
            assert_eq!(close_frame(&mut client).await.0, code);
            assert_eq!(left(&house).await, (connection, false));
        });
    }
}

#[test]
fn the_longest_message_passes() {
    with_house(8, None, async |house| {
        let (mut client, _, _writer) = open(&house).await;
        client.send(Message::text("x".repeat(WEBSOCKET_MESSAGE))).await.unwrap();
        let fact = house.fact().await;
        assert!(matches!(fact, Fact::Said { text, .. } if text.len() == WEBSOCKET_MESSAGE));
    });
}

#[test]
fn plain_requests_are_told_to_upgrade() {
    with_house(8, None, async |house| {
        let plain = house.get("/ws", "").await;
        assert!(plain.starts_with("HTTP/1.1 426 "), "{plain}");
        assert!(plain.contains("upgrade: websocket\r\n"), "{plain}");
        let half = house.raw(
            "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\
             sec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        let half = half.await;
        assert!(half.starts_with("HTTP/1.1 400 "), "{half}");
        assert!(half.contains("sec-websocket-version: 13\r\n"), "{half}");
        assert!(house.facts.is_empty());
    });
}
