//! `farcast demo`: the settings of an origin and two edges in one process, and what to tell about
//! them; it opens no socket.

pub mod places;

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::Args;

use crate::address::{Listen, NodeUrl, Public};
use crate::config::{Cores, Edge, Log, Runtime, Wishes};
use crate::error::StartError;
use crate::node::{self, DEFAULT_PORT, NO_INTERFACE, Role, Settings};
use places::{PlaceFlags, Places, Route, milliseconds};

/// The flags of `farcast demo`.
#[derive(Debug, Args)]
pub struct DemoFlags {
    /// The origin's port; the edges take the next two. UDP takes the same numbers
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_PORT,
          value_parser = clap::value_parser!(u16).range(1..=LAST_BASE))]
    port_base: u16,
    #[command(flatten)]
    places: PlaceFlags,
    /// The async runtime: tokio or smol [default: tokio]
    #[arg(long, env = "FARCAST_RUNTIME")]
    runtime: Option<Runtime>,
    /// How much the log says: debug, info or warn [default: warn]
    #[arg(long, value_name = "LEVEL", env = "FARCAST_LOG")]
    log: Option<Log>,
}

/// Three nodes of one process: the pages on loopback, media on the machine's interfaces.
pub struct Demo {
    /// The origin first, then its edges.
    pub nodes: Vec<Settings>,
    /// What people should know, ready to print.
    pub table: String,
}

impl DemoFlags {
    /// The demo on a machine with these IPs, loopback included.
    pub fn demo(&self, interfaces: &[IpAddr]) -> Result<Demo, StartError> {
        let host = Host::new(interfaces);
        let places = self.places.places()?;
        let mut nodes: Vec<Settings> = ROLES
            .iter()
            .zip(self.port_base..=u16::MAX)
            .map(|(role, port)| {
                let mut wishes = host.wishes(port);
                wishes.name = Some(role.name.to_owned());
                wishes.runtime = self.runtime;
                wishes.log = Some(self.log.unwrap_or(Log::Warn));
                if port == self.port_base {
                    wishes.edge = edges(port)?;
                }
                Settings::new(wishes, role, interfaces)
            })
            .collect::<Result<_, StartError>>()?;
        if let Some(places) = &places {
            let homes = places.homes(ROLES.iter().map(|role| role.name))?;
            nodes.iter_mut().zip(homes).for_each(|(node, home)| node.home = Some(home));
        }
        let table = table(self.port_base, &host, places.as_ref());
        Ok(Demo { nodes, table })
    }
}

/// Where a demo may listen on this machine.
struct Host {
    loopback: Vec<IpAddr>,
    wildcard: IpAddr,
    /// The IP that people see in the table; `None` on a machine with nothing but loopback.
    media: Option<IpAddr>,
}

