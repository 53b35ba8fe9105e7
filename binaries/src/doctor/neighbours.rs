//! Are the neighbours there, do they take our token, and what do they find when they knock at our
//! doors? It asks over HTTP and does not judge what they found.

use std::thread;
use std::time::{Duration, SystemTime};

use farcast_adapters::http::trust::Trust;
use farcast_core::config::{Access, Config};
use farcast_core::director::signal::token::{self, Act, Claims};
use farcast_core::http::{Call, Reply};
use farcast_core::limits;
use serde::Deserialize;
use serde_json::json;

use super::calls::{self, Outcome};
use super::clock;
use super::finding::Finding;
use super::testimony::{Knocked, Testimony};

/// Another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Neighbour {
    /// How people call it.
    pub(super) name: String,
    /// How it is reached.
    pub(super) url: String,
    /// What opens its door; `None`: it asks for nothing, or we have nothing.
    pub(super) token: Option<String>,
    /// Whether the settings name this token: else our own key has just signed it.
    pub(super) given: bool,
}

/// The doors that neighbours shall knock at.
#[derive(Debug, Clone, Default)]
pub(super) struct Doors {
    /// UDP ports.
    pub(super) udp: Vec<u16>,
    /// TCP ports.
    pub(super) tcp: Vec<u16>,
    /// HTTPS, as clients are told.
    pub(super) https: Option<String>,
    /// Whether any answer there will do: TURN servers have TLS, but no pages.
    pub(super) any_answer: bool,
}

/// RFC 9457.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
}

/// The edges that a node is told of, and those that a person names, with the token that the node
/// would use for each, or this one.
pub(super) fn all(config: &Config, asked: &[String], given: Option<&str>) -> Vec<Neighbour> {
    let own = own_token(config);
    let edges = config.edges.iter().map(|edge| Neighbour {
        name: edge.name.clone(),
        url: edge.url.clone(),
        token: edge.token.clone().or_else(|| own.clone()),
        given: edge.token.is_some(),
    });
    let token = given.map(str::to_owned).or_else(|| own.clone());
    let others = asked.iter().map(|url| Neighbour {
        name: url.clone(),
        url: url.clone(),
        token: token.clone(),
        given: given.is_some(),
    });
    edges.chain(others).collect()
}

/// As a node makes it for its calls.
fn own_token(config: &Config) -> Option<String> {
    let Access::Keys(keys) = &config.access else { return None };
    let exp = (clock_now() + limits::OWN_TOKEN).as_secs();
    let claims = Claims { sub: "*".parse().ok()?, act: Act::Relay, exp };
    Some(token::mint(keys.first()?, &claims))
}

/// Calendar time; a clock before 1970 stands at its beginning.
pub(super) fn clock_now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Asks all of them, and has those that let us in knock at our doors.
pub(super) fn visit(
    neighbours: &[Neighbour],
    doors: &Doors,
    trust: &Trust,
) -> (Vec<Finding>, Vec<Testimony>) {
    let greetings = calls::make(trust, neighbours.iter().map(greeting).collect());
    let now = clock_now();
    let (mut findings, mut friends, mut dates) = (Vec::new(), Vec::new(), Vec::new());
    for (neighbour, outcome) in neighbours.iter().zip(greetings) {
        let date = outcome.as_ref().ok().and_then(|reply| clock::of_date(reply.header("date")?));
        dates.extend(date.map(|date| (&neighbour.name, date)));
        match judge(neighbour, outcome) {
            Ok(good) => {
                findings.push(good);
                friends.push(neighbour);
            }
            Err(bad) => findings.push(bad),
        }
    }
    let mut testimonies = Vec::new();
    for (friend, outcome) in friends.iter().zip(knock(&friends, doors, trust)) {
        match testify(friend, outcome) {
            Ok(testimony) => testimonies.push(testimony),
            Err(finding) => findings.push(finding),
        }
    }
    // Who knocked has told its time to the millisecond.
    dates.retain(|(name, _)| testimonies.iter().all(|one| one.name != **name));
    findings.extend(dates.into_iter().map(|(name, date)| clock::against(name, date, now)));
    (findings, testimonies)
}

