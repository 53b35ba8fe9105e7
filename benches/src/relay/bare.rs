//! Relays without a protocol: the least that a relayed packet costs on this machine. They take four
//! bytes off each packet and send the rest on.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;

use rustix::event::epoll::{self, EventData, EventFlags};

use super::Thread;

/// Bytes of a ChannelData header (RFC 8656 section 12.4).
const HEADER: usize = 4;
/// Room for one read of a stream.
const READ: usize = 64 * 1024;

/// A bare relay; its thread ends with the process.
#[derive(Debug)]
pub struct Bare {
    /// Where it takes packets.
    pub at: SocketAddr,
    /// What it costs.
    pub thread: Thread,
}

impl Bare {
    /// Waits, receives and sends, each once for every datagram: three system calls.
    pub fn udp(to: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let out = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let at = socket.local_addr().expect("its address");
        Bare::spawn(at, move || {
            socket.set_nonblocking(true).expect("a flag");
            let ready = watch(&socket);
            let mut buffer = [0; 2048];
            loop {
                wait(&ready);
                if let Ok((len, _)) = socket.recv_from(&mut buffer) {
                    out.send_to(&buffer[HEADER.min(len)..len], to).ok();
                }
            }
        })
    }

    /// Reads a stream as far as it goes and sends each frame: a length, then a payload padded to
    /// four bytes.
    pub fn tcp(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let out = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let at = listener.local_addr().expect("its address");
        Bare::spawn(at, move || {
            let (mut stream, _) = listener.accept().expect("a client");
            stream.set_nonblocking(true).expect("a flag");
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

    fn spawn(at: SocketAddr, run: impl FnOnce() + Send + 'static) -> Self {
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            tell.send(Thread::current()).ok();
            run();
        });
        Bare { at, thread: told.recv().expect("the thread tells its name") }
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

fn watch(socket: &impl AsFd) -> rustix::fd::OwnedFd {
    let ready = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll instance");
    epoll::add(&ready, socket, EventData::new_u64(0), EventFlags::IN).expect("room for one");
    ready
}

fn wait(ready: &rustix::fd::OwnedFd) {
    let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }];
    epoll::wait(ready, &mut events, None).ok();
}
