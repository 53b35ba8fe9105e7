//! Tells a story on turmoil's simulated hosts, with the driver, the HTTP server and the HTTP client
//! that ship. turmoil gives time, TCP, partitions and crashes; what else links do, our wires do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::Sender;
use async_executor::LocalExecutor;
use farcast_adapters::cores::Mailbox;
use farcast_adapters::http::site::Site;
use farcast_adapters::http::trust::Trust;
use farcast_adapters::link::Fact;
use farcast_adapters::observer::{Observer, Traffic};
use farcast_adapters::runtime::Runtime;
use farcast_adapters::serve::{self, Bound, serve};
use farcast_core::config::Birth;

use farcast_core::report::Report;
use farcast_core::seed::Seed;

use crate::atlas::CityIndex;
use crate::browser::Browser;
use crate::cores::Cores;
use crate::epoch;
use crate::evidence::{Evidence, Quiet, Seen};
use crate::handshake::Dtls;
use crate::plan::{Action, PORT, Plan};
use crate::told::{Progress, QUIET, Told};
use crate::turmoil::Turmoil;
use crate::visit::visit;
use crate::wired::{Below, Globe, Home, Wired};

/// turmoil's clock, and tokio's, know milliseconds.
const TICK: Duration = Duration::from_millis(1);
/// Datagrams that wait at a simulated socket.
const SOCKET: usize = 10_000;
/// Ports of one person on their city's host.
const PORTS: u16 = 64;

/// What the hosts of a story share; all of them are on one thread.
struct Stage {
    plan: Plan,
    /// The world's start.
    start: Instant,
    dtls: Dtls,
    globe: Arc<Globe>,
    /// What turmoil's links take from each IP of the net to each other one.
    below: Arc<dyn Fn(SocketAddr, SocketAddr) -> Duration + Send + Sync>,
    trust: Trust,
    seeds: RefCell<Vec<Seed>>,
    reports: RefCell<Vec<Vec<(Duration, Report)>>>,
    /// How each node that runs is told to end.
    facts: RefCell<BTreeMap<usize, Sender<Fact>>>,
    browsers: RefCell<BTreeMap<usize, Rc<RefCell<Browser>>>>,
}

/// Tells a story; `trace`: whether everything that was sent is written down.
pub fn tell(plan: &Plan, dtls: Dtls, trace: bool, progress: &Progress<'_>) -> Result<Told, String> {
    if plan.people.iter().any(|person| person.script.firewalled) {
        return Err(
            "people behind firewalls are in the in-memory world only: --world memory".into()
        );
    }
    let mut sim = turmoil::Builder::new()
        .rng_seed(1)
        .tick_duration(TICK)
        .udp_capacity(SOCKET)
        .simulation_duration(Duration::MAX)
        .build();
    let stage = Rc::new(Stage::new(plan, dtls, trace)?);
    for node in 0..plan.nodes.len() {
        let stage = Rc::clone(&stage);
        sim.host(plan.nodes[node].ip, move || live(Rc::clone(&stage), node));
    }
    for city in stage.cities() {
        let stage = Rc::clone(&stage);
        sim.client(city_ip(city), populate(stage, city));
    }
    stage.set_latencies(&sim)?;
    let mut events = plan.events.iter().peekable();
    let mut second = 0;
    while sim.elapsed() < plan.length() + QUIET {
        while let Some((_, action)) = events.next_if(|(at, _)| *at <= sim.elapsed()) {
            stage.act(&mut sim, action);
        }
        sim.step().map_err(|error| format!("the simulated hosts broke down: {error}"))?;
        if sim.elapsed().as_secs() > second {
            second = sim.elapsed().as_secs();
            progress(sim.elapsed());
        }
    }
    Ok(stage.told(&mut sim))
}

/// The host of everybody in a city.
fn city_ip(city: CityIndex) -> IpAddr {
    IpAddr::from([10, 79, city as u8, 1])
}