fn headers(neighbour: &Neighbour) -> Vec<(String, String)> {
    let bearer = neighbour.token.iter();
    bearer.map(|token| ("authorization".to_owned(), format!("Bearer {token}"))).collect()
}

fn greeting(neighbour: &Neighbour) -> Call {
    calls::get(format!("{}/v1/load", neighbour.url), headers(neighbour))
}

fn judge(neighbour: &Neighbour, outcome: Outcome) -> Result<Finding, Finding> {
    let name = &neighbour.name;
    match outcome {
        Ok(reply) if reply.status == 200 => {
            Ok(Finding::good(format!("{name} is reached at {} and lets us in", neighbour.url)))
        }
        Ok(reply) if matches!(reply.status, 401 | 403) => Err(refused(neighbour, &reply)),
        Ok(reply) => Err(Finding::bad(
            format!("{name} answers {} at {}: is it a Farcast node?", reply.status, neighbour.url),
            format!("curl -i {}/healthz   (a node answers: alive)", neighbour.url),
        )),
        Err(why) => {
            let cure = cure(neighbour, &why);
            Err(Finding::bad(format!("{name} cannot be reached: {why}"), cure))
        }
    }
}

/// What to do about a token that a neighbour does not take.
fn refused(neighbour: &Neighbour, reply: &Reply) -> Finding {
    let Neighbour { name, given, .. } = neighbour;
    let problem: Problem = serde_json::from_slice(&reply.body).unwrap_or_default();
    let make = "farcast token --key-file ITS.keys --stream '*' --act relay --for 365d";
    let what = format!("{name} does not take our token: {}", problem.detail);
    let cure = match (problem.title.as_str(), given) {
        ("token missing", _) => {
            format!("token = \"…\"   (in its [[edge]], or --token; make one with: {make})")
        }
        ("token expired", false) => {
            "sudo timedatectl set-ntp true   (on both machines: their clocks differ)".to_owned()
        }
        ("token not ours", false) => format!(
            "key_file = \"farcast.keys\"   (the same file here and at {name}, or ours as one more \
             line of its)"
        ),
        _ => format!("token = \"…\"   (a new one, made with: {make})"),
    };
    Finding::bad(what, cure)
}

/// What to do about a neighbour that is not reached, by the sentence that says why.
fn cure(neighbour: &Neighbour, why: &str) -> String {
    let Neighbour { name, url, .. } = neighbour;
    let cures = [
        ("is not trusted", "ca = \"ca.pem\"   (in [tls]: the authority of its certificate)".into()),
        ("has expired", format!("sudo certbot renew   (at {name})")),
        ("not valid yet", "sudo timedatectl set-ntp true   (on both machines)".into()),
        ("for another name", "url = \"https://NAME\"   (a name that its certificate has)".into()),
        ("does not speak TLS", format!("url = \"{}\"", url.replace("https://", "http://"))),
        ("in the DNS", format!("dig +short {}   (correct the url, or the DNS)", host(url))),
        ("refused", format!("sudo systemctl start farcast-edge   (at {name}, or correct its url)")),
    ];
    let known = cures.into_iter().find(|(sign, _)| why.contains(sign)).map(|(_, cure)| cure);
    known.unwrap_or_else(|| format!("let TCP through to {url} in {name}'s firewall, and start it"))
}

/// The host of a URL as [`crate::address::NodeUrl`] takes it.
fn host(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, authority)| authority);
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// Has all of them knock, each at all doors. Who is busy is asked again.
fn knock(friends: &[&Neighbour], doors: &Doors, trust: &Trust) -> Vec<Outcome> {
    let call = |friend: &&Neighbour, https: bool| {
        let https = doors.https.as_ref().filter(|_| https);
        let body = json!({ "udp": doors.udp, "tcp": doors.tcp, "https": https });
        calls::post(format!("{}/v1/knock", friend.url), headers(friend), body.to_string())
    };
    let mut outcomes =
        calls::make(trust, friends.iter().map(|friend| call(friend, true)).collect());
    for (friend, outcome) in friends.iter().zip(&mut outcomes) {
        let status = outcome.as_ref().map_or(0, |reply| reply.status);
        if status == 429 {
            thread::sleep(limits::KNOCK);
        }
        // An open node calls nobody by name, but knocks.
        if matches!(status, 403 | 429) {
            let again = calls::make(trust, vec![call(friend, status != 403)]);
            *outcome = again.into_iter().next().unwrap_or(Err("no answer".to_owned()));
        }
    }
    outcomes
}

