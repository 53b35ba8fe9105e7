//! The reused memory of one read of a UDP socket, and the view that a machine gets of it. It
//! knows no socket and no runtime.

use std::io::{self, IoSliceMut};
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use farcast_core::machine::Datagram;
use quinn_udp::RecvMeta;

/// Messages that one read can bring; each may hold many datagrams that the kernel joined (GRO).
pub const MESSAGES: usize = quinn_udp::BATCH_SIZE;
/// The same for a socket that had fewer the last time: room that nothing fills has its price.
pub const FEW: usize = 8;
/// Bytes of one message: the kernel never joins datagrams to more than an IP packet can hold.
const MESSAGE: usize = 64 * 1024;

/// What one read brought.
pub struct Batch {
    bytes: Box<[u8]>,
    messages: Vec<Message>,
    /// Messages that the last read could have brought.
    room: usize,
    views: Vec<Datagram<'static>>,
}

/// Datagrams of one peer that lie back to back, all of `stride` bytes but the last.
struct Message {
    peer: SocketAddr,
    local: SocketAddr,
    bytes: Range<usize>,
    stride: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Batch {
            bytes: vec![0; MESSAGES * MESSAGE].into_boxed_slice(),
            messages: Vec::with_capacity(MESSAGES),
            room: MESSAGES,
            views: Vec::new(),
        }
    }
}

