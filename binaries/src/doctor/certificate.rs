//! Is the certificate good, for whom, and for how long? It looks at files alone.

use std::path::Path;
use std::time::Duration;

use farcast_adapters::http::certificate::Certificate;

use super::finding::Finding;
use crate::node::Certificate as Files;

const DAY: u64 = 86_400;
/// With fewer days left, somebody forgot to renew it: certbot does so 30 days before the end.
const FEW_DAYS: u64 = 21;
/// With fewer days left, the event may outlive it.
const TOO_FEW_DAYS: u64 = 7;

/// Looks at a node's certificate. `hosts` are the names that clients call it by; `now` is calendar
/// time.
pub(super) fn check(
    files: &Files,
    ca: Option<&Path>,
    hosts: &[String],
    now: Duration,
) -> Vec<Finding> {
    let certificate = match Certificate::read(&files.chain) {
        Ok(certificate) => certificate,
        Err(error) => {
            return vec![Finding::bad(error.to_string(), name_the_files())];
        }
    };
    let mut findings = Vec::new();
    if let Err(error) = certificate.fits(&files.key) {
        findings.push(Finding::bad(error.to_string(), name_the_files()));
    }
    findings.push(lifetime(&files.chain, certificate.from, certificate.until, now));
    findings.extend(names(&certificate, hosts));
    findings.push(match certificate.is_vouched_for(ca, now) {
        Ok(true) => Finding::good("an authority vouches for the certificate"),
        Ok(false) => Finding::bad(
            "no authority that browsers know vouches for the certificate",
            "cert = \"fullchain.pem\"   (not cert.pem: the chain to the authority must be in it)\n\
             ca = \"ca.pem\"   (in [tls], for an authority of your own, which browsers must be \
             told)",
        ),
        Err(error) => Finding::unsure(error.to_string()),
    });
    findings
}

fn name_the_files() -> &'static str {
    "[tls] cert = \"fullchain.pem\", key = \"privkey.pem\"   (the two that were issued together)"
}

/// How long it lives. Times are since the Unix epoch.
fn lifetime(chain: &Path, from: Duration, until: Duration, now: Duration) -> Finding {
    let chain = chain.display();
    let renew = "sudo certbot renew   (or as you got it)";
    if now < from {
        let days = (from - now).as_secs().div_ceil(DAY);
        return Finding::bad(
            format!("the certificate {chain} is valid only in {days} days"),
            "sudo timedatectl set-ntp true   (if it is this machine's clock that is wrong)",
        );
    }
    if now >= until {
        let days = (now - until).as_secs() / DAY;
        return Finding::bad(format!("the certificate {chain} expired {days} days ago"), renew);
    }
    let days = (until - now).as_secs() / DAY;
    match days {
        ..TOO_FEW_DAYS => {
            Finding::bad(format!("the certificate {chain} expires in {days} days"), renew)
        }
        TOO_FEW_DAYS..FEW_DAYS => {
            Finding::unsure(format!("the certificate {chain} expires in {days} days")).but(renew)
        }
        _ => Finding::good(format!("the certificate {chain} is valid for {days} more days")),
    }
}

fn names(certificate: &Certificate, hosts: &[String]) -> Vec<Finding> {
    let named = certificate.names.join(", ");
    if hosts.is_empty() {
        let what =
            format!("the certificate is for {named}; nobody says how clients call this node");
        return vec![Finding::unsure(what).but("farcast doctor CONFIG --host NAME")];
    }
    let judge = |host: &String| match certificate.covers(host) {
        true => Finding::good(format!("the certificate is for {host}")),
        false => Finding::bad(
            format!("the certificate is for {named}, and clients call this node {host}"),
            format!("sudo certbot certonly --standalone -d {host}"),
        ),
    };
    hosts.iter().map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn left(from: i64, until: i64) -> Finding {
        let at = |days: i64| Duration::from_secs(NOW.saturating_add_signed(days * DAY as i64));
        lifetime(Path::new("c.pem"), at(from), at(until), Duration::from_secs(NOW))
    }

    #[test]
    fn the_days_that_are_left_are_red_yellow_or_green() {
        for (days, verdict) in [
            (90, Verdict::Good),
            (21, Verdict::Good),
            (20, Verdict::Unsure),
            (7, Verdict::Unsure),
            (6, Verdict::Bad),
            (0, Verdict::Bad),
            (-3, Verdict::Bad),
        ] {
            assert_eq!(left(-30, days).verdict, verdict, "{days}");
        }
        assert_eq!(left(-30, -3).what, "the certificate c.pem expired 3 days ago");
        assert_eq!(left(-30, 3).what, "the certificate c.pem expires in 3 days");
        assert!(left(-30, 3).cure.unwrap().starts_with("sudo certbot renew"));
    }

    #[test]
    fn a_certificate_of_tomorrow_makes_one_look_at_the_clock() {
        let finding = left(2, 90);
        assert_eq!(finding.what, "the certificate c.pem is valid only in 2 days");
        assert!(finding.cure.unwrap().contains("timedatectl"));
    }
}
