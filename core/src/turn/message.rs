//! Words on the wire: what the codec reads out of requests and writes into answers. It knows no
//! state, and sees only what has passed the guard.

use std::net::SocketAddr;
use std::time::Duration;

use bytecodec::{DecodeExt, EncodeExt};
use stun_codec::rfc5389::attributes::{
    AlternateServer, ErrorCode, Nonce, Realm, UnknownAttributes, XorMappedAddress,
};
use stun_codec::rfc5766::attributes::{
    DontFragment, EvenPort, Lifetime, RequestedTransport, ReservationToken, XorPeerAddress,
    XorRelayAddress,
};
use stun_codec::rfc8656::attributes::{
    AdditionalAddressFamily, AddressFamily, RequestedAddressFamily,
};
use stun_codec::{
    AttributeType, MessageClass, MessageDecoder, MessageEncoder, Method, TransactionId,
    define_attribute_enums,
};

use super::opaque::{
    AddressErrorCode, ChannelNumber, ConnectionId, DraftAdditionalAddressFamily, IcmpError,
};

/// Methods (RFC 8489 section 18.2, RFC 8656 section 17, RFC 6062 section 6.1).
pub(super) mod method {
    pub(in crate::turn) const BINDING: u16 = 0x001;
    pub(in crate::turn) const ALLOCATE: u16 = 0x003;
    pub(in crate::turn) const REFRESH: u16 = 0x004;
    pub(in crate::turn) const SEND: u16 = 0x006;
    pub(in crate::turn) const DATA: u16 = 0x007;
    pub(in crate::turn) const CREATE_PERMISSION: u16 = 0x008;
    pub(in crate::turn) const CHANNEL_BIND: u16 = 0x009;
    pub(in crate::turn) const CONNECT: u16 = 0x00a;
    pub(in crate::turn) const CONNECTION_BIND: u16 = 0x00b;
    pub(in crate::turn) const CONNECTION_ATTEMPT: u16 = 0x00c;
}

/// Attributes that we look at outside the codec (RFC 8489 section 18.3, RFC 8656 section 18).
pub(super) mod kind {
    pub(in crate::turn) const USERNAME: u16 = 0x0006;
    pub(in crate::turn) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(in crate::turn) const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub(in crate::turn) const DATA: u16 = 0x0013;
    pub(in crate::turn) const REALM: u16 = 0x0014;
    pub(in crate::turn) const NONCE: u16 = 0x0015;
    pub(in crate::turn) const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    pub(in crate::turn) const DONT_FRAGMENT: u16 = 0x001a;
    pub(in crate::turn) const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
}

/// Comprehension-required attributes that a request may have; any other one brings a 420.
pub(super) const KNOWN: [u16; 14] = [
    kind::USERNAME,
    kind::MESSAGE_INTEGRITY,
    ChannelNumber::CODEPOINT,
    Lifetime::CODEPOINT,
    kind::XOR_PEER_ADDRESS,
    kind::REALM,
    kind::NONCE,
    kind::REQUESTED_ADDRESS_FAMILY,
    EvenPort::CODEPOINT,
    RequestedTransport::CODEPOINT,
    kind::DONT_FRAGMENT,
    kind::MESSAGE_INTEGRITY_SHA256,
    ReservationToken::CODEPOINT,
    ConnectionId::CODEPOINT,
];

define_attribute_enums!(
    Attribute,
    AttributeDecoder,
    AttributeEncoder,
    [
        AlternateServer,
        ErrorCode,
        Nonce,
        Realm,
        UnknownAttributes,
        XorMappedAddress,
        ChannelNumber,
        DontFragment,
        EvenPort,
        Lifetime,
        RequestedTransport,
        ReservationToken,
        XorPeerAddress,
        XorRelayAddress,
        AdditionalAddressFamily,
        RequestedAddressFamily,
        AddressErrorCode,
        ConnectionId,
        DraftAdditionalAddressFamily,
        IcmpError
    ]
);

/// Names a transaction (RFC 8489 section 5).
pub(super) type Transaction = [u8; 12];

/// A request as the codec reads it.
pub(super) struct Words(stun_codec::Message<Attribute>);

