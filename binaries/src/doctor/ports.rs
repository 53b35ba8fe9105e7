//! Can the node have its ports on this machine, or does it have them already? It looks from inside.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use super::finding::Finding;
use super::patient::Patient;
use super::stun;

/// How long a program of this machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the ports were found.
#[derive(Debug, Default)]
pub(super) struct Ports {
    /// In words.
    pub(super) findings: Vec<Finding>,
    /// UDP sockets that can be bound: the node does not run.
    pub(super) free_udp: Vec<SocketAddr>,
    /// The same of listeners without TLS.
    pub(super) free_plain: Vec<SocketAddr>,
    /// The same of listeners with TLS.
    pub(super) free_secure: Vec<SocketAddr>,
    /// Relayed addresses of a TURN server that nobody has at the moment.
    pub(super) free_relayed: Vec<SocketAddr>,
    /// UDP ports where somebody is, but does not answer STUN.
    pub(super) mute: Vec<u16>,
}

/// What is at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occupant {
    /// A node, as far as one can tell.
    Node,
    /// Somebody who does not answer.
    Mute,
    /// Another program.
    Stranger,
}

/// Looks at every port of the node.
pub(super) fn look(patient: &Patient) -> Ports {
    let mut ports = Ports::default();
    let settings = &patient.settings;
    for at in &settings.core.addresses.udp {
        match UdpSocket::bind(at) {
            Ok(_) => ports.free_udp.push(*at),
            Err(error) => {
                let occupant = || match (stun::ask(near(*at)), &settings.core.turn) {
                    (Some(_), _) => Occupant::Node,
                    (None, None) => Occupant::Mute,
                    (None, Some(_)) => Occupant::Stranger,
                };
                ports.taken("UDP", *at, &error, occupant);
            }
        }
    }
    for at in patient.relayed() {
        match UdpSocket::bind(at) {
            Ok(_) => ports.free_relayed.push(at),
            // A client has it.
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => ports.findings.push(unbound("UDP", at, &error)),
        }
    }
    let plain = settings.http.iter().map(|at| (at, false));
    for (at, secure) in plain.chain(settings.https.iter().map(|at| (at, true))) {
        match TcpListener::bind(at) {
            Ok(_) if secure => ports.free_secure.push(*at),
            Ok(_) => ports.free_plain.push(*at),
            Err(error) => {
                let speaks_http = !secure && !settings.alone;
                ports.taken("TCP", *at, &error, || at_tcp(near(*at), speaks_http));
            }
        }
    }
    let free = [("UDP", &ports.free_udp), ("TCP", &ports.free_plain), ("TCP", &ports.free_secure)];
    let fine = free.iter().flat_map(|(kind, all)| all.iter().map(move |at| (kind, at)));
    let fine = fine.map(|(kind, at)| Finding::good(format!("{kind} {at} is free for the node")));
    ports.findings.splice(0..0, fine.collect::<Vec<_>>());
    ports
}

impl Ports {
    fn taken(
        &mut self,
        kind: &str,
        at: SocketAddr,
        error: &io::Error,
        occupant: impl FnOnce() -> Occupant,
    ) {
        let occupant = (error.kind() == ErrorKind::AddrInUse).then(occupant);
        if kind == "UDP" && matches!(occupant, Some(Occupant::Mute)) {
            self.mute.push(at.port());
        }
        self.findings.push(match occupant {
            Some(occupant) => occupied(kind, at, occupant),
            None => unbound(kind, at, error),
        });
    }
}

fn occupied(kind: &str, at: SocketAddr, occupant: Occupant) -> Finding {
    let flag = if kind == "UDP" { 'u' } else { 't' };
    let port = at.port();
    let who = format!("sudo ss -{flag}lpn 'sport = :{port}'");
    match occupant {
        Occupant::Node => Finding::good(format!("{kind} {at} answers: the node runs")),
        Occupant::Mute => {
            Finding::unsure(format!("{kind} {at} is taken, by the node or by another program"))
                .but(format!("{who}   (tells who it is)"))
        }
        Occupant::Stranger => Finding::bad(
            format!("{kind} {at} is taken by a program that does not answer like a node"),
            format!("{who}   (tells who it is: end it, or choose another port)"),
        ),
    }
}

