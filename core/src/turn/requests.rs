//! From a client's message to its answer: who asks, may he, and which room answers. What each
//! request means it leaves to those rooms.

use std::time::{Duration, Instant};

use super::allocation::{Allocation, User};
use super::client::{Asker, Client};
use super::guard::{self, Class, Scanned};
use super::keys::{self, Key};
use super::message::{Answer, KNOWN, Transaction, Words, kind, method};
use super::nonce::Freshness;
use super::refusal::Refusal;
use super::{Desk, Turn, seal};
use crate::report::Report;

/// A request of somebody who is known.
pub(super) struct Request {
    pub(super) asker: Asker,
    pub(super) method: u16,
    pub(super) transaction: Transaction,
    pub(super) user: User,
    pub(super) words: Words,
}

/// An answer; `None` if it comes later.
pub(super) type Handled = Result<Option<Answer>, Refusal>;

/// An answer to a stranger is at most 18 / 10 of the question, headers included, so that nobody
/// gains much from a question in somebody else's name.
const AMPLIFICATION: (usize, usize) = (18, 10);
/// Bytes of UDP and IP headers (RFC 768, RFC 791, RFC 8200).
const HEADERS: (usize, usize) = (28, 48);

impl Turn {
    /// A STUN message of a client; whether it was one at all.
    pub(super) fn message(&mut self, asker: &Asker, bytes: &[u8], desk: &mut Desk<'_>) -> bool {
        let Ok(scanned) = guard::scan(bytes) else { return false };
        // A fingerprint tells STUN from other bytes; a seal, which is checked later, proves more.
        let is_stun = scanned.has_integrity() || scanned.fingerprint_is_right();
        if !is_stun || asker.peer.port() == 0 {
            return false;
        }
        match (scanned.class, scanned.method) {
            (Class::Indication, method::SEND) => self.send(asker, &scanned, desk),
            (Class::Request, method::BINDING) => self.binding(asker, &scanned, bytes.len(), desk),
            (
                Class::Request,
                method::ALLOCATE
                | method::REFRESH
                | method::CREATE_PERMISSION
                | method::CHANNEL_BIND
                | method::CONNECT
                | method::CONNECTION_BIND,
            ) => self.request(asker, &scanned, bytes.len(), desk),
            _ => {}
        }
        true
    }

    /// Whoever asks hears where he comes from (RFC 8489 section 12).
    fn binding(&mut self, asker: &Asker, scanned: &Scanned<'_>, len: usize, desk: &mut Desk<'_>) {
        let transaction = scanned.transaction;
        let unknown: Vec<u16> = scanned.unknown(&KNOWN).collect();
        let answer = if unknown.is_empty() {
            Answer::success(method::BINDING, transaction).mapped(asker.peer)
        } else {
            Refusal::UnknownAttribute(unknown).answer(method::BINDING, transaction)
        };
        self.answer_stranger(asker, len, [answer], desk);
    }

    fn request(&mut self, asker: &Asker, scanned: &Scanned<'_>, len: usize, desk: &mut Desk<'_>) {
        let (method, transaction) = (scanned.method, scanned.transaction);
        let user = match self.authenticate(asker, scanned, desk.now) {
            Ok(user) => user,
            Err(refusal) => return self.challenge(asker, scanned, len, &refusal, desk),
        };
        let key = user.key;
        self.note_authenticated(asker, desk.now);
        let handled = read(asker, scanned, user).and_then(|request| self.handle(&request, desk));
        match handled {
            Ok(Some(answer)) => self.answer_sealed(asker, answer, &key, desk),
            Ok(None) => {}
            Err(refusal) => {
                self.report_refused(asker, scanned, &refusal, desk);
                self.answer_sealed(asker, refusal.answer(method, transaction), &key, desk);
            }
        }
    }

    fn handle(&mut self, request: &Request, desk: &mut Desk<'_>) -> Handled {
        match request.method {
            method::ALLOCATE => self.allocate(request, desk),
            method::REFRESH => self.refresh(request, desk),
            method::CREATE_PERMISSION => self.create_permission(request, desk),
            method::CHANNEL_BIND => self.channel_bind(request, desk),
            method::CONNECT => self.connect(request, desk),
            _ => self.connection_bind(request, desk),
        }
    }

    /// The allocation that a request is about; only its own user may use it.
    pub(super) fn allocation_of(
        &mut self,
        request: &Request,
    ) -> Result<(usize, &mut Allocation), Refusal> {
        let index = self.table.of_client(request.asker.client);
        let index = index.ok_or(Refusal::AllocationMismatch)?;
        let allocation = self.table.get_mut(index).filter(|one| one.attempt.is_none());
        let allocation = allocation.ok_or(Refusal::AllocationMismatch)?;
        if allocation.user.username != request.user.username {
            return Err(Refusal::WrongCredentials);
        }
        Ok((index, allocation))
    }

