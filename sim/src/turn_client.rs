//! A TURN client as browsers have one (RFC 8656): an allocation, and a channel to each peer. It
//! knows no network: bytes go in, bytes come out, and whoever carries them knows over what.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytecodec::{DecodeExt, EncodeExt};
use stun_codec::rfc5389::attributes::{
    ErrorCode, MessageIntegrity, Nonce, Realm, Username, XorMappedAddress,
};
use stun_codec::rfc5766::attributes::{
    ChannelNumber, Lifetime, RequestedTransport, XorPeerAddress, XorRelayAddress,
};
use stun_codec::{
    MessageClass, MessageDecoder, MessageEncoder, Method, TransactionId, define_attribute_enums,
};

/// Methods (RFC 8656 section 17).
const ALLOCATE: u16 = 0x003;
const REFRESH: u16 = 0x004;
const CHANNEL_BIND: u16 = 0x009;
/// UDP, as a number of the Internet protocols (RFC 8656 section 18.7).
const UDP: u8 = 17;
/// The number of the first channel (RFC 8656 section 12).
const FIRST_CHANNEL: u16 = 0x4000;
/// Bytes before the payload of ChannelData (RFC 8656 section 12.4), and of a STUN message (RFC 8489
/// section 5).
const CHANNEL_HEADER: usize = 4;
const STUN_HEADER: usize = 20;
/// Errors that only say which nonce to use (RFC 8489 section 14.8).
const CHALLENGES: [u16; 2] = [401, 438];

define_attribute_enums!(
    Attribute,
    AttributeDecoder,
    AttributeEncoder,
    [
        ErrorCode,
        MessageIntegrity,
        Nonce,
        Realm,
        Username,
        XorMappedAddress,
        ChannelNumber,
        Lifetime,
        RequestedTransport,
        XorPeerAddress,
        XorRelayAddress
    ]
);

type Message = stun_codec::Message<Attribute>;

/// What carries a client's bytes to its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Every message is a datagram.
    Datagrams,
    /// Messages follow one another; ChannelData is padded to four bytes (RFC 8656 section 12.5).
    Stream,
}

/// A client with one allocation.
#[derive(Debug)]
pub struct TurnClient {
    line: Line,
    username: String,
    password: String,
    challenge: Option<(Realm, Nonce)>,
    relayed: Option<SocketAddr>,
    /// The peers of channels, by number.
    channels: Vec<SocketAddr>,
    /// What was asked and is not answered yet.
    asked: BTreeMap<u64, Wish>,
    transactions: u64,
    refusal: Option<u16>,
    unread: Vec<u8>,
    outgoing: VecDeque<Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
enum Wish {
    Allocate,
    /// Seconds.
    Refresh(u32),
    Bind(SocketAddr),
}

impl TurnClient {
    /// A client that asks for an allocation.
    pub fn new(line: Line, username: &str, password: &str) -> Self {
        let mut client = TurnClient {
            line,
            username: username.to_owned(),
            password: password.to_owned(),
            challenge: None,
            relayed: None,
            channels: Vec::new(),
            asked: BTreeMap::new(),
            transactions: 0,
            refusal: None,
            unread: Vec::new(),
            outgoing: VecDeque::new(),
        };
        client.ask(Wish::Allocate);
        client
    }

    /// Its relayed address, once it has one.
    pub fn relayed(&self) -> Option<SocketAddr> {
        self.relayed
    }

    /// The error that the server has refused something with.
    pub fn refusal(&self) -> Option<u16> {
        self.refusal
    }

    /// Whether everything that it asked for is answered.
    pub fn is_settled(&self) -> bool {
        self.asked.is_empty()
    }

    /// Wants a channel to a peer, or keeps the one that it has.
    pub fn bind(&mut self, peer: SocketAddr) {
        self.ask(Wish::Bind(peer));
    }

    /// Keeps its allocation and its channels.
    pub fn refresh(&mut self, seconds: u32) {
        self.ask(Wish::Refresh(seconds));
        for peer in self.channels.clone() {
            self.ask(Wish::Bind(peer));
        }
    }

    /// Sends a datagram to a peer that it has a channel to, or wants one to.
    pub fn send(&mut self, peer: SocketAddr, payload: &[u8]) {
        let number = self.channel(peer);
        let framed = self.channel_data(number, payload);
        self.outgoing.push_back(framed);
    }

    /// A datagram as it goes to the server on the channel with this number.
    pub fn channel_data(&self, number: u16, payload: &[u8]) -> Vec<u8> {
        let len = (payload.len() as u16).to_be_bytes();
        let mut framed = [&number.to_be_bytes()[..], &len, payload].concat();
        if self.line == Line::Stream {
            framed.resize(framed.len().next_multiple_of(4), 0);
        }
        framed
    }

