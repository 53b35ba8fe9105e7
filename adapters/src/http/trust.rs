//! Whose certificates this node believes when it calls others. It knows nothing of HTTP.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_lite::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use super::tls::{self, TlsError};

/// The certificate authorities that calls to other nodes accept; clones share them.
#[derive(Clone)]
pub struct Trust {
    connector: TlsConnector,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

impl Trust {
    /// The public authorities of the web, and those in the PEM file `ca`.
    pub fn new(ca: Option<&Path>) -> Result<Self, TlsError> {
        let roots = roots(ca)?;
        let mut config = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs has cipher suites for TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Trust { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Makes `stream` a TLS connection to `host`, or says in a sentence why not.
    pub(super) async fn connect<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, String>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("{host} is not a name that a certificate can have"))?;
        self.connector.connect(name, stream).await.map_err(|error| explain(host, &error))
    }
}

/// The public authorities of the web, and those in the PEM file `ca`.
pub(super) fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca {
        for certificate in tls::certificates(path)? {
            roots.add(certificate).map_err(|error| {
                TlsError(format!("{} holds no usable authority: {error}", path.display()))
            })?;
        }
    }
    Ok(roots)
}

fn explain(host: &str, error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let certificate = format!("the certificate of {host}");
    match cause {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::UnknownIssuer => {
                format!("{certificate} is not trusted; pass --ca FILE for a private CA")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("{certificate} has expired; renew it there")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("{certificate} is not valid yet; look at both clocks")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("{certificate} is for another name; call the node by a name in it")
            }
            other => format!("{certificate} is refused: {other}"),
        },
        Some(rustls::Error::InvalidMessage(_)) => {
            format!("{host} does not speak TLS on this port; is its URL http:// ?")
        }
        Some(other) => format!("TLS with {host} failed: {other}"),
        None => match error.kind() {
            // As a node does where it speaks plain HTTP.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => format!(
                "{host} closed the connection during the TLS handshake; is its URL http:// ?"
            ),
            _ => format!("TLS with {host} failed: {error}"),
        },
    }
}
