//! A client that has a channel through the server to one peer, on a real socket.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use farcast_sim::turn_client::{self, TurnClient};

use super::server::{PASSWORD, USER};

/// The server answers in this time, or not at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client with its channel.
#[derive(Debug)]
pub struct Client {
    socket: Socket,
    turn: TurnClient,
    channel: u16,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Client {
    /// A client over UDP.
    pub fn udp(server: SocketAddr, peer: SocketAddr) -> Self {
        Client::udp_from(Ipv4Addr::LOCALHOST, server, peer)
    }

    /// The same at some other IP: nobody gets many challenges in a row.
    pub fn udp_from(ip: Ipv4Addr, server: SocketAddr, peer: SocketAddr) -> Self {
        let socket = UdpSocket::bind((ip, 0)).expect("a free port");
        socket.connect(server).expect("loopback");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Client::over(Socket::Udp(socket), turn_client::Line::Datagrams, peer)
    }

    /// A client over TCP.
    pub fn tcp(server: SocketAddr, peer: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("the server listens");
        stream.set_nodelay(true).expect("a flag");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Client::over(Socket::Tcp(stream), turn_client::Line::Stream, peer)
    }

    fn over(mut socket: Socket, line: turn_client::Line, peer: SocketAddr) -> Self {
        let mut turn = TurnClient::new(line, USER, PASSWORD);
        socket.settle(&mut turn);
        turn.bind(peer);
        socket.settle(&mut turn);
        assert_eq!(turn.refusal(), None, "the server relays");
        let channel = turn.channel(peer);
        Client { socket, turn, channel }
    }

    /// Where the peer reaches it.
    pub fn relayed(&self) -> SocketAddr {
        self.turn.relayed().expect("it has an allocation")
    }

    /// A payload of so many bytes as it is on the wire between client and server.
    pub fn packet(&self, bytes: usize) -> Vec<u8> {
        self.turn.channel_data(self.channel, &vec![9; bytes])
    }

    /// Its socket, if it has one for datagrams.
    pub fn datagrams(&self) -> UdpSocket {
        match &self.socket {
            Socket::Udp(socket) => socket.try_clone().expect("few sockets"),
            Socket::Tcp(_) => panic!("a stream has no datagrams"),
        }
    }

    /// Its stream, if it has one.
    pub fn stream(&self) -> TcpStream {
        match &self.socket {
            Socket::Tcp(stream) => stream.try_clone().expect("few sockets"),
            Socket::Udp(_) => panic!("datagrams are no stream"),
        }
    }
}

impl Socket {
    /// Asks until everything is answered.
    fn settle(&mut self, turn: &mut TurnClient) {
        let mut buffer = [0; 2048];
        while !turn.is_settled() {
            while let Some(bytes) = turn.next_outgoing() {
                match self {
                    Socket::Udp(socket) => socket.send(&bytes).map(drop),
                    Socket::Tcp(stream) => stream.write_all(&bytes),
                }
                .expect("the server is there");
            }
            let read = match self {
                Socket::Udp(socket) => socket.recv(&mut buffer),
                Socket::Tcp(stream) => stream.read(&mut buffer),
            };
            turn.receive(&buffer[..read.expect("the server answers")]);
        }
    }
}