impl Stage {
    fn new(plan: &Plan, dtls: Dtls, trace: bool) -> Result<Stage, String> {
        let mut net = plan.net()?;
        if trace {
            net.trace.start();
        }
        let roads = plan.atlas.roads()?;
        let cities: BTreeMap<IpAddr, CityIndex> = plan
            .nodes
            .iter()
            .map(|node| (node.ip, node.place.city))
            .chain(plan.people.iter().map(|person| (person.at.ip(), person.place.city)))
            .collect();
        let below = move |from: SocketAddr, to: SocketAddr| {
            let ends = cities.get(&from.ip()).zip(cities.get(&to.ip()));
            ends.map_or(Duration::ZERO, |(a, b)| roads.delay(*a, *b).min(roads.delay(*b, *a)))
        };
        let mut seed = plan.seed.clone();
        Ok(Stage {
            plan: plan.clone(),
            start: epoch::start(),
            dtls,
            globe: Globe::new(net),
            below: Arc::new(below),
            trust: Trust::new(None).map_err(|error| error.to_string())?,
            seeds: RefCell::new(plan.nodes.iter().map(|_| seed.fork()).collect()),
            reports: RefCell::new(vec![Vec::new(); plan.nodes.len()]),
            facts: RefCell::default(),
            browsers: RefCell::default(),
        })
    }

    /// Where people are.
    fn cities(&self) -> Vec<CityIndex> {
        let mut cities: Vec<_> = self.plan.people.iter().map(|p| p.place.city).collect();
        cities.sort_unstable();
        cities.dedup();
        cities
    }

    /// Every link takes what its shorter way takes; wires add the rest.
    fn set_latencies(&self, sim: &turmoil::Sim<'_>) -> Result<(), String> {
        let roads = self.plan.atlas.roads()?;
        let nodes = self.plan.nodes.iter().map(|node| (node.ip, node.place.city));
        let hosts: Vec<_> =
            nodes.chain(self.cities().into_iter().map(|city| (city_ip(city), city))).collect();
        for (index, (one, from)) in hosts.iter().enumerate() {
            for (other, to) in &hosts[..index] {
                let delay = roads.delay(*from, *to).min(roads.delay(*to, *from));
                sim.set_link_latency(*one, *other, delay);
            }
        }
        Ok(())
    }

    /// What is at a place of the net, on the host that runs the current task.
    fn home(&self, ip: IpAddr, host: Turmoil) -> Home {
        let below = Below {
            now: Arc::new(move || host.now()),
            start: self.start,
            takes: Arc::clone(&self.below),
            sleep: Arc::new(move |at| Box::pin(host.sleep_until(at))),
            blur: Duration::ZERO,
        };
        Home { globe: Arc::clone(&self.globe), ip, below }
    }

    fn act(&self, sim: &mut turmoil::Sim<'_>, action: &Action) {
        let ip = |node: &usize| self.plan.nodes[*node].ip;
        let whole = |ip: IpAddr| SocketAddr::new(ip, 0);
        let is_node = |ip: &IpAddr| self.plan.nodes.iter().any(|node| node.ip == *ip);
        match action {
            Action::Kill(node) => {
                self.facts.borrow_mut().remove(node);
                sim.crash(ip(node));
            }
            Action::Stop(node) => {
                if let Some(facts) = self.facts.borrow_mut().remove(node) {
                    facts.try_send(Fact::Stopping).ok();
                }
            }
            Action::Start(node) => sim.bounce(ip(node)),
            Action::Cut(one, other) => {
                if is_node(one) && is_node(other) {
                    sim.partition(*one, *other);
                }
                self.globe.net().cut(whole(*one), whole(*other));
            }
            Action::Heal(one, other) => {
                if is_node(one) && is_node(other) {
                    sim.repair(*one, *other);
                }
                self.globe.net().heal(whole(*one), whole(*other));
            }
            Action::Roam(person) => {
                if let Some(browser) = self.browsers.borrow().get(person) {
                    browser.borrow_mut().roam();
                }
            }
            Action::Change(one, other, line) => self.globe.net().change(*one, *other, *line),
            // Nobody here is behind a firewall.
            Action::Squeeze(person, kbps) => {
                let mbps = kbps.map(|kbps| f64::from(kbps) / 1000.0);
                self.globe.net().squeeze(whole(self.plan.people[*person].at.ip()), mbps);
            }
        }
    }