fn testify(friend: &Neighbour, outcome: Outcome) -> Result<Testimony, Finding> {
    let name = &friend.name;
    let did_not = |why: String| Finding::unsure(format!("{name} did not knock: {why}"));
    let reply = outcome.map_err(did_not)?;
    if reply.status != 200 {
        let problem: Problem = serde_json::from_slice(&reply.body).unwrap_or_default();
        let finding = did_not(format!("it answers {} {}", reply.status, problem.detail));
        return Err(match reply.status {
            404 => finding.but(format!("update {name}: it is too old to knock")),
            _ => finding,
        });
    }
    let knocked: Knocked = serde_json::from_slice(&reply.body)
        .map_err(|error| did_not(format!("its answer cannot be read: {error}")))?;
    Ok(Testimony { name: name.clone(), knocked, heard: clock_now() })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn neighbour(given: bool) -> Neighbour {
        let url = "https://edge1.example.com:8443".to_owned();
        Neighbour { name: "edge1".into(), url, token: None, given }
    }

    fn problem(status: u16, title: &str) -> Outcome {
        let body = json!({ "title": title, "detail": "a sentence" });
        Ok(Reply::json(status, &body))
    }

    fn cure_of(given: bool, outcome: Outcome) -> String {
        let bad = judge(&neighbour(given), outcome).unwrap_err();
        assert_eq!(bad.verdict, Verdict::Bad);
        bad.cure.unwrap()
    }

    #[test]
    fn each_refusal_of_a_token_has_its_cure() {
        let cure = |given, title| cure_of(given, problem(401, title));
        assert!(cure(false, "token not ours").starts_with("key_file = "));
        assert!(cure(true, "token not ours").contains("farcast token --key-file"));
        assert!(cure(false, "token expired").contains("clocks differ"));
        assert!(cure(true, "token expired").starts_with("token = \"…\"   (a new one"));
        assert!(cure(false, "token missing").starts_with("token = "));
        assert!(cure_of(true, problem(403, "token for something else")).contains("--act relay"));
    }

    #[test]
    fn each_failure_to_reach_it_has_its_cure() {
        let cure = |why: &str| cure_of(false, Err(why.to_owned()));
        assert!(cure("the certificate of x is not trusted; pass --ca").starts_with("ca = "));
        assert!(cure("the certificate of x has expired; renew it there").contains("at edge1"));
        assert!(cure("x does not speak TLS on this port").contains("http://edge1.example.com"));
        assert_eq!(
            cure("x was not found in the DNS within 900 ms"),
            "dig +short edge1.example.com   (correct the url, or the DNS)"
        );
        assert!(cure("connection refused by 192.0.2.1:443").contains("systemctl start"));
        assert!(cure("192.0.2.1:443 does not answer").contains("edge1's firewall"));
    }

    #[test]
    fn another_server_is_no_neighbour() {
        assert!(cure_of(false, Ok(Reply::empty(404))).starts_with("curl -i https://edge1"));
    }

    #[test]
    fn the_token_is_the_one_that_the_node_would_use() {
        let edge = |token: Option<&str>| farcast_core::config::Edge {
            name: "edge1".into(),
            token: token.map(str::to_owned),
            ..Default::default()
        };
        let key = farcast_core::config::Key { secret: vec![1; 32] };
        let config = Config {
            access: Access::Keys(vec![key.clone()]),
            edges: vec![edge(Some("theirs")), edge(None)],
            ..Config::default()
        };
        let found = all(&config, &["https://x".to_owned()], Some("mine"));
        let tokens: Vec<_> = found.iter().map(|one| one.token.clone().unwrap()).collect();
        assert_eq!((&*tokens[0], &*tokens[2]), ("theirs", "mine"));
        let now = clock_now().as_secs();
        let claims = token::verify(&tokens[1], &[key], now, None, &[Act::Relay]);
        assert!(claims.is_ok());
    }
}
