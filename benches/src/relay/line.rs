//! Load: packets that go into a relay in trains, and are waited for where they come out, so that
//! never more than a train is under way. It allocates nothing while it runs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use quinn_udp::{Transmit, UdpSocketState};

/// A train that does not arrive whole in this time has lost packets.
const PATIENCE: Duration = Duration::from_millis(500);
/// Room for what arrives.
const ROOM: usize = 64 * 1024;

/// Where packets are put in.
#[derive(Debug)]
pub enum Up {
    /// One datagram at a time.
    Datagrams(UdpSocket, SocketAddr),
    /// A train in one system call, which the kernel cuts (GSO).
    Train(UdpSocket, UdpSocketState, SocketAddr),
    /// A train in one write.
    Stream(TcpStream),
}

/// Where packets come out.
#[derive(Debug)]
pub enum Down {
    /// Datagrams.
    Datagrams(UdpSocket),
    /// A stream; a frame has as many bytes.
    Stream(TcpStream, usize),
}

/// One way through a relay.
#[derive(Debug)]
pub struct Line {
    up: Up,
    down: Down,
    /// The packets of a train, one after the other.
    packets: Vec<u8>,
    size: usize,
    train: usize,
    buffer: Vec<u8>,
}

impl Line {
    /// A line for trains of so many packets, each as it is on the wire.
    pub fn new(up: Up, down: Down, packet: &[u8], train: usize) -> Self {
        match &down {
            Down::Datagrams(socket) => socket.set_read_timeout(Some(PATIENCE)),
            Down::Stream(stream, _) => stream.set_read_timeout(Some(PATIENCE)),
        }
        .expect("a time-out");
        let (packets, size) = (packet.repeat(train), packet.len());
        Line { up, down, packets, size, train, buffer: vec![0; ROOM] }
    }

    /// Sends so many trains; how many packets arrived.
    pub fn run(&mut self, trains: usize) -> usize {
        let mut arrived = 0;
        for _ in 0..trains {
            self.send();
            arrived += self.receive();
        }
        arrived
    }

    /// Packets of one train.
    pub fn train(&self) -> usize {
        self.train
    }

    fn send(&mut self) {
        match &mut self.up {
            Up::Datagrams(socket, to) => {
                for packet in self.packets.chunks(self.size) {
                    socket.send_to(packet, *to).expect("room on loopback");
                }
            }
            Up::Train(socket, state, to) => {
                let transmit = Transmit {
                    destination: *to,
                    ecn: None,
                    contents: &self.packets,
                    segment_size: Some(self.size),
                    src_ip: None,
                };
                state.try_send((&*socket).into(), &transmit).expect("room on loopback");
            }
            Up::Stream(stream) => stream.write_all(&self.packets).expect("the relay reads"),
        }
    }

    fn receive(&mut self) -> usize {
        let buffer = &mut self.buffer;
        match &mut self.down {
            Down::Datagrams(socket) => {
                (0..self.train).take_while(|_| socket.recv(buffer).is_ok()).count()
            }
            Down::Stream(stream, frame) => {
                let mut missing = self.train * *frame;
                while missing > 0 {
                    match stream.read(&mut buffer[..missing.min(ROOM)]) {
                        Ok(read) if read > 0 => missing -= read,
                        _ => break,
                    }
                }
                self.train - missing.div_ceil(*frame)
            }
        }
    }
}
