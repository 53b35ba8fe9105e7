//! How the peers and nodes of a simulation make their keys: by DTLS as it ships, or by a rehearsal
//! of it, whose flights are as many and about as large as those of DTLS 1.2, but which does no
//! public-key cryptography: so that every byte depends on the seed alone. SRTP is real either way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farcast_core::hub::session::crypto::Crypto;
use farcast_core::seed::Seed;
use str0m::config::DtlsCert;
use str0m::crypto::dtls::{
    DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial,
    ProtocolVersion, SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider};

/// Content types of records (RFC 6347 section 4.1, RFC 8446 appendix B.1).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
/// What each flight begins with (RFC 6347 section 4.3.2): ClientHello, ServerHello, Certificate,
/// Finished.
const TYPES: [u8; 4] = [1, 2, 11, 20];
/// Bytes of a record before the type of its message (RFC 6347 section 4.1).
const RECORD: usize = 13;
/// Bytes of each flight: of a usual handshake with ECDSA certificates in both directions.
const FLIGHTS: [usize; 4] = [200, 700, 650, 80];
/// Until a flight is sent again (RFC 6347 section 4.2.4.1).
const RESEND: Duration = Duration::from_secs(1);
/// Bytes of what each side throws in (RFC 5246 section 7.4.1.2).
const RANDOM: usize = 32;
/// Bytes of keys and salts for both directions (RFC 7714 section 12).
const KEYS: usize = 56;

/// How keys are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtls {
    /// As it ships.
    Real,
    /// So that the same seed gives the same bytes.
    Rehearsed,
}

impl Dtls {
    /// Fresh cryptography of this kind, for a node.
    pub fn crypto(self) -> Crypto {
        let (provider, certificate) = self.provider();
        Crypto::new(provider, certificate)
    }

    /// The same for a peer.
    pub(crate) fn provider(self) -> (Arc<CryptoProvider>, DtlsCert) {
        let mut provider = str0m::crypto::from_feature_flags();
        if self == Dtls::Rehearsed {
            provider.dtls_provider = &Rehearsal;
        }
        let certificate = provider.dtls_provider.generate_certificate();
        (Arc::new(provider), certificate.expect("the system has randomness"))
    }
}

/// Makes [`Rehearsed`] handshakes.
#[derive(Debug)]
struct Rehearsal;

impl DtlsProvider for Rehearsal {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        let certificate = (0..RANDOM).map(|_| fastrand::u8(..)).collect();
        Some(DtlsCert { certificate, private_key: Vec::new() })
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        _: DtlsVersion,
        _: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        Ok(Box::new(Rehearsed {
            certificate: certificate.certificate.clone(),
            peer: Vec::new(),
            active: None,
            flight: 0,
            randoms: [[0; RANDOM]; 2],
            outgoing: VecDeque::new(),
            news: VecDeque::new(),
            resend: None,
            now,
            is_done: false,
            is_closed: false,
        }))
    }
}

/// One side of a handshake: four flights, then keys from what both sides threw in.
#[derive(Debug)]
struct Rehearsed {
    certificate: Vec<u8>,
    /// The other side's certificate.
    peer: Vec<u8>,
    active: Option<bool>,
    /// The last flight that was sent, from 1.
    flight: u8,
    /// The client's, the server's.
    randoms: [[u8; RANDOM]; 2],
    outgoing: VecDeque<Vec<u8>>,
    news: VecDeque<News>,
    resend: Option<Instant>,
    now: Instant,
    is_done: bool,
    is_closed: bool,
}

#[derive(Debug)]
enum News {
    Certificate,
    Keys,
    Connected,
    Closed,
}

