//! Certificates: checked when loaded, renewed while running.

use std::io;
use std::path::Path;
use std::sync::Arc;

use farcast_adapters::http::tls::Tls;
use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use smol::net::TcpStream;

use crate::certificates::{Authority, Directory, der, issued, load};
use crate::house::{House, soon, with_house};

/// A TLS connection to the house that speaks `alpn` and trusts `ca` alone.
pub(crate) async fn connect(
    house: &House,
    ca: &Path,
    alpn: &[u8],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(house.address).await?;
    let name = "localhost".try_into().unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
    Ok(stream)
}

async fn shown(house: &House, ca: &Path) -> Vec<u8> {
    let stream = soon(connect(house, ca, b"http/1.1")).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
    let (directory, authority, ca) = issued();
    let tls = load(&directory);
    with_house(8, Some(tls.clone()), async |house| {
        let (told, tellings) = async_channel::unbounded();
        let watching = tls.watch(house.runtime.clone(), move |what| {
            told.try_send(what).unwrap();
        });
        house.executor.spawn(watching).detach();
        let old = der(&directory.chain());
        assert_eq!(shown(&house, &ca).await, old);

        // The watcher may look between the two files; the pair is then told to be a mismatch.
        authority.issue(&directory, "localhost", 2101);
        let sentence = loop {
            if let Ok(sentence) = soon(tellings.recv()).await.unwrap() {
                break sentence;
            }
        };
        assert!(sentence.ends_with("valid until 2101-01-01"), "{sentence}");
        let new = der(&directory.chain());
        assert_ne!(old, new);
        assert_eq!(shown(&house, &ca).await, new);

        directory.write("fullchain.pem", "-----BEGIN CERTIFICATE-----\nthis is cut");
        let error = soon(tellings.recv()).await.unwrap().unwrap_err().to_string();
        assert!(error.contains("fullchain.pem is not valid PEM"), "{error}");
        assert!(error.ends_with("goes on with the certificate that it has"), "{error}");
        assert_eq!(shown(&house, &ca).await, new);
    });
}

fn refusal(directory: &Directory) -> String {
    Tls::load(&directory.chain(), &directory.key()).unwrap_err().to_string()
}

#[test]
fn an_expired_certificate_is_refused() {
    let (directory, authority) = (Directory::new(), Authority::new());
    authority.issue(&directory, "localhost", 2020);
    let why = refusal(&directory);
    let end = "fullchain.pem expired on 2020-01-01; renew it (certbot renew)";
    assert!(why.starts_with("certificate ") && why.ends_with(end), "{why}");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (directory, authority) = (Directory::new(), Authority::new());
    authority.issue(&directory, "localhost", 2100);
    let first = std::fs::read_to_string(directory.key()).unwrap();
    authority.issue(&directory, "localhost", 2100);
    assert!(Tls::load(&directory.chain(), &directory.key()).is_ok());
    directory.write("privkey.pem", &first);
    let why = refusal(&directory);
    assert!(why.contains("privkey.pem does not belong to certificate "), "{why}");
}

#[test]
fn files_that_hold_something_else_are_named() {
    let (directory, _, _) = issued();
    let key = std::fs::read_to_string(directory.key()).unwrap();
    directory.write("privkey.pem", "nothing");
    assert!(refusal(&directory).contains("privkey.pem holds no private key"));
    directory.write("fullchain.pem", &key);
    assert!(refusal(&directory).contains("fullchain.pem holds no certificate"));
    std::fs::remove_file(directory.chain()).unwrap();
    assert!(refusal(&directory).contains("fullchain.pem cannot be read: No such file"));
}
