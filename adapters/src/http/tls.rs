//! A node's own certificate: read from PEM files, checked, renewed while running. It knows
//! nothing of HTTP.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use futures_lite::{AsyncRead, AsyncWrite};
use futures_rustls::TlsAcceptor;
use futures_rustls::server::TlsStream;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use x509_parser::parse_x509_certificate;
use x509_parser::time::ASN1Time;

use crate::runtime::Runtime;

/// Why certificates cannot be used: a sentence with the file's name and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError(pub String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

/// A handle on the certificate that this node shows; clones share it.
#[derive(Clone)]
pub struct Tls {
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("current", &self.current).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the certificate chain (`fullchain.pem`) and its key (`privkey.pem`).
    pub fn load(chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let files = Files { chain: chain.to_owned(), key: key.to_owned() };
        let (certificate, _) = files.read()?;
        let current = Arc::new(Current { files, certificate: RwLock::new(certificate) });
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs has cipher suites for TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        Ok(Tls { current, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Reads the files again, for connections from now on. If they cannot be used, the old
    /// certificate stays. Returns a sentence for the log.
    pub fn reload(&self) -> Result<String, TlsError> {
        let (certificate, until) = self.current.files.read().map_err(|TlsError(why)| {
            TlsError(format!("{why}; the node goes on with the certificate that it has"))
        })?;
        // Nothing panics while it holds the lock, and a stale certificate beats none.
        *self.current.certificate.write().unwrap_or_else(PoisonError::into_inner) = certificate;
        Ok(format!("certificate {} is in use, valid until {until}", self.current.files.chain()))
    }

    /// Reloads whenever the files change, for as long as it is polled, and tells how that went.
    pub async fn watch<R: Runtime>(self, runtime: R, tell: impl Fn(Result<String, TlsError>)) {
        let mut seen = self.current.files.stamp();
        loop {
            runtime.sleep_until(runtime.now() + WATCH).await;
            let stamp = self.current.files.stamp();
            if stamp != seen {
                seen = stamp;
                tell(self.reload());
            }
        }
    }

    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.acceptor.accept(stream).await
    }
}

/// The cryptography of this process, named here rather than as a process-wide default.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The certificate that new connections see.
#[derive(Debug)]
struct Current {
    files: Files,
    certificate: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certificate.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

#[derive(Debug)]
struct Files {
    chain: PathBuf,
    key: PathBuf,
}

/// What tells whether a file changed; `None` if it cannot be seen.
type Stamp = Option<(SystemTime, u64)>;

impl Files {
    fn chain(&self) -> impl fmt::Display {
        self.chain.display()
    }

    fn stamp(&self) -> [Stamp; 2] {
        [&self.chain, &self.key].map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }

    /// The certificate, checked, and the day it ends.
    fn read(&self) -> Result<(Arc<CertifiedKey>, String), TlsError> {
        let chain = certificates(&self.chain)?;
        let until = check_validity(&self.chain, &chain[0])?;
        let certified = certified(&self.chain, chain, &self.key)?;
        Ok((Arc::new(certified), until))
    }
}

/// A chain, read from the file `from`, together with its key.
pub(super) fn certified(
    from: &Path,
    chain: Vec<CertificateDer<'static>>,
    key: &Path,
) -> Result<CertifiedKey, TlsError> {
    CertifiedKey::from_der(chain, read_key(key)?, &provider()).map_err(|error| {
        let (key, from) = (key.display(), from.display());
        TlsError(match error {
            rustls::Error::InconsistentKeys(_) => format!(
                "key {key} does not belong to certificate {from}; give the two files that were \
                 issued together"
            ),
            other => format!("key {key} cannot be used: {other}; give an RSA or ECDSA key"),
        })
    })
}

/// Reads all certificates of a PEM file; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let content = read(path, "certificate")?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
    let found = found.map_err(|error| {
        TlsError(format!("certificate {} is not valid PEM: {error}", path.display()))
    })?;
    match found.is_empty() {
        false => Ok(found),
        true => Err(TlsError(format!(
            "certificate {} holds no certificate; it must begin with -----BEGIN CERTIFICATE-----",
            path.display()
        ))),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let content = read(path, "key")?;
    PrivateKeyDer::from_pem_slice(&content).map_err(|error| {
        let path = path.display();
        TlsError(match error {
            pem::Error::NoItemsFound => format!(
                "key {path} holds no private key; it must begin with -----BEGIN PRIVATE KEY-----"
            ),
            other => format!("key {path} is not valid PEM: {other}"),
        })
    })
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, TlsError> {
    fs::read(path)
        .map_err(|error| TlsError(format!("{what} {} cannot be read: {error}", path.display())))
}

/// The day on which the certificate ends, if today lies within its time.
fn check_validity(path: &Path, certificate: &CertificateDer<'_>) -> Result<String, TlsError> {
    let path = path.display();
    let (_, parsed) = parse_x509_certificate(certificate)
        .map_err(|error| TlsError(format!("certificate {path} is not X.509: {error}")))?;
    let validity = parsed.validity();
    let (from, until) = (day(validity.not_before), day(validity.not_after));
    let now = ASN1Time::now();
    if now > validity.not_after {
        let advice = "renew it (certbot renew)";
        return Err(TlsError(format!("certificate {path} expired on {until}; {advice}")));
    }
    if now < validity.not_before {
        let advice = "wait, or set this machine's clock";
        return Err(TlsError(format!("certificate {path} is not valid before {from}; {advice}")));
    }
    Ok(until)
}

/// The day as ISO 8601 writes it.
fn day(time: ASN1Time) -> String {
    time.to_datetime().date().to_string()
}

/// What may be spoken under TLS, as clients name it (RFC 7301, RFC 7443).
pub(crate) const HTTP2: &[u8] = b"h2";
/// See [`HTTP2`].
const HTTP1: &[u8] = b"http/1.1";
/// See [`HTTP2`].
pub(crate) const TURN: &[u8] = b"stun.turn";
const ALPN: [&[u8]; 3] = [TURN, HTTP2, HTTP1];

/// Between two looks at the files.
const WATCH: Duration = Duration::from_secs(5);