impl Host {
    fn new(interfaces: &[IpAddr]) -> Self {
        let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let mut loopback = vec![v4];
        // Browsers and curl try `localhost` over IPv6 first where there is any.
        loopback.extend(interfaces.contains(&v6).then_some(v6));
        let mut usable = interfaces.iter().copied().filter(|ip| node::is_usable(*ip));
        let media = usable.clone().find(IpAddr::is_ipv4).or_else(|| usable.next());
        let wildcard = match media {
            Some(IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
            _ => Ipv4Addr::UNSPECIFIED.into(),
        };
        Host { loopback, wildcard, media }
    }

    fn wishes(&self, port: u16) -> Wishes {
        let listen = |ip: IpAddr| Listen(SocketAddr::new(ip, port));
        // Without an interface, pages and signalling still work, and the table says what does not.
        let public = match self.media {
            Some(_) => Vec::new(),
            None => vec![Public(Ipv4Addr::LOCALHOST.into())],
        };
        Wishes {
            http: self.loopback.iter().copied().map(listen).collect(),
            udp: vec![listen(self.wildcard)],
            public,
            public_host: Some("localhost".into()),
            open: Some(true),
            cores: Some(Cores(1)),
            ..Wishes::default()
        }
    }
}

fn edges(base: u16) -> Result<Vec<Edge>, StartError> {
    let url = |host: &str, port: u16| format!("http://{host}:{port}").parse::<NodeUrl>();
    let edge = |role: &Role, port: u16| {
        Ok(Edge {
            name: Some(role.name.to_owned()),
            url: url("127.0.0.1", port)?,
            public_url: Some(url("localhost", port)?),
            token: None,
        })
    };
    let edges = ROLES.iter().zip(base..=u16::MAX).skip(1).map(|(role, port)| edge(role, port));
    edges.collect::<Result<_, String>>().map_err(StartError)
}

fn table(base: u16, host: &Host, places: Option<&Places>) -> String {
    let mut text = String::from("Farcast demo: an origin and two edges, open to everybody");
    // Writing to a String cannot fail.
    let _ = match places {
        Some(places) => write!(
            text,
            ",\nas far from each other as {} says. This machine's browsers are in {}.\n\n",
            places.atlas,
            places.viewer()
        ),
        None => write!(text, ".\n\n"),
    };
    let media = host.media.unwrap_or(Ipv4Addr::LOCALHOST.into());
    let cities: Vec<&str> = (0..ROLES.len()).map_while(|node| Some(places?.city(node))).collect();
    let width = cities.iter().map(|city| city.chars().count() + 2).max().unwrap_or(0);
    let mut line = |left: &str, city: &str, middle: &str, right: &str| {
        let _ = writeln!(text, "  {left:<8}  {city:<width$}{middle:<21}  {right}");
    };
    line("node", if cities.is_empty() { "" } else { "city" }, "pages", "media (UDP)");
    for (node, (role, port)) in ROLES.iter().zip(base..=u16::MAX).enumerate() {
        let city = cities.get(node).copied().unwrap_or_default();
        let media = SocketAddr::new(media, port).to_string();
        line(role.name, city, &page(port), &media);
    }
    let origin = page(base);
    let _ = write!(
        text,
        "\n  publish   {origin}/publish?stream=stream1\
         \n  watch     {origin}/player?stream=stream1\
         \n  balancer  {origin}/?action=server_list\n"
    );
    text.extend(places.map(|places| routes(base, places)));
    text += "\nCtrl-C ends it.\n";
    if host.media.is_none() {
        let _ = write!(text, "\nNo picture will come: {NO_INTERFACE}\n");
    }
    text
}

/// What light needs on the way over each node, and where to see what we need.
fn routes(base: u16, places: &Places) -> String {
    let viewer = places.viewer();
    let mut text = format!("\nFrom {viewer} to {viewer}, glass to glass:\n\n");
    for (node, (role, port)) in ROLES.iter().zip(base..=u16::MAX).enumerate() {
        let Route { floor, rtt } = places.route(node);
        let (name, floor, rtt) = (role.name, milliseconds(floor), milliseconds(rtt));
        let _ = writeln!(
            text,
            "  via {name}: the light path takes {floor} ms, all round trips {rtt} ms\n  \
             {}/latency?auto=1&stream=latency&server={}&floor={floor}&rtt={rtt}&route=via+{name}",
            page(base),
            page(port)
        );
    }
    text
}

fn page(port: u16) -> String {
    format!("http://localhost:{port}")
}

const ROLES: [Role; 3] = [
    Role { program: "farcast demo", name: "origin" },
    Role { program: "farcast demo", name: "edge1" },
    Role { program: "farcast demo", name: "edge2" },
];
/// The highest port that leaves room for two more.
const LAST_BASE: i64 = 65_533;

#[cfg(test)]
mod tests {
    use super::*;

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 5));

    fn flags(port_base: u16) -> DemoFlags {
        DemoFlags { port_base, places: PlaceFlags::default(), runtime: None, log: None }
    }

    fn loopback() -> Vec<IpAddr> {
        vec![Ipv4Addr::LOCALHOST.into()]
    }

    #[test]
    fn three_nodes_take_three_ports_in_a_row() {
        let demo = flags(9000).demo(&[loopback(), vec![V4]].concat()).unwrap();
        let names: Vec<&str> = demo.nodes.iter().map(|node| node.core.name.as_str()).collect();
        assert_eq!(names, ["origin", "edge1", "edge2"]);
        for (node, port) in demo.nodes.iter().zip(9000..) {
            assert_eq!(node.http, [SocketAddr::from(([127, 0, 0, 1], port))]);
            assert_eq!(node.core.addresses.udp, [SocketAddr::from(([0, 0, 0, 0], port))]);
            assert_eq!(node.core.addresses.interfaces, [V4]);
            assert!(node.core.addresses.public.is_empty());
        }
        let edges: Vec<(&str, &str)> = demo.nodes[0]
            .core
            .edges
            .iter()
            .map(|edge| (edge.name.as_str(), edge.url.as_str()))
            .collect();
        assert_eq!(edges, [("edge1", "http://127.0.0.1:9001"), ("edge2", "http://127.0.0.1:9002")]);
        assert!(demo.nodes[1].core.edges.is_empty());
        assert!(demo.nodes.iter().all(|node| node.warnings.is_empty()));
    }

    #[test]
    fn the_table_has_links_for_people() {
        let demo = flags(8080).demo(&[loopback(), vec![V4]].concat()).unwrap();
        assert_eq!(
            demo.table,
            "Farcast demo: an origin and two edges, open to everybody.\n\n  \
             node      pages                  media (UDP)\n  \
             origin    http://localhost:8080  192.168.1.5:8080\n  \
             edge1     http://localhost:8081  192.168.1.5:8081\n  \
             edge2     http://localhost:8082  192.168.1.5:8082\n\n  \
             publish   http://localhost:8080/publish?stream=stream1\n  \
             watch     http://localhost:8080/player?stream=stream1\n  \
             balancer  http://localhost:8080/?action=server_list\n\n\
             Ctrl-C ends it.\n"
        );
    }

    #[test]
    fn the_table_of_an_atlas_has_cities_and_what_light_needs() {
        let mut flags = flags(8080);
        flags.places = PlaceFlags::named("four-cities");
        let demo = flags.demo(&[loopback(), vec![V4]].concat()).unwrap();
        assert!(demo.nodes.iter().all(|node| node.home.is_some()));
        assert_eq!(
            demo.table,
            "Farcast demo: an origin and two edges, open to everybody,\n\
             as far from each other as four-cities says. This machine's browsers are in \
             Novosibirsk.\n\n  \
             node      city       pages                  media (UDP)\n  \
             origin    Frankfurt  http://localhost:8080  192.168.1.5:8080\n  \
             edge1     New York   http://localhost:8081  192.168.1.5:8081\n  \
             edge2     Singapore  http://localhost:8082  192.168.1.5:8082\n\n  \
             publish   http://localhost:8080/publish?stream=stream1\n  \
             watch     http://localhost:8080/player?stream=stream1\n  \
             balancer  http://localhost:8080/?action=server_list\n\n\
             From Novosibirsk to Novosibirsk, glass to glass:\n\n  \
             via origin: the light path takes 90 ms, all round trips 180 ms\n  \
             http://localhost:8080/latency?auto=1&stream=latency\
             &server=http://localhost:8080&floor=90&rtt=180&route=via+origin\n  \
             via edge1: the light path takes 172 ms, all round trips 344 ms\n  \
             http://localhost:8080/latency?auto=1&stream=latency\
             &server=http://localhost:8081&floor=172&rtt=344&route=via+edge1\n  \
             via edge2: the light path takes 289.5 ms, all round trips 579 ms\n  \
             http://localhost:8080/latency?auto=1&stream=latency\
             &server=http://localhost:8082&floor=289.5&rtt=579&route=via+edge2\n\n\
             Ctrl-C ends it.\n"
        );
    }

    #[test]
    fn a_machine_with_loopback_alone_is_told_what_to_do() {
        let demo = flags(8080).demo(&loopback()).unwrap();
        assert!(demo.table.contains(NO_INTERFACE));
        assert_eq!(demo.nodes[0].core.addresses.public, [IpAddr::from([127, 0, 0, 1])]);
    }

    #[test]
    fn ipv6_serves_where_it_is_all_there_is() {
        let global: IpAddr = "2001:db8::7".parse().unwrap();
        let demo = flags(8080).demo(&[Ipv6Addr::LOCALHOST.into(), global]).unwrap();
        assert_eq!(demo.nodes[0].http.len(), 2);
        assert_eq!(demo.nodes[0].core.addresses.udp[0].to_string(), "[::]:8080");
        assert!(demo.table.contains("[2001:db8::7]:8080"));
    }

    #[test]
    fn the_last_port_base_leaves_room_for_both_edges() {
        let demo = flags(65_533).demo(&[V4]).unwrap();
        assert_eq!(demo.nodes[2].http[0].port(), 65_535);
    }
}
