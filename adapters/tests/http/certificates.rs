//! Certificates made on the spot, and directories to keep them in.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

/// A directory that goes away with its owner.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("farcast-http-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn chain(&self) -> PathBuf {
        self.0.join("fullchain.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.0.join("privkey.pem")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A private certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes a certificate for `name` and its key that end on the first day of `year`.
    pub(crate) fn issue(&self, directory: &Directory, name: &str, year: i32) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        write_pair(directory, &certificate.pem(), &key.serialize_pem());
    }
}

fn write_pair(directory: &Directory, chain: &str, key: &str) {
    directory.write("fullchain.pem", chain);
    directory.write("privkey.pem", key);
}

/// A directory with a certificate for localhost, and its authority's file.
pub(crate) fn issued() -> (Directory, Authority, PathBuf) {
    let (directory, authority) = (Directory::new(), Authority::new());
    authority.issue(&directory, "localhost", 2100);
    let ca = directory.write("ca.pem", &authority.pem());
    (directory, authority, ca)
}

pub(crate) fn load(directory: &Directory) -> farcast_adapters::http::tls::Tls {
    farcast_adapters::http::tls::Tls::load(&directory.chain(), &directory.key()).unwrap()
}

/// The first certificate of a PEM file.
pub(crate) fn der(path: &Path) -> Vec<u8> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::from_pem_slice(&fs::read(path).unwrap()).unwrap().to_vec()
}
