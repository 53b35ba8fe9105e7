//! What it costs a TURN server to relay a packet, beside bare loops that only pass packets on.
//! `benches/README.md` tells how to read the tables.

use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};

use farcast_benches::meter::Meter;
use farcast_benches::relay::{Bare, Client, Down, HOSTILE, Line, Server, Strangers, Up};
use farcast_benches::thread::Thread;
use quinn_udp::UdpSocketState;

/// Bytes of audio and of video packets.
const SIZES: [usize; 2] = [160, 1_200];
/// Packets under way at a time: alone, and as a frame of video brings them.
const TRAINS: [usize; 2] = [1, 16];
/// Before the first round counts, packets have gone through in both directions.
const WARM_UP: usize = 200;
/// Packets of one relay in one round.
const ROUND: usize = 2_000;
const ROUNDS: usize = 25;
/// Allocations that are made to weigh one.
const HELD: usize = 300;
/// Times that a hostile datagram comes.
const TRIES: usize = 1_000;
/// Strangers who come once the server has seen some.
const FLOOD: u32 = 1_000_000;
const SEEN: u32 = 10_000;

/// A line through the server beside the same line through a bare loop.
struct Case {
    name: String,
    ours: Side,
    bare: Side,
}

struct Side {
    line: Line,
    thread: Thread,
    /// Microseconds a packet, a number for each round.
    costs: Vec<f64>,
    sent: usize,
    arrived: usize,
    allocations: usize,
}

