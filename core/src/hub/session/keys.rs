//! What DTLS handshakes export for SRTP: str0m keeps it to itself, so its DTLS provider is wrapped,
//! and what it exports while a session is drained is kept for that session.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use str0m::config::DtlsCert;
use str0m::crypto::dtls::{
    DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
    SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider};

use crate::hub::egress::Exported;
use crate::hub::egress::srtp::Profile;

thread_local! {
    /// A provider has no room for what belongs to one session; a session is drained on one thread
    /// and takes what is here before anything else is drained.
    static EXPORTED: RefCell<Option<Exported>> = const { RefCell::new(None) };
}

/// What the session that was drained last has exported, once.
pub fn take() -> Option<Exported> {
    EXPORTED.take()
}

/// The same cryptography, whose handshakes are listened to. Providers live as long as the process,
/// and so does the listener.
pub fn listening(provider: &CryptoProvider) -> Arc<CryptoProvider> {
    let listener: &'static Listener = Box::leak(Box::new(Listener(provider.dtls_provider)));
    Arc::new(CryptoProvider {
        srtp_provider: provider.srtp_provider,
        sha1_hmac_provider: provider.sha1_hmac_provider,
        sha1_provider: provider.sha1_provider,
        sha256_provider: provider.sha256_provider,
        dtls_provider: listener,
    })
}

#[derive(Debug)]
struct Listener(&'static dyn DtlsProvider);

impl DtlsProvider for Listener {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.0.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        Ok(Box::new(Heard(self.0.new_dtls(certificate, now, version, mtu)?)))
    }

    fn is_test(&self) -> bool {
        self.0.is_test()
    }
}

/// A handshake that is listened to.
#[derive(Debug)]
struct Heard(Box<dyn DtlsInstance>);

impl DtlsInstance for Heard {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        let is_client = self.0.is_active();
        let output = self.0.poll_output(buffer);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            let exported = profile_of(*profile).map(|profile| Exported {
                profile,
                material: material.to_vec(),
                is_client,
            });
            EXPORTED.set(exported);
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}

fn profile_of(profile: SrtpProfile) -> Option<Profile> {
    match profile {
        SrtpProfile::AEAD_AES_256_GCM => Some(Profile::Aes256Gcm),
        SrtpProfile::AEAD_AES_128_GCM => Some(Profile::Aes128Gcm),
        SrtpProfile::AES128_CM_SHA1_80 => Some(Profile::Aes128CmSha1_80),
        _ => None,
    }
}
