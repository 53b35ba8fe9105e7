//! Relays without a protocol: the least that a relayed packet costs on this machine. They take four
//! bytes off each packet, or put four bytes before it, and send it on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc;
use std::thread;

use rustix::event::epoll::{self, EventData, EventFlags};

use crate::thread::Thread;

/// Bytes of a ChannelData header (RFC 8656 section 12.4).
const HEADER: usize = 4;
/// Room for one datagram.
const DATAGRAM: usize = 2048;
/// Room for one read of a stream.
const READ: usize = 64 * 1024;

/// A bare relay; its thread ends with the process.
#[derive(Debug)]
pub struct Bare {
    /// Where it takes packets, or a stream.
    pub at: SocketAddr,
    /// Where it takes datagrams for the stream, if it does.
    pub back: SocketAddr,
    /// What it costs.
    pub thread: Thread,
}

impl Bare {
    /// Waits, receives and sends, each once for every datagram: three system calls.
    pub fn udp(to: SocketAddr) -> Self {
        let (socket, out) = (udp(), udp());
        let at = socket.local_addr().expect("its address");
        Bare::spawn(at, at, move || {
            let ready = watch(&socket);
            let mut buffer = [0; DATAGRAM];
            loop {
                wait(&ready);
                if let Ok(len) = socket.recv(&mut buffer) {
                    out.send_to(&buffer[HEADER.min(len)..len], to).ok();
                }
            }
        })
    }

    /// Reads a stream as far as it goes and sends each frame.
    pub fn from_stream(to: SocketAddr) -> Self {
        let (listener, out) = (tcp(), udp());
        let at = listener.local_addr().expect("its address");
        Bare::spawn(at, at, move || {
            let mut stream = accepted(&listener);
            let ready = watch(&stream);
            let (mut buffer, mut filled) = (vec![0; READ], 0);
            loop {
                wait(&ready);
                let Ok(read) = stream.read(&mut buffer[filled..]) else { continue };
                if read == 0 {
                    return;
                }
                filled += read;
                let used = frames(&buffer[..filled], |payload| {
                    out.send_to(payload, to).ok();
                });
                buffer.copy_within(used..filled, 0);
                filled -= used;
            }
        })
    }

    /// Writes each datagram to a stream, with four bytes before it.
    pub fn to_stream() -> Self {
        let (listener, socket) = (tcp(), udp());
        let at = listener.local_addr().expect("its address");
        let back = socket.local_addr().expect("its address");
        Bare::spawn(at, back, move || {
            let mut stream = accepted(&listener);
            let ready = watch(&socket);
            let mut buffer = [0; DATAGRAM];
            loop {
                wait(&ready);
                if let Ok(len) = socket.recv(&mut buffer[HEADER..]) {
                    let frame = &buffer[..(HEADER + len).next_multiple_of(4)];
                    if stream.write_all(frame).is_err() {
                        return;
                    }
                }
            }
        })
    }

    fn spawn(at: SocketAddr, back: SocketAddr, run: impl FnOnce() + Send + 'static) -> Self {
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            tell.send(Thread::on(0)).ok();
            run();
        });
        Bare { at, back, thread: told.recv().expect("the thread tells its name") }
    }
}

/// Hands out whole frames; how many bytes they took.
fn frames(bytes: &[u8], mut each: impl FnMut(&[u8])) -> usize {
    let mut used = 0;
    while let Some([_, _, high, low]) = bytes.get(used..used + HEADER) {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let end = used + HEADER + len.next_multiple_of(4);
        let Some(frame) = bytes.get(used + HEADER..end) else { break };
        each(&frame[..len]);
        used = end;
    }
    used
}

fn udp() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_nonblocking(true).expect("a flag");
    socket
}

fn tcp() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a free port")
}

fn accepted(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a client");
    stream.set_nodelay(true).expect("a flag");
    stream
}

fn watch(socket: &impl AsFd) -> OwnedFd {
    let ready = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll instance");
    epoll::add(&ready, socket, EventData::new_u64(0), EventFlags::IN).expect("room for one");
    ready
}

fn wait(ready: &OwnedFd) {
    let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }];
    epoll::wait(ready, &mut events, None).ok();
}