impl Rehearsed {
    fn send(&mut self, flight: u8) {
        if let (1 | 2, true) = (flight, self.flight < flight) {
            fastrand::fill(&mut self.randoms[usize::from(flight - 1)]);
        }
        self.flight = flight;
        let mut packet = vec![HANDSHAKE, 0xfe, 0xfd];
        packet.resize(RECORD, 0);
        packet.push(TYPES[usize::from(flight - 1)]);
        let random = if flight.is_multiple_of(2) { self.randoms[1] } else { self.randoms[0] };
        packet.extend_from_slice(&random);
        packet.extend_from_slice(&self.certificate);
        packet.resize(FLIGHTS[usize::from(flight - 1)], 0);
        self.outgoing.push_back(packet);
        // Nothing answers the last flight, so only the one before it is sent again.
        self.resend = (flight < 4).then(|| self.now + RESEND);
    }

    fn finish(&mut self) {
        if !self.is_done {
            self.is_done = true;
            self.resend = None;
            self.news.extend([News::Certificate, News::Keys, News::Connected]);
        }
    }

    fn keys(&self) -> KeyingMaterial {
        let mut both = [0; RANDOM];
        for (key, (one, other)) in both.iter_mut().zip(self.randoms[0].iter().zip(self.randoms[1]))
        {
            *key = one ^ other.rotate_left(1);
        }
        let mut seed = Seed::new(both);
        let keys: Vec<u8> = (0..KEYS / 8).flat_map(|_| seed.bits().to_be_bytes()).collect();
        KeyingMaterial::new(&keys)
    }
}

impl DtlsInstance for Rehearsed {
    fn set_active(&mut self, active: bool) {
        if self.active.is_none() {
            self.active = Some(active);
            if active {
                self.send(1);
            }
        }
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        let (flight, random) = match packet {
            [ALERT, ..] => {
                self.news.push_back(News::Closed);
                return Ok(());
            }
            [HANDSHAKE, ..] => (packet.get(RECORD), packet.get(RECORD + 1..)),
            _ => return Ok(()),
        };
        let flight = TYPES.iter().zip(1..).find(|(kind, _)| Some(*kind) == flight);
        let random = random.and_then(|rest| rest.first_chunk().copied());
        let Some(((_, flight), random)) = flight.zip(random) else { return Ok(()) };
        if let Some(certificate) = packet.get(RECORD + 1 + RANDOM..RECORD + 1 + 2 * RANDOM) {
            self.peer = certificate.to_vec();
        }
        match (flight, self.active) {
            (1, Some(false)) if self.flight <= 2 => {
                self.randoms[0] = random;
                self.send(2);
            }
            (2, Some(true)) if self.flight <= 3 => {
                self.randoms[1] = random;
                self.send(3);
            }
            (3, Some(false)) if self.flight >= 2 => {
                self.send(4);
                self.finish();
            }
            (4, Some(true)) => self.finish(),
            _ => {}
        }
        Ok(())
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        if let Some(packet) = self.outgoing.pop_front() {
            let place = &mut buffer[..packet.len()];
            place.copy_from_slice(&packet);
            return DtlsOutput::Packet(place);
        }
        match self.news.pop_front() {
            Some(News::Certificate) => {
                let place = &mut buffer[..self.peer.len()];
                place.copy_from_slice(&self.peer);
                DtlsOutput::PeerCert(place)
            }
            Some(News::Keys) => {
                DtlsOutput::KeyingMaterial(self.keys(), SrtpProfile::AEAD_AES_128_GCM)
            }
            Some(News::Connected) => DtlsOutput::Connected,
            Some(News::Closed) => DtlsOutput::CloseNotify,
            None => {
                let never = self.now + Duration::from_secs(3600);
                DtlsOutput::Timeout(self.resend.unwrap_or(never))
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.now = now;
        if self.resend.is_some_and(|at| at <= now) {
            self.send(self.flight);
        }
        Ok(())
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        Ok(data.len())
    }

    fn is_active(&self) -> bool {
        self.active == Some(true)
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.is_done.then_some(ProtocolVersion::DTLS1_2)
    }

    fn is_closing(&self) -> bool {
        self.is_closed
    }

    fn is_closed(&self) -> bool {
        self.is_closed && self.outgoing.is_empty()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        if !self.is_closed && self.is_done {
            self.outgoing.push_back(vec![ALERT, 0xfe, 0xfd, 1, 0]);
        }
        self.is_closed = true;
        Ok(())
    }
}