impl Batch {
    /// Forgets what the last read brought.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.room = MESSAGES;
    }

    /// Whether the last read brought as much as it could, so that there may be more.
    pub fn is_full(&self) -> bool {
        self.messages.len() == self.room
    }

    /// Replaces the content by what `receive` brings: it fills buffers and their descriptions and
    /// returns how many; there are [`MESSAGES`] of them if `much` is expected, else [`FEW`].
    /// `bound` is the socket's own address.
    pub fn fill(
        &mut self,
        bound: SocketAddr,
        much: bool,
        receive: impl FnOnce(&mut [IoSliceMut<'_>], &mut [RecvMeta]) -> io::Result<usize>,
    ) -> io::Result<()> {
        if much {
            self.fill_up_to::<MESSAGES>(bound, receive)
        } else {
            self.fill_up_to::<FEW>(bound, receive)
        }
    }

    fn fill_up_to<const ROOM: usize>(
        &mut self,
        bound: SocketAddr,
        receive: impl FnOnce(&mut [IoSliceMut<'_>], &mut [RecvMeta]) -> io::Result<usize>,
    ) -> io::Result<()> {
        const { assert!(ROOM <= MESSAGES) };
        self.clear();
        self.room = ROOM;
        let mut rest = self.bytes.chunks_exact_mut(MESSAGE);
        let mut buffers: [IoSliceMut<'_>; ROOM] = std::array::from_fn(|_| {
            IoSliceMut::new(rest.next().expect("there are as many chunks as messages"))
        });
        let mut metas = [RecvMeta::default(); ROOM];
        let count = receive(&mut buffers, &mut metas)?;
        for (index, meta) in metas.iter().take(count).enumerate() {
            let start = index * MESSAGE;
            self.messages.push(Message {
                peer: canonical(meta.addr),
                local: arrival(bound, meta.dst_ip),
                bytes: start..start + meta.len,
                stride: meta.stride,
            });
        }
        Ok(())
    }

    /// Adds one datagram: `receive` writes it and returns its length and sender. For sockets that
    /// bring one at a time; there must be room.
    pub fn take(
        &mut self,
        local: SocketAddr,
        receive: impl FnOnce(&mut [u8]) -> io::Result<(usize, SocketAddr)>,
    ) -> io::Result<()> {
        let start = self.messages.len() * MESSAGE;
        let (len, peer) = receive(&mut self.bytes[start..start + MESSAGE])?;
        let peer = canonical(peer);
        self.messages.push(Message { peer, local, bytes: start..start + len, stride: len });
        Ok(())
    }

    /// Shows the datagrams one by one, in order of arrival.
    pub fn view<T>(&mut self, look: impl FnOnce(&[Datagram<'_>]) -> T) -> T {
        let mut datagrams = recycle(mem::take(&mut self.views));
        for message in &self.messages {
            let (peer, local) = (message.peer, message.local);
            let bytes = &self.bytes[message.bytes.clone()];
            // An empty datagram has a stride of zero, which `chunks` does not take.
            let payloads = bytes.chunks(message.stride.max(1));
            datagrams.extend(payloads.map(|payload| Datagram::udp(peer, local, payload)));
        }
        let result = look(&datagrams);
        self.views = recycle(datagrams);
        result
    }
}

/// Empties a vector and keeps its memory for borrows of another lifetime: collecting a vector's own
/// iterator into elements of the same layout happens in place.
fn recycle<'to>(mut datagrams: Vec<Datagram<'_>>) -> Vec<Datagram<'to>> {
    datagrams.clear();
    datagrams.into_iter().map(|_| unreachable!("the vector is empty")).collect()
}

fn arrival(bound: SocketAddr, destination: Option<IpAddr>) -> SocketAddr {
    let ip = destination.unwrap_or(bound.ip());
    SocketAddr::new(ip.to_canonical(), bound.port())
}

/// Writes an IPv4 address as such, however the kernel wrote it; an IPv6 scope stays.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn meta(peer: &str, len: usize, stride: usize, to: Option<&str>) -> RecvMeta {
        let mut meta = RecvMeta::default();
        meta.addr = addr(peer);
        meta.len = len;
        meta.stride = stride;
        meta.dst_ip = to.map(|ip| ip.parse().unwrap());
        meta
    }

    fn seen(batch: &mut Batch) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
        batch.view(|all| all.iter().map(|d| (d.peer, d.local, d.payload.to_vec())).collect())
    }

    #[test]
    fn joined_datagrams_are_split_and_know_where_they_arrived() {
        let mut batch = Batch::default();
        let bound = addr("0.0.0.0:8080");
        batch
            .fill(bound, true, |buffers, metas| {
                buffers[0][..5].copy_from_slice(b"aabbc");
                buffers[1][..3].copy_from_slice(b"xyz");
                metas[0] = meta("[::ffff:192.0.2.7]:9", 5, 2, Some("::ffff:10.0.0.1"));
                metas[1] = meta("192.0.2.8:9", 3, 3, None);
                metas[2] = meta("192.0.2.9:9", 0, 0, None);
                Ok(3)
            })
            .unwrap();
        let (peer, local) = (addr("192.0.2.7:9"), addr("10.0.0.1:8080"));
        assert_eq!(
            seen(&mut batch),
            [
                (peer, local, b"aa".to_vec()),
                (peer, local, b"bb".to_vec()),
                (peer, local, b"c".to_vec()),
                (addr("192.0.2.8:9"), bound, b"xyz".to_vec()),
            ]
        );
    }

    #[test]
    fn a_batch_takes_single_datagrams_until_it_is_full() {
        let mut batch = Batch::default();
        let (peer, local) = (addr("[2001:db8::1]:5"), addr("[2001:db8::2]:6"));
        while !batch.is_full() {
            batch
                .take(local, |buffer| {
                    buffer[0] = 7;
                    Ok((1, peer))
                })
                .unwrap();
        }
        assert_eq!(seen(&mut batch), vec![(peer, local, vec![7]); MESSAGES]);
        batch.clear();
        assert_eq!(seen(&mut batch), []);
    }

    #[test]
    fn whatever_fills_its_room_may_have_left_more() {
        let mut batch = Batch::default();
        let mut brings = |much: bool, count: usize| {
            batch.fill(addr("0.0.0.0:1"), much, |_, _| Ok(count)).unwrap();
            batch.is_full()
        };
        assert!(brings(false, FEW) && brings(true, MESSAGES));
        assert!(!brings(false, FEW - 1) && !brings(true, FEW));
    }

    #[test]
    fn views_reuse_their_memory() {
        let mut batch = Batch::default();
        let fill = |batch: &mut Batch| {
            batch.fill(addr("0.0.0.0:1"), false, |_, metas| {
                metas[0] = meta("192.0.2.8:9", 60_000, 1_000, None);
                Ok(1)
            })
        };
        fill(&mut batch).unwrap();
        let first = batch.view(|all| all.as_ptr() as usize);
        fill(&mut batch).unwrap();
        assert_eq!(batch.view(|all| (all.as_ptr() as usize, all.len())), (first, 60));
    }
}