    /// Who has sent a request (RFC 8489 section 9.2.4).
    fn authenticate(
        &self,
        asker: &Asker,
        scanned: &Scanned<'_>,
        now: Instant,
    ) -> Result<User, Refusal> {
        if !scanned.has_integrity() {
            return Err(Refusal::Unauthenticated);
        }
        let attributes =
            [kind::USERNAME, kind::REALM, kind::NONCE].map(|kind| scanned.attribute(kind));
        let [Some(username), Some(_), Some(nonce)] = attributes else {
            return Err(Refusal::BadRequest("Bad Request"));
        };
        let key = self.key(asker, username, scanned, now).ok_or(Refusal::Unauthenticated)?;
        match self.nonces.check(self.age(now), asker.peer, nonce) {
            Freshness::Fresh => Ok(User { username: username.to_vec(), key }),
            Freshness::Stale | Freshness::Foreign => Err(Refusal::StaleNonce),
        }
    }

    /// The key that has sealed a message. Whoever has an allocation may go on with it for a while
    /// after his credentials have expired: a connection outlives the page's wish to begin one.
    pub(super) fn key(
        &self,
        asker: &Asker,
        username: &[u8],
        scanned: &Scanned<'_>,
        now: Instant,
    ) -> Option<Key> {
        let own = self.table.of_client(asker.client).and_then(|index| self.table.get(index));
        let own = own.filter(|own| own.user.username == username && own.is_young(now));
        let own = own.map(|own| own.user.key).filter(|key| scanned.is_authentic(key));
        own.or_else(|| {
            let fits = |key: &[u8]| scanned.is_authentic(key);
            let key = self.keys.find(self.calendar(now), username, &self.realm, fits).ok();
            key.filter(|_| !self.revoked.has(keys::name(username)))
        })
    }

    /// Tells a stranger what is missing: a seal, or a newer nonce.
    fn challenge(
        &mut self,
        asker: &Asker,
        scanned: &Scanned<'_>,
        len: usize,
        refusal: &Refusal,
        desk: &mut Desk<'_>,
    ) {
        let nonce = self.nonces.issue(self.age(desk.now), asker.peer);
        let answer = |reason| {
            let (method, transaction) = (scanned.method, scanned.transaction);
            let answer = Answer::error(method, transaction, refusal.code(), reason);
            match refusal {
                Refusal::BadRequest(_) => answer,
                _ => answer.challenge(&self.realm, &nonce),
            }
        };
        let answers = [answer(refusal.reason()), answer("")];
        self.answer_stranger(asker, len, answers, desk);
    }

    /// Gives the first of these answers that is short enough.
    fn answer_stranger<const N: usize>(
        &mut self,
        asker: &Asker,
        asked: usize,
        answers: [Answer; N],
        desk: &mut Desk<'_>,
    ) {
        let headers = if asker.peer.is_ipv4() { HEADERS.0 } else { HEADERS.1 };
        let most = (headers + asked) * AMPLIFICATION.0 / AMPLIFICATION.1 - headers;
        let answers = answers.into_iter().map(Answer::bytes);
        let fitting = answers.filter(|answer| !asker.is_udp() || answer.len() <= most);
        let Some(answer) = fitting.into_iter().next() else { return };
        // Who has made a TCP connection has shown where he is.
        if !asker.is_udp() || self.throttle.allows(desk.now, asker.peer.ip()) {
            self.answer(asker, &answer, desk);
        }
    }

    pub(super) fn answer_sealed(
        &mut self,
        asker: &Asker,
        answer: Answer,
        key: &Key,
        desk: &mut Desk<'_>,
    ) {
        let mut bytes = answer.bytes();
        seal::seal(&mut bytes, key);
        self.answer(asker, &bytes, desk);
    }

    pub(super) fn answer(&mut self, asker: &Asker, bytes: &[u8], desk: &mut Desk<'_>) {
        match asker.client {
            Client::Udp { local, peer } => desk.out.send(local, peer, bytes),
            Client::Stream(stream) => self.answer_stream(stream, bytes, desk),
        }
    }

    fn report_refused(
        &self,
        asker: &Asker,
        scanned: &Scanned<'_>,
        refusal: &Refusal,
        desk: &mut Desk<'_>,
    ) {
        let username = scanned.attribute(kind::USERNAME).unwrap_or_default();
        desk.out.report(Report::TurnRefused {
            user: String::from_utf8_lossy(username).into_owned(),
            client: asker.peer,
            code: refusal.code(),
            why: refusal.reason(),
        });
    }

    /// Time since birth.
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.birth.start)
    }

    /// Calendar time since the Unix epoch.
    fn calendar(&self, now: Instant) -> Duration {
        self.birth.calendar + self.age(now)
    }
}

fn read(asker: &Asker, scanned: &Scanned<'_>, user: User) -> Result<Request, Refusal> {
    let unknown: Vec<u16> = scanned.unknown(&KNOWN).collect();
    if !unknown.is_empty() {
        return Err(Refusal::UnknownAttribute(unknown));
    }
    // The codec knows two families and takes any other one for a malformed attribute.
    let family = scanned.attribute(kind::REQUESTED_ADDRESS_FAMILY);
    if let Some([family, _, _, _]) = family
        && !(1..=2).contains(family)
    {
        return Err(Refusal::FamilyNotSupported);
    }
    let words = Words::read(&scanned.before_integrity());
    let words = words.ok_or(Refusal::BadRequest("Malformed Attribute"))?;
    let (method, transaction) = (scanned.method, scanned.transaction);
    Ok(Request { asker: *asker, method, transaction, user, words })
}