    fn told(&self, sim: &mut turmoil::Sim<'_>) -> Told {
        let seen = |person| {
            let browsers = self.browsers.borrow();
            browsers.get(&person).map(|browser| Seen::by(&browser.borrow())).unwrap_or_default()
        };
        let people = (0..self.plan.people.len()).map(seen).collect();
        let nodes = &self.plan.nodes;
        let alive = |ip| Quiet { alive: sim.is_host_running(ip), wakes_per_second: None };
        let quiet = nodes.iter().map(|node| node.ip).map(alive).collect();
        let net = self.globe.net();
        let sealed_twice = net.trace.seals.twice().to_vec();
        let reports = self.reports.borrow().clone();
        let evidence = Evidence { people, reports, sealed_twice, quiet };
        Told { evidence, trace: net.trace.text().to_owned() }
    }
}

/// A node's life.
async fn live(stage: Rc<Stage>, index: usize) -> turmoil::Result {
    let node = &stage.plan.nodes[index];
    let host = Turmoil::on(&node.ip.to_string(), stage.start);
    let runtime = Wired::new(host, stage.home(node.ip, host));
    let at = vec![SocketAddr::new(node.ip, PORT)];
    let plan = serve::Plan {
        udp: at.clone(),
        http: at,
        https: None,
        trust: stage.trust.clone(),
        site: Rc::new(Site::new(|_| None, String::new)),
        streams: false,
        cores: Mailbox::alone(),
    };
    let start = host.now();
    let seed = stage.seeds.borrow_mut()[index].bytes();
    fastrand::seed(Seed::new(seed).bits());
    let crypto = stage.dtls.crypto();
    let birth = Birth { seed, calendar: node.calendar + (start - stage.start), start };
    let build = |_: &Bound| Cores::new(node.config.clone(), birth, crypto);
    let ready = |_: &Bound, facts| drop(stage.facts.borrow_mut().insert(index, facts));
    let notes = Notes { stage: Rc::clone(&stage), index };
    serve(runtime, plan, build, notes, ready).await?;
    Ok(())
}

/// Writes down what a node reports.
struct Notes {
    stage: Rc<Stage>,
    index: usize,
}

impl Observer for Notes {
    fn report(&mut self, now: Instant, report: &Report) {
        let at = now.saturating_duration_since(self.stage.start);
        self.stage.reports.borrow_mut()[self.index].push((at, report.clone()));
    }

    fn traffic(&mut self, _: &Traffic) {}
}

/// The lives of everybody in a city, who share one host.
async fn populate(stage: Rc<Stage>, city: CityIndex) -> turmoil::Result {
    let executor = Rc::new(LocalExecutor::new());
    let host = Turmoil::on(&city_ip(city).to_string(), stage.start);
    let end = stage.start + stage.plan.length() + QUIET;
    let mut port = PORT;
    let mut visits = Vec::new();
    let people = stage.plan.people.iter().enumerate();
    for (index, person) in people.filter(|(_, person)| person.place.city == city) {
        port += PORTS;
        let at = SocketAddr::new(city_ip(city), port);
        let (script, seed) = (person.script.clone(), person.seed.clone());
        let browser =
            Rc::new(RefCell::new(Browser::new(script, stage.start, at, seed, stage.dtls)));
        stage.browsers.borrow_mut().insert(index, Rc::clone(&browser));
        let wired = Wired::new(host, stage.home(person.at.ip(), host));
        let visit = visit(wired, browser, stage.trust.clone(), Rc::clone(&executor), end);
        visits.push(executor.spawn(visit));
    }
    let all = async {
        for visit in visits {
            visit.await?;
        }
        Ok(())
    };
    executor.run(all).await
}