impl Words {
    /// Reads a message that ends before its integrity; `None` if an attribute is malformed.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let decoded = MessageDecoder::<Attribute>::new().decode_from_bytes(bytes).ok()?;
        decoded.ok().map(Words)
    }

    pub(super) fn transport(&self) -> Option<u8> {
        self.0.get_attribute::<RequestedTransport>().map(RequestedTransport::protocol)
    }

    /// The relayed address's family that is wanted, or that a refresh is about: IPv6?
    pub(super) fn family(&self) -> Option<Family> {
        let family = self.0.get_attribute::<RequestedAddressFamily>()?.address_family();
        Some(family.into())
    }

    pub(super) fn additional_family(&self) -> Option<Family> {
        if let Some(additional) = self.0.get_attribute::<AdditionalAddressFamily>() {
            return Some(additional.address_family().into());
        }
        let number = self.0.get_attribute::<DraftAdditionalAddressFamily>()?.number()?;
        [Family::V4, Family::V6].into_iter().find(|family| family.number() == number)
    }

    /// Whether an even port is wanted, and if so, whether the next one shall be reserved.
    pub(super) fn even_port(&self) -> Option<bool> {
        self.0.get_attribute::<EvenPort>().map(EvenPort::is_requested)
    }

    pub(super) fn dont_fragment(&self) -> bool {
        self.0.get_attribute::<DontFragment>().is_some()
    }

    pub(super) fn reservation(&self) -> Option<u64> {
        self.0.get_attribute::<ReservationToken>().map(ReservationToken::token)
    }

    pub(super) fn lifetime(&self) -> Option<Duration> {
        self.0.get_attribute::<Lifetime>().map(Lifetime::lifetime)
    }

    pub(super) fn channel(&self) -> Option<u16> {
        self.0.get_attribute::<ChannelNumber>()?.number()
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.peers().next()
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.attributes().filter_map(|attribute| match attribute {
            Attribute::XorPeerAddress(peer) => Some(peer.address()),
            _ => None,
        })
    }

    pub(super) fn connection(&self) -> Option<u32> {
        self.0.get_attribute::<ConnectionId>().and_then(ConnectionId::number)
    }
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) fn of(addr: SocketAddr) -> Self {
        if addr.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// Its number in attributes (RFC 8489 section 14.1).
    pub(super) fn number(self) -> u8 {
        match self {
            Family::V4 => 1,
            Family::V6 => 2,
        }
    }
}

impl From<AddressFamily> for Family {
    fn from(family: AddressFamily) -> Self {
        match family {
            AddressFamily::V4 => Family::V4,
            AddressFamily::V6 => Family::V6,
        }
    }
}

/// A message of ours in the making.
pub(super) struct Answer(stun_codec::Message<Attribute>);

impl Answer {
    pub(super) fn success(method: u16, transaction: Transaction) -> Self {
        Answer::new(MessageClass::SuccessResponse, method, transaction)
    }

    /// An error; its reason is left out if it is empty.
    pub(super) fn error(method: u16, transaction: Transaction, code: u16, reason: &str) -> Self {
        let answer = Answer::new(MessageClass::ErrorResponse, method, transaction);
        answer.with(ErrorCode::new(code, reason.to_owned()).expect("our codes are from 300 to 599"))
    }

    pub(super) fn indication(method: u16, transaction: Transaction) -> Self {
        Answer::new(MessageClass::Indication, method, transaction)
    }

    fn new(class: MessageClass, method: u16, transaction: Transaction) -> Self {
        let method = Method::new(method).expect("our methods are below 0x1000");
        Answer(stun_codec::Message::new(class, method, TransactionId::new(transaction)))
    }

    #[must_use]
    pub(super) fn with(mut self, attribute: impl Into<Attribute>) -> Self {
        self.0.add_attribute(attribute);
        self
    }

    #[must_use]
    pub(super) fn mapped(self, addr: SocketAddr) -> Self {
        self.with(XorMappedAddress::new(addr))
    }

    #[must_use]
    pub(super) fn relayed(self, addr: SocketAddr) -> Self {
        self.with(XorRelayAddress::new(addr))
    }

    #[must_use]
    pub(super) fn peer(self, addr: SocketAddr) -> Self {
        self.with(XorPeerAddress::new(addr))
    }

    #[must_use]
    pub(super) fn lifetime(self, lifetime: Duration) -> Self {
        self.with(Lifetime::from_u32(u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)))
    }

    #[must_use]
    pub(super) fn reservation(self, token: u64) -> Self {
        self.with(ReservationToken::new(token))
    }

    #[must_use]
    pub(super) fn alternate(self, addr: SocketAddr) -> Self {
        self.with(AlternateServer::new(addr))
    }

    #[must_use]
    pub(super) fn unknown(self, kinds: &[u16]) -> Self {
        let kinds = kinds.iter().copied().map(AttributeType::new).collect();
        self.with(UnknownAttributes::new(kinds))
    }

    #[must_use]
    pub(super) fn challenge(self, realm: &str, nonce: &[u8]) -> Self {
        let realm = Realm::new(realm.to_owned()).expect("a realm is short");
        let nonce = String::from_utf8_lossy(nonce).into_owned();
        self.with(realm).with(Nonce::new(nonce).expect("our nonces are short"))
    }

    /// The message without any integrity.
    pub(super) fn bytes(self) -> Vec<u8> {
        MessageEncoder::new().encode_into_bytes(self.0).expect("our messages are small")
    }
}
