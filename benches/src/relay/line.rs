//! Load: packets that go out in trains on one end, and are waited for at the other, so that never
//! more than a train is under way.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use quinn_udp::{Transmit, UdpSocketState};

/// A train that does not arrive whole in this time has lost packets.
const PATIENCE: Duration = Duration::from_millis(200);

/// Where packets are put in.
#[derive(Debug)]
pub enum Up<'a> {
    /// One datagram at a time.
    Datagrams(&'a UdpSocket, SocketAddr),
    /// A train in one system call, which the kernel cuts (GSO).
    Train(&'a UdpSocket, SocketAddr),
    /// A stream.
    Stream(&'a TcpStream),
}

/// Where packets come out.
#[derive(Debug)]
pub enum Down<'a> {
    /// Datagrams.
    Datagrams(&'a UdpSocket),
    /// A stream; a frame has as many bytes.
    Stream(&'a TcpStream, usize),
}

/// One way through a relay.
#[derive(Debug)]
pub struct Line<'a> {
    /// Where packets are put in.
    pub up: Up<'a>,
    /// Where packets come out.
    pub down: Down<'a>,
    /// What is put in, as it is on the wire.
    pub packet: Vec<u8>,
    /// Packets that are under way at a time.
    pub train: usize,
}

impl Line<'_> {
    /// Sends so many packets; how many arrived.
    pub fn run(&mut self, packets: usize) -> usize {
        let trains = packets / self.train;
        (0..trains).map(|_| {
            self.send();
            self.receive()
        }).sum()
    }

    fn send(&mut self) {
        match &mut self.up {
            Up::Datagrams(socket, to) => {
                for _ in 0..self.train {
                    socket.send_to(&self.packet, *to).expect("room on loopback");
                }
            }
            Up::Train(socket, to) => {
                let contents = self.packet.repeat(self.train);
                let state = UdpSocketState::new((*socket).into()).expect("a UDP socket");
                let segment_size = Some(self.packet.len());
                let transmit = Transmit {
                    destination: *to,
                    ecn: None,
                    contents: &contents,
                    segment_size,
                    src_ip: None,
                };
                state.send((*socket).into(), &transmit).expect("room on loopback");
            }
            Up::Stream(stream) => {
                let contents = self.packet.repeat(self.train);
                stream.write_all(&contents).expect("the relay reads");
            }
        }
    }

    fn receive(&mut self) -> usize {
        let mut buffer = [0; 64 * 1024];
        match &mut self.down {
            Down::Datagrams(socket) => {
                socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
                let arrives = |_: &usize| socket.recv(&mut buffer).is_ok();
                (0..self.train).take_while(arrives).count()
            }
            Down::Stream(stream, frame) => {
                let mut missing = self.train * *frame;
                while missing > 0 {
                    let room = missing.min(buffer.len());
                    match stream.read(&mut buffer[..room]) {
                        Ok(read) if read > 0 => missing -= read,
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        _ => break,
                    }
                }
                self.train - missing.div_ceil(*frame)
            }
        }
    }
}
