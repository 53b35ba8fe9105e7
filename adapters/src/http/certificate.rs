//! What a certificate says: whom it names, from when until when, and whether somebody vouches for
//! it. It shows it to nobody.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use x509_parser::prelude::X509Certificate;

use super::tls::{self, TlsError};
use super::trust;

/// A certificate and the chain that came with it.
#[derive(Debug, Clone)]
pub struct Certificate {
    file: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    /// The DNS names and IPs that it is for.
    pub names: Vec<String>,
    /// Its first moment, since the Unix epoch.
    pub from: Duration,
    /// Its last moment, since the Unix epoch.
    pub until: Duration,
}

impl Certificate {
    /// Reads a PEM file, whatever its certificate's time; the error is a sentence.
    pub fn read(file: &Path) -> Result<Self, TlsError> {
        let chain = tls::certificates(file)?;
        let (_, parsed) = parse_x509_certificate(&chain[0]).map_err(|error| {
            TlsError(format!("certificate {} is not X.509: {error}", file.display()))
        })?;
        let moment = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let (names, validity) = (names(&parsed), parsed.validity());
        Ok(Certificate {
            file: file.to_owned(),
            names,
            from: moment(validity.not_before.timestamp()),
            until: moment(validity.not_after.timestamp()),
            chain,
        })
    }

    /// Whether this is its private key; the error is a sentence.
    pub fn fits(&self, key: &Path) -> Result<(), TlsError> {
        tls::certified(&self.file, self.chain.clone(), key).map(drop)
    }

    /// Whether it is for this name or IP (RFC 9525 section 6).
    pub fn covers(&self, host: &str) -> bool {
        let Ok(name) = ServerName::try_from(host) else { return false };
        let parsed = ParsedCertificate::try_from(&self.chain[0]);
        parsed.is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
    }

    /// Whether its chain leads to a public authority of the web, or to one in the PEM file `ca`.
    /// `now` is calendar time.
    pub fn is_vouched_for(&self, ca: Option<&Path>, now: Duration) -> Result<bool, TlsError> {
        let unusable = |error: &dyn std::fmt::Display| {
            TlsError(format!("certificate {} cannot be judged: {error}", self.file.display()))
        };
        let roots = Arc::new(trust::roots(ca)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, tls::provider())
            .build()
            .map_err(|error| unusable(&error))?;
        let name = self.names.iter().find_map(|name| ServerName::try_from(name.as_str()).ok());
        let Some(name) = name else { return Ok(false) };
        let (own, above) = self.chain.split_at(1);
        let now = UnixTime::since_unix_epoch(now);
        let judged = verifier.verify_server_cert(&own[0], above, &name, &[], now);
        Ok(!matches!(judged, Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))))
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let Some(extension) = extension else { return Vec::new() };
    let readable = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => ip(bytes).map(|ip| ip.to_string()),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(readable).collect()
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
