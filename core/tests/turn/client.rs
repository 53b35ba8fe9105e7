//! A TURN client that does what a test tells it, right or wrong.

use std::net::SocketAddr;

use farcast_core::machine::StreamId;
use farcast_core::turn::guard::Class;
use farcast_core::turn::seal;
use md5::{Digest, Md5};

use super::lab::{Lab, SERVER};
use super::wire::{self, Transaction};

/// How a client reaches the server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Line {
    Udp(SocketAddr),
    Stream(StreamId),
}

/// A client.
pub(crate) struct Client {
    pub(crate) line: Line,
    pub(crate) server: SocketAddr,
    pub(crate) username: String,
    pub(crate) password: String,
    realm: String,
    nonce: Vec<u8>,
    transactions: u64,
}

impl Client {
    pub(crate) fn udp(addr: &str, username: &str) -> Self {
        Client::new(Line::Udp(super::lab::addr(addr)), username)
    }

    pub(crate) fn stream(stream: StreamId, username: &str) -> Self {
        Client::new(Line::Stream(stream), username)
    }

    fn new(line: Line, username: &str) -> Self {
        Client {
            line,
            server: SERVER.into(),
            username: username.to_owned(),
            password: "secret".to_owned(),
            realm: String::new(),
            nonce: Vec::new(),
            transactions: 0,
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        match self.line {
            Line::Udp(addr) => addr,
            Line::Stream(_) => panic!("a stream has a name"),
        }
    }

    pub(crate) fn transaction(&mut self) -> Transaction {
        self.transactions += 1;
        let mut transaction = [9; 12];
        transaction[4..].copy_from_slice(&self.transactions.to_be_bytes());
        transaction
    }

    pub(crate) fn key(&self) -> [u8; 16] {
        Md5::digest(format!("{}:{}:{}", self.username, self.realm, self.password)).into()
    }

    /// A sealed request.
    pub(crate) fn sealed(
        &self,
        method: u16,
        transaction: Transaction,
        attributes: &[(u16, Vec<u8>)],
    ) -> Vec<u8> {
        let mut all = attributes.to_vec();
        all.push((wire::USERNAME, self.username.as_bytes().to_vec()));
        all.push((wire::REALM, self.realm.as_bytes().to_vec()));
        all.push((wire::NONCE, self.nonce.clone()));
        let mut bytes = wire::message(method, Class::Request, transaction, &all);
        seal::seal(&mut bytes, &self.key());
        bytes
    }

    /// Sends bytes; what comes back to this client.
    pub(crate) fn say(&self, lab: &mut Lab, bytes: &[u8]) -> Vec<Vec<u8>> {
        match self.line {
            Line::Udp(addr) => {
                let sent = lab.datagram(addr, self.server, bytes);
                let own = |(from, to, _): &(SocketAddr, SocketAddr, Vec<u8>)| {
                    *from == self.server && *to == addr
                };
                sent.into_iter().filter(own).map(|(_, _, bytes)| bytes).collect()
            }
            Line::Stream(stream) => {
                lab.written(stream);
                lab.feed(farcast_core::machine::Input::Bytes { stream, bytes });
                frames(&lab.written(stream))
            }
        }
    }

    /// Asks; a 401 or a 438 is heeded once, and the answer must be sealed.
    pub(crate) fn ask(
        &mut self,
        lab: &mut Lab,
        method: u16,
        attributes: &[(u16, Vec<u8>)],
    ) -> Vec<u8> {
        let transaction = self.transaction();
        self.ask_as(lab, method, transaction, attributes)
    }

    /// The same, in a transaction that attributes depend on.
    pub(crate) fn ask_as(
        &mut self,
        lab: &mut Lab,
        method: u16,
        transaction: Transaction,
        attributes: &[(u16, Vec<u8>)],
    ) -> Vec<u8> {
        let mut answer = Vec::new();
        for _ in 0..2 {
            let request = self.sealed(method, transaction, attributes);
            let mut answers = self.say(lab, &request);
            assert_eq!(answers.len(), 1, "one answer to one request");
            answer = answers.remove(0);
            assert_eq!(wire::read(&answer).transaction, transaction);
            if !matches!(wire::error(&answer), Some(401 | 438)) {
                assert!(wire::read(&answer).is_authentic(&self.key()), "an answer is sealed");
                break;
            }
            self.heed(&answer);
        }
        answer
    }

    /// Takes realm and nonce from a challenge.
    pub(crate) fn heed(&mut self, challenge: &[u8]) {
        let scanned = wire::read(challenge);
        let realm = scanned.attribute(wire::REALM).expect("a challenge names a realm");
        self.realm = String::from_utf8(realm.to_vec()).expect("a realm is text");
        self.nonce = scanned.attribute(wire::NONCE).expect("a challenge has a nonce").to_vec();
    }

    pub(crate) fn allocate(&mut self, lab: &mut Lab, more: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let transport = (wire::REQUESTED_TRANSPORT, vec![17, 0, 0, 0]);
        let attributes = [&[transport], more].concat();
        self.ask(lab, wire::ALLOCATE, &attributes)
    }

    /// The relayed address of a new allocation.
    pub(crate) fn relayed(&mut self, lab: &mut Lab) -> SocketAddr {
        let answer = self.allocate(lab, &[]);
        wire::address(&answer, wire::XOR_RELAYED_ADDRESS).expect("a relayed address")
    }

    pub(crate) fn refresh(&mut self, lab: &mut Lab, lifetime: u32) -> Vec<u8> {
        self.ask(lab, wire::REFRESH, &[(wire::LIFETIME, lifetime.to_be_bytes().to_vec())])
    }

    pub(crate) fn permit(&mut self, lab: &mut Lab, peers: &[SocketAddr]) -> Vec<u8> {
        let transaction = self.transaction();
        let peer = |peer: &SocketAddr| (wire::XOR_PEER_ADDRESS, wire::xor(*peer, transaction));
        let attributes: Vec<_> = peers.iter().map(peer).collect();
        self.ask_as(lab, wire::CREATE_PERMISSION, transaction, &attributes)
    }

    pub(crate) fn bind(&mut self, lab: &mut Lab, number: u16, peer: SocketAddr) -> Vec<u8> {
        let transaction = self.transaction();
        let [high, low] = number.to_be_bytes();
        let attributes = [
            (wire::CHANNEL_NUMBER, vec![high, low, 0, 0]),
            (wire::XOR_PEER_ADDRESS, wire::xor(peer, transaction)),
        ];
        self.ask_as(lab, wire::CHANNEL_BIND, transaction, &attributes)
    }

    pub(crate) fn send_indication(&mut self, peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let transaction = self.transaction();
        let attributes = [
            (wire::XOR_PEER_ADDRESS, wire::xor(peer, transaction)),
            (wire::DATA, payload.to_vec()),
        ];
        wire::message(wire::SEND, Class::Indication, transaction, &attributes)
    }
}

/// The frames that a stream's bytes are made of.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while bytes.len() >= 4 {
        let len = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        let is_channel_data = bytes[0] >= 0x40;
        let total = if is_channel_data { 4 + len.next_multiple_of(4) } else { 20 + len };
        let (frame, rest) = bytes.split_at(total);
        frames.push(frame.to_vec());
        bytes = rest;
    }
    assert!(bytes.is_empty(), "whole frames only");
    frames
}