    /// The number of the channel to a peer.
    pub fn channel(&mut self, peer: SocketAddr) -> u16 {
        let known = self.channels.iter().position(|other| *other == peer);
        let index = known.unwrap_or_else(|| {
            self.channels.push(peer);
            self.channels.len() - 1
        });
        FIRST_CHANNEL + index as u16
    }

    /// The next bytes for the server.
    pub fn next_outgoing(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    /// Takes a datagram of the server, or bytes of its stream, and tells what came from whom.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
        self.unread.extend_from_slice(bytes);
        let mut came = Vec::new();
        while let Some(len) = self.frame() {
            let frame: Vec<u8> = self.unread.drain(..len).collect();
            match frame[0] {
                0x40.. => came.extend(self.unwrapped(&frame)),
                _ => self.answered(&frame),
            }
        }
        if self.line == Line::Datagrams {
            self.unread.clear();
        }
        came
    }

    /// The length of the frame that begins what was not read yet, if it is there as a whole.
    fn frame(&self) -> Option<usize> {
        let [first, _, high, low, ..] = *self.unread.as_slice() else { return None };
        let len = usize::from(u16::from_be_bytes([high, low]));
        let len = match (first, self.line) {
            (0x40.., Line::Stream) => (CHANNEL_HEADER + len).next_multiple_of(4),
            (0x40.., Line::Datagrams) => CHANNEL_HEADER + len,
            _ => STUN_HEADER + len,
        };
        (len <= self.unread.len()).then_some(len)
    }

    fn unwrapped(&self, frame: &[u8]) -> Option<(SocketAddr, Vec<u8>)> {
        let [n0, n1, l0, l1, rest @ ..] = frame else { return None };
        let index = u16::from_be_bytes([*n0, *n1]).checked_sub(FIRST_CHANNEL)?;
        let peer = *self.channels.get(usize::from(index))?;
        let payload = rest.get(..usize::from(u16::from_be_bytes([*l0, *l1])))?;
        Some((peer, payload.to_vec()))
    }

    fn answered(&mut self, frame: &[u8]) {
        let Ok(Ok(message)) = MessageDecoder::<Attribute>::new().decode_from_bytes(frame) else {
            return;
        };
        let Some(wish) = self.asked.remove(&number(message.transaction_id())) else { return };
        let Some(error) = message.get_attribute::<ErrorCode>() else {
            if let (Wish::Allocate, Some(relayed)) =
                (wish, message.get_attribute::<XorRelayAddress>())
            {
                self.relayed = Some(relayed.address());
            }
            return;
        };
        let realm = message.get_attribute::<Realm>().cloned();
        match (realm.zip(message.get_attribute::<Nonce>().cloned()), error.code()) {
            (Some(challenge), code)
                if CHALLENGES.contains(&code) && self.challenge.as_ref() != Some(&challenge) =>
            {
                self.challenge = Some(challenge);
                self.ask(wish);
            }
            (_, code) => self.refusal = Some(code),
        }
    }

    fn ask(&mut self, wish: Wish) {
        self.transactions += 1;
        let method = match wish {
            Wish::Allocate => ALLOCATE,
            Wish::Refresh(_) => REFRESH,
            Wish::Bind(_) => CHANNEL_BIND,
        };
        let method = Method::new(method).expect("methods are below 0x1000");
        let transaction = transaction(self.transactions);
        let mut message = Message::new(MessageClass::Request, method, transaction);
        match wish {
            Wish::Allocate => message.add_attribute(RequestedTransport::new(UDP)),
            Wish::Refresh(seconds) => message.add_attribute(Lifetime::from_u32(seconds)),
            Wish::Bind(peer) => {
                let number = ChannelNumber::new(self.channel(peer)).expect("few channels");
                message.add_attribute(number);
                message.add_attribute(XorPeerAddress::new(peer));
            }
        }
        if let Some((realm, nonce)) = &self.challenge {
            let username = Username::new(self.username.clone()).expect("names are short");
            message.add_attribute(username.clone());
            message.add_attribute(realm.clone());
            message.add_attribute(nonce.clone());
            let seal = MessageIntegrity::new_long_term_credential(
                &message,
                &username,
                realm,
                &self.password,
            );
            message.add_attribute(seal.expect("requests are small"));
        }
        self.asked.insert(self.transactions, wish);
        let bytes = MessageEncoder::new().encode_into_bytes(message).expect("requests are small");
        self.outgoing.push_back(bytes);
    }
}

fn transaction(number: u64) -> TransactionId {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    TransactionId::new(bytes)
}

fn number(transaction: TransactionId) -> u64 {
    let [_, _, _, _, number @ ..] = *transaction.as_bytes();
    u64::from_be_bytes(number)
}
