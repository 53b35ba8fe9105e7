//! `farcast doctor`: examines a node or a TURN server before an event, from its file alone, whether
//! it runs or not. Each room looks at one thing; here they follow one another.

mod address;
mod calls;
mod certificate;
mod clock;
mod finding;
mod kernel;
mod neighbours;
mod patient;
mod ports;
mod stand_in;
mod stun;
mod testimony;

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use farcast_adapters::http::tls::Tls;
use farcast_adapters::http::trust::Trust;

use crate::address::NodeUrl;
use crate::check;
use crate::error::StartError;
use crate::node;
use finding::{Finding, Verdict};
use neighbours::Doors;
use patient::Patient;
use ports::Ports;
use stand_in::{Place, StandIn};

/// The flags of `farcast doctor`.
#[derive(Debug, Args)]
pub struct DoctorFlags {
    /// The settings of a node or of a TURN server, TOML
    config: PathBuf,
    /// Have the node at this URL knock at this one's ports from outside, beside its edges;
    /// repeatable
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    ask: Vec<NodeUrl>,
    /// The token for those nodes, act relay [default: made with this node's own key]
    #[arg(long, env = "FARCAST_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// How clients call this node [default: its public_host]
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Trust this authority too, PEM [default: the one of the file]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Examines, and prints each finding as it comes. Whether nothing is bad.
pub fn run(flags: DoctorFlags) -> Result<bool, StartError> {
    let mut sheet = Sheet::new();
    let interfaces = node::interfaces()?;
    let mut settings = match check::settings(&flags.config, &interfaces) {
        Ok(settings) => settings,
        Err(StartError(why)) => {
            sheet.write([Finding::bad(why, "farcast check FILE   (until it is good)")]);
            return Ok(sheet.end());
        }
    };
    sheet.write([Finding::good(format!("{} can be read", flags.config.display()))]);
    sheet.write(settings.warnings.iter().map(Finding::unsure));
    settings.ca = flags.ca.or(settings.ca);
    let patient = Patient::new(settings, flags.host);
    let trust =
        Trust::new(patient.settings.ca.as_deref()).map_err(|e| StartError(e.to_string()))?;
    sheet.write(itself(&patient));

    let ports = ports::look(&patient);
    let stand_in = stand_in(&patient, &ports, &trust);
    let relayed: Vec<u16> = ports.free_relayed.iter().map(SocketAddr::port).collect();
    sheet.write(ports.findings);
    let mut mute = ports.mute;
    let _stand_in = match stand_in {
        Ok(stand_in) => Some(stand_in),
        Err(why) => {
            mute.extend(patient.udp_ports().iter().chain(&relayed));
            sheet.write([Finding::unsure(format!("nobody can answer in the node's place: {why}"))]);
            None
        }
    };
    let udp: BTreeSet<u16> = patient.udp_ports().into_iter().chain(relayed).collect();
    let doors = Doors {
        udp: udp.into_iter().collect(),
        tcp: patient.tcp_ports(),
        https: patient.https_url(),
        any_answer: patient.settings.alone,
    };
    let asked: Vec<String> = flags.ask.iter().map(ToString::to_string).collect();
    let known = neighbours::all(&patient.settings.core, &asked, flags.token.as_deref());
    let (findings, told) = neighbours::visit(&known, &doors, &trust);
    sheet.write(findings);
    sheet.write(testimony::judge(&doors, &mute, &told));
    sheet.write(address::check(&patient, &mute, &told));
    Ok(sheet.end())
}

/// What can be seen without the network.
fn itself(patient: &Patient) -> Vec<Finding> {
    let now = neighbours::clock_now();
    let settings = &patient.settings;
    let mut findings = vec![clock::alone(now, clock::built())];
    match &settings.certificate {
        Some(files) => {
            let hosts = patient.secure_hosts();
            findings.extend(certificate::check(files, settings.ca.as_deref(), &hosts, now));
        }
        None => {
            let needs = match settings.alone {
                true => "firewalls that pass only TLS stay shut",
                false => "browsers publish only over HTTPS",
            };
            let finding = Finding::unsure(format!("there is no certificate: {needs}"));
            findings.push(finding.but("[tls] cert = \"fullchain.pem\", key = \"privkey.pem\""));
        }
    }
    findings.extend(kernel::check(&settings.core, kernel::proc));
    findings
}

/// Somebody who answers where the node does not run.
fn stand_in(patient: &Patient, ports: &Ports, trust: &Trust) -> Result<StandIn, String> {
    let files = patient.settings.certificate.as_ref();
    let tls = files.and_then(|files| Tls::load(&files.chain, &files.key).ok());
    let mut plain = ports.free_plain.clone();
    let secure = match tls {
        Some(tls) => Some((ports.free_secure.clone(), tls)),
        None => {
            // What is wrong with the certificate is said elsewhere; the port may be open.
            plain.extend(&ports.free_secure);
            None
        }
    };
    let udp = ports.free_udp.iter().chain(&ports.free_relayed).copied().collect();
    StandIn::start(Place { udp, plain, secure }, trust.clone())
}

/// What was found so far, on the terminal.
struct Sheet {
    colours: bool,
    bad: usize,
    unsure: usize,
}

impl Sheet {
    fn new() -> Sheet {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Sheet { colours: !plain && std::io::stdout().is_terminal(), bad: 0, unsure: 0 }
    }

    fn write(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            match finding.verdict {
                Verdict::Good => {}
                Verdict::Bad => self.bad += 1,
                Verdict::Unsure => self.unsure += 1,
            }
            print!("{}", finding.render(self.colours));
            // A closed standard output is no reason to end.
            std::io::stdout().flush().ok();
        }
    }

    /// The last line. Whether nothing is bad.
    fn end(self) -> bool {
        let (bad, unsure) = (self.bad, self.unsure);
        let unproved = if unsure > 0 { format!(", {unsure} unproved") } else { String::new() };
        match bad {
            0 => println!("Nothing is wrong{unproved}."),
            bad => println!("{bad} to cure{unproved}."),
        }
        bad == 0
    }
}
