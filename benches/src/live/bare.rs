//! The least that a train of packets costs a node: each packet copied and sealed for each viewer,
//! and one segmented send (UDP GSO) to each. It makes no headers and keeps nothing.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use quinn_udp::{Transmit, UdpSocketState};

use crate::meter::Meter;
use crate::thread::Thread;

/// An RTP header with the extensions of browsers; it is authenticated with every packet.
const HEADER: usize = 32;
/// The tag of AES-256-GCM.
const TAG: usize = 16;
/// Bytes that one send takes at most: those of an IP packet, but for its headers.
const SEND: usize = 65_000;

/// A thread that sends what it is told to, on the same CPU as servers.
pub(super) struct Bare {
    orders: Sender<Vec<usize>>,
    told: Receiver<(Duration, u64)>,
}

impl Bare {
    /// A loop that sends to all of these.
    pub(super) fn start(viewers: Vec<SocketAddr>) -> Self {
        let (orders, ordered) = mpsc::channel::<Vec<usize>>();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            Thread::on(0);
            let (meter, mut carrier) = (Meter::new(), Carrier::new(viewers));
            for sizes in ordered {
                let mut sent = 0;
                let cost = meter.measure(|| sent = carrier.carry(&sizes));
                if tell.send((cost.cpu, sent)).is_err() {
                    return;
                }
            }
        });
        Bare { orders, told }
    }

    /// Sends a train of packets of these sizes to everybody. Returns the CPU time that it took, and
    /// how many packets left.
    pub(super) fn carry(&self, sizes: Vec<usize>) -> (Duration, u64) {
        self.orders.send(sizes).expect("the thread lives");
        self.told.recv().expect("the thread lives")
    }
}

struct Carrier {
    socket: UdpSocket,
    state: UdpSocketState,
    viewers: Vec<(SocketAddr, LessSafeKey)>,
    payload: Vec<u8>,
    slab: Vec<u8>,
    nonce: u64,
}

impl Carrier {
    fn new(viewers: Vec<SocketAddr>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let state = UdpSocketState::new((&socket).into()).expect("a UDP socket");
        state.set_send_buffer_size((&socket).into(), 4 << 20).ok();
        let key = |at: SocketAddr| {
            let [high, low] = at.port().to_be_bytes();
            let bytes: [u8; 32] = std::array::from_fn(|n| if n % 2 == 0 { high } else { low });
            UnboundKey::new(&AES_256_GCM, &bytes).expect("a key of 32 bytes")
        };
        let viewers = viewers.into_iter().map(|at| (at, LessSafeKey::new(key(at)))).collect();
        let (payload, slab) = (vec![9; 2_048], vec![0; SEND]);
        Carrier { socket, state, viewers, payload, slab, nonce: 0 }
    }

    /// Seals and sends; packets that are sent together are as long as the longest one.
    fn carry(&mut self, sizes: &[usize]) -> u64 {
        let segment = sizes.iter().copied().max().unwrap_or(1);
        let most = self.state.max_gso_segments().min(SEND / segment);
        let mut sent = 0;
        for (viewer, key) in &self.viewers {
            for run in sizes.chunks(most) {
                let slab = &mut self.slab[..segment * run.len()];
                for packet in slab.chunks_exact_mut(segment) {
                    self.nonce += 1;
                    seal(key, self.nonce, &self.payload, packet);
                }
                let transmit = Transmit {
                    destination: *viewer,
                    ecn: None,
                    contents: slab,
                    segment_size: (run.len() > 1).then_some(segment),
                    src_ip: None,
                };
                let left = self.state.try_send((&self.socket).into(), &transmit).is_ok();
                sent += if left { run.len() as u64 } else { 0 };
            }
        }
        sent
    }
}

/// Copies a payload into its place and seals it there, as SRTP does (RFC 7714).
fn seal(key: &LessSafeKey, number: u64, payload: &[u8], packet: &mut [u8]) {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    let (header, rest) = packet.split_at_mut(HEADER);
    let (text, tag) = rest.split_at_mut(rest.len() - TAG);
    text.copy_from_slice(&payload[..text.len()]);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let sealed = key.seal_in_place_separate_tag(nonce, Aad::from(&*header), text);
    tag.copy_from_slice(sealed.expect("a packet is not too long").as_ref());
}