fn unbound(kind: &str, at: SocketAddr, error: &io::Error) -> Finding {
    let cure = match error.kind() {
        ErrorKind::PermissionDenied => "sudo farcast doctor CONFIG   (the node itself: systemd's \
             AmbientCapabilities=CAP_NET_BIND_SERVICE)"
            .to_owned(),
        ErrorKind::AddrNotAvailable => {
            let any = SocketAddr::new(any(at.ip()), at.port());
            let ip = at.ip();
            format!("\"{any}\" instead of \"{at}\", and public = \"{ip}\"   (behind 1:1 NAT)")
        }
        _ => format!("another address instead of \"{at}\""),
    };
    let what = match error.kind() {
        ErrorKind::PermissionDenied => format!("{kind} {at} is not for this user to take"),
        ErrorKind::AddrNotAvailable => format!("{} is no address of this machine", at.ip()),
        _ => format!("{kind} {at} cannot be bound: {error}"),
    };
    Finding::bad(what, cure)
}

/// Who listens at a TCP address.
fn at_tcp(at: SocketAddr, speaks_http: bool) -> Occupant {
    let Ok(stream) = TcpStream::connect_timeout(&at, PATIENCE) else { return Occupant::Stranger };
    match speaks_http {
        true => health(stream).unwrap_or(Occupant::Stranger),
        // With TLS, only its own name gets an answer: that is looked at from outside.
        false => Occupant::Mute,
    }
}

fn health(mut stream: TcpStream) -> io::Result<Occupant> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    let is_node = answer.starts_with("HTTP/1.1 200") && answer.ends_with("alive\n");
    Ok(if is_node { Occupant::Node } else { Occupant::Stranger })
}

/// An address at which this machine reaches its own wildcard sockets.
fn near(at: SocketAddr) -> SocketAddr {
    let ip = match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, at.port())
}

fn any(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::finding::Verdict;
    use super::*;

    fn at() -> SocketAddr {
        "203.0.113.7:443".parse().unwrap()
    }

    #[test]
    fn a_port_of_another_program_names_the_command_that_finds_it() {
        let finding = occupied("UDP", at(), Occupant::Stranger);
        assert_eq!(finding.verdict, Verdict::Bad);
        assert!(finding.cure.unwrap().starts_with("sudo ss -ulpn 'sport = :443'"));
        assert_eq!(occupied("TCP", at(), Occupant::Node).verdict, Verdict::Good);
        assert_eq!(occupied("TCP", at(), Occupant::Mute).verdict, Verdict::Unsure);
    }

    #[test]
    fn a_public_address_that_is_not_on_the_machine_is_announced_not_bound() {
        let finding = unbound("UDP", at(), &ErrorKind::AddrNotAvailable.into());
        assert_eq!(finding.what, "203.0.113.7 is no address of this machine");
        let cure = "\"0.0.0.0:443\" instead of \"203.0.113.7:443\", and public = \"203.0.113.7\"";
        assert!(finding.cure.unwrap().starts_with(cure));
        let finding = unbound("TCP", at(), &ErrorKind::PermissionDenied.into());
        assert!(finding.cure.unwrap().contains("CAP_NET_BIND_SERVICE"));
    }

    #[test]
    fn a_web_server_is_no_node() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        thread::spawn(move || {
            for words in ["404 Not Found\r\n\r\nno", "200 OK\r\n\r\nalive\n"] {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
                stream.write_all(format!("HTTP/1.1 {words}").as_bytes()).unwrap();
            }
        });
        assert_eq!(at_tcp(at, true), Occupant::Stranger);
        assert_eq!(at_tcp(at, true), Occupant::Node);
    }
}
