//! A peer on a runtime, real or simulated: it signals over plain HTTP as a page would, and carries
//! its datagrams itself. It knows no node from within.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use farcast_adapters::batch::Batch;
use farcast_adapters::runtime::{Runtime, Udp};
use farcast_core::outbox::Transmit;
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};

use crate::peer::Peer;
use crate::wish::Wish;

/// Between two tries to play a stream that nobody publishes yet.
const RETRY: Duration = Duration::from_millis(100);

/// Publishes or plays at a node until `end`, and returns the peer with what it got.
///
/// `at` is the address to be at (port 0: any), `path` that of a WHIP or WHEP endpoint.
pub async fn browse<R: Runtime>(
    runtime: &R,
    at: SocketAddr,
    node: SocketAddr,
    path: &str,
    wish: Wish,
    end: Instant,
) -> io::Result<Peer> {
    let socket = runtime.bind(at).await?;
    let local = SocketAddr::new(at.ip(), socket.local_addr()?.port());
    let (mut peer, offer) = Peer::new(runtime.now(), local, wish);
    let answer = loop {
        match post(runtime, node, path, &offer).await? {
            (201, answer) => break answer,
            (404, _) if runtime.now() < end => runtime.sleep_until(runtime.now() + RETRY).await,
            (status, body) => return Err(io::Error::other(format!("{status}: {body}"))),
        }
    };
    peer.accept(runtime.now(), &answer);
    let mut batch = Batch::default();
    while runtime.now() < end {
        while let Some((to, payload)) = peer.next_outgoing() {
            let segment = payload.len();
            let run = Transmit { local, peer: to, payload: &payload, segment };
            // A full socket loses a datagram, as a network does.
            socket.send(&run).ok();
        }
        let alarm = runtime.sleep_until(peer.deadline().min(end));
        let heard = poll_fn(|cx| socket.poll_recv(cx, &mut batch));
        let received = future::or(async { heard.await.map(|()| true) }, async {
            alarm.await;
            Ok(false)
        });
        let now_heard = received.await?;
        let now = runtime.now();
        if now_heard {
            batch.view(|datagrams| {
                datagrams.iter().for_each(|d| peer.receive(now, d.peer, d.payload));
            });
        }
        if peer.deadline() <= now {
            peer.advance(now);
        }
    }
    Ok(peer)
}

/// Sends an offer; the status and the body of the answer.
async fn post<R: Runtime>(
    runtime: &R,
    node: SocketAddr,
    path: &str,
    offer: &str,
) -> io::Result<(u16, String)> {
    let mut stream = runtime.connect(node).await?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {node}\r\ncontent-type: application/sdp\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        offer.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(offer.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let malformed = || io::Error::other("the node's answer is no HTTP");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(malformed)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(malformed)?, body.to_owned()))
}