fn main() {
    // `cargo bench -- --test`: does it still run? `-- 'UDP, to the peer'`: only what is called so.
    let (flags, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let rounds = if flags.iter().any(|flag| flag == "--test") { 1 } else { ROUNDS };
    Thread::on(0);
    let server = Server::start();
    let mut cases = cases(&server);
    cases.retain(|case| names.is_empty() || names.iter().any(|name| case.is(name)));
    let meter = Meter::new();
    for side in cases.iter_mut().flat_map(|case| [&mut case.ours, &mut case.bare]) {
        side.line.run(WARM_UP / side.line.train());
    }
    for _ in 0..rounds {
        for case in &mut cases {
            case.bare.run(&meter);
            case.ours.run(&meter);
        }
    }
    print(&cases);
    print_memory(&meter, &server);
    print_hostile(&meter);
}

impl Case {
    fn is(&self, name: &str) -> bool {
        self.name.starts_with(name) || self.name.ends_with(name)
    }
}

impl Side {
    fn new(line: Line, thread: Thread) -> Self {
        Side {
            line,
            thread,
            costs: Vec::with_capacity(ROUNDS),
            sent: 0,
            arrived: 0,
            allocations: 0,
        }
    }

    fn run(&mut self, meter: &Meter) {
        let trains = ROUND / self.line.train();
        let mut arrived = 0;
        let before = self.thread.cpu();
        self.allocations += meter.measure(|| arrived = self.line.run(trains)).allocations;
        let used = self.thread.cpu() - before;
        self.costs.push(used.as_nanos() as f64 / 1e3 / arrived.max(1) as f64);
        self.sent += trains * self.line.train();
        self.arrived += arrived;
    }

    fn median(&self) -> f64 {
        let mut sorted = self.costs.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }

    fn best(&self) -> f64 {
        self.costs.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn lost(&self) -> f64 {
        100.0 - 100.0 * self.arrived as f64 / self.sent as f64
    }
}

fn cases(server: &Server) -> Vec<Case> {
    let mut cases = Vec::new();
    for (size, train) in SIZES.into_iter().flat_map(|size| TRAINS.map(|train| (size, train))) {
        cases.push(udp_up(server, size, train));
        cases.push(udp_down(server, size, train));
        cases.push(tcp_up(server, size, train));
        cases.push(tcp_down(server, size, train));
    }
    for size in SIZES {
        cases.push(bulk(server, size, TRAINS[1]));
    }
    cases
}

fn case(server: &Server, name: String, ours: Line, bare: (Line, Thread)) -> Case {
    let (ours, bare) = (Side::new(ours, server.thread), Side::new(bare.0, bare.1));
    Case { name, ours, bare }
}

/// From a client to its peer.
fn udp_up(server: &Server, size: usize, train: usize) -> Case {
    let (peer, bare_peer) = (peer(), peer());
    let client = Client::udp(server.at, at(&peer));
    let bare = Bare::udp(at(&bare_peer));
    let packet = client.packet(size);
    let ours = Up::Datagrams(client.datagrams(), server.at);
    let ours = Line::new(ours, Down::Datagrams(peer), &packet, train);
    let line = Up::Datagrams(self::peer(), bare.at);
    let line = Line::new(line, Down::Datagrams(bare_peer), &packet, train);
    case(server, name("UDP, to the peer", size, train), ours, (line, bare.thread))
}

/// From a peer to its client.
fn udp_down(server: &Server, size: usize, train: usize) -> Case {
    let (peer, bare_client) = (peer(), peer());
    let client = Client::udp(server.at, at(&peer));
    let bare = Bare::udp(at(&bare_client));
    let packet = vec![9; size];
    let ours = Up::Datagrams(peer, client.relayed());
    let ours = Line::new(ours, Down::Datagrams(client.datagrams()), &packet, train);
    let line = Up::Datagrams(self::peer(), bare.at);
    let line = Line::new(line, Down::Datagrams(bare_client), &packet, train);
    case(server, name("UDP, to the client", size, train), ours, (line, bare.thread))
}

/// From a client on a stream to its peer.
fn tcp_up(server: &Server, size: usize, train: usize) -> Case {
    let (peer, bare_peer) = (peer(), peer());
    let client = Client::tcp(server.at, at(&peer));
    let bare = Bare::from_stream(at(&bare_peer));
    let packet = client.packet(size);
    let ours = Up::Stream(client.stream());
    let ours = Line::new(ours, Down::Datagrams(peer), &packet, train);
    let line = Up::Stream(stream(bare.at));
    let line = Line::new(line, Down::Datagrams(bare_peer), &packet, train);
    case(server, name("TCP, to the peer", size, train), ours, (line, bare.thread))
}

/// From a peer to its client on a stream.
fn tcp_down(server: &Server, size: usize, train: usize) -> Case {
    let peer = peer();
    let client = Client::tcp(server.at, at(&peer));
    let bare = Bare::to_stream();
    let packet = vec![9; size];
    let frame = client.packet(size).len();
    let ours = Up::Datagrams(peer, client.relayed());
    let ours = Line::new(ours, Down::Stream(client.stream(), frame), &packet, train);
    let (line, out) = (Up::Datagrams(self::peer(), bare.back), stream(bare.at));
    let line = Line::new(line, Down::Stream(out, frame), &packet, train);
    case(server, name("TCP, to the client", size, train), ours, (line, bare.thread))
}

/// Trains that the client's kernel takes, carries and hands over in one piece.
fn bulk(server: &Server, size: usize, train: usize) -> Case {
    let (peer, bare_peer) = (peer(), peer());
    let client = Client::udp(server.at, at(&peer));
    let bare = Bare::udp(at(&bare_peer));
    let packet = client.packet(size);
    let ours =
        Line::new(whole(client.datagrams(), server.at), Down::Datagrams(peer), &packet, train);
    let line = whole(self::peer(), bare.at);
    let line = Line::new(line, Down::Datagrams(bare_peer), &packet, train);
    case(server, name("UDP with GSO, to the peer", size, train), ours, (line, bare.thread))
}

fn whole(socket: UdpSocket, to: SocketAddr) -> Up {
    let state = UdpSocketState::new((&socket).into()).expect("a UDP socket");
    socket.set_nonblocking(false).expect("a flag");
    Up::Train(socket, state, to)
}

fn peer() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("a free port")
}

fn stream(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("the bare loop listens");
    stream.set_nodelay(true).expect("a flag");
    stream
}

fn at(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("its address")
}

fn name(what: &str, size: usize, train: usize) -> String {
    format!("{what} | {size} | {train}")
}

fn print(cases: &[Case]) {
    println!("CPU us of the relay's thread per packet, best / median of rounds\n");
    println!("| path | bytes | train | bare loop | server | ratio | allocations | lost % |");
    println!("|---|---|---|---|---|---|---|---|");
    for Case { name, ours, bare } in cases {
        println!(
            "| {name} | {:.2} / {:.2} | {:.2} / {:.2} | {:.2} / {:.2} | {:.3} | {:.2} |",
            bare.best(),
            bare.median(),
            ours.best(),
            ours.median(),
            ours.best() / bare.best(),
            ours.median() / bare.median(),
            ours.allocations as f64 / ours.sent as f64,
            ours.lost(),
        );
    }
}

fn print_memory(meter: &Meter, server: &Server) {
    let peer = peer();
    let mut held: Vec<UdpSocket> = Vec::with_capacity(HELD);
    let cost = meter.measure(|| {
        held.extend((0..HELD).map(|number| {
            let [.., high, low] = number.to_be_bytes();
            let ip = Ipv4Addr::new(127, high + 1, low, 1);
            Client::udp_from(ip, server.at, at(&peer)).datagrams()
        }));
    });
    let each = cost.kept / held.len().cast_signed();
    println!("\nheap of the server per allocation with a channel: {each} bytes");

    let mut strangers = Strangers::new();
    strangers.come(SEEN);
    let mut answered = 0;
    let cost = meter.measure(|| answered = strangers.come(FLOOD));
    println!(
        "heap after {FLOOD} more spoofed sources, of whom {answered} were answered: {:+} bytes; \
         {} ns each",
        cost.kept,
        cost.cpu.as_nanos() / u128::from(FLOOD),
    );
}

/// What the worst datagrams of 64 KB cost, before anybody has shown who he is.
fn print_hostile(meter: &Meter) {
    let mut strangers = Strangers::new();
    println!("\nCPU us of the server for one datagram, best / median of {TRIES}\n");
    println!("| datagram | bytes | us |");
    println!("|---|---|---|");
    for (name, make) in HOSTILE {
        let datagram = make();
        let mut cost = || {
            meter
                .measure(|| {
                    strangers.send(&datagram);
                })
                .cpu
        };
        let mut costs: Vec<f64> = (0..TRIES).map(|_| cost().as_nanos() as f64 / 1e3).collect();
        costs.sort_by(f64::total_cmp);
        println!("| {name} | {} | {:.1} / {:.1} |", datagram.len(), costs[0], costs[TRIES / 2]);
    }
}
