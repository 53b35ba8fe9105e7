//! Whose datagram is this? Known place first, then the ufrag of an ICE check; never a search.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::hub::session::route::Place;
use crate::machine::{Carrier, Datagram, StreamId};

/// The key of a session in its hub.
pub(crate) type SessionKey = usize;

/// The indexes of a hub. All keys of `by_place` can be chosen by strangers, so the maps keep the
/// standard library's keyed hash; nothing iterates over them.
#[derive(Debug, Default)]
pub(crate) struct Demux {
    /// Sockets of their own, one per relay link: written by `bind`.
    by_local: HashMap<SocketAddr, SessionKey>,
    /// Streams that we made, each for one relay link: written by `dedicate`.
    by_stream: HashMap<StreamId, SessionKey>,
    /// Where sessions on the shared sockets are: written by `learn`, from authenticated checks
    /// alone, so that a stranger cannot take a session's place.
    by_place: HashMap<Place, SessionKey>,
    /// The ufrags that we handed out: written by `admit`.
    by_ufrag: HashMap<String, SessionKey>,
}

impl Demux {
    /// The session that a datagram's socket or stream belongs to, if it belongs to one alone.
    pub(crate) fn exclusive(&self, datagram: &Datagram<'_>) -> Option<SessionKey> {
        match datagram.carrier {
            Carrier::Udp | Carrier::Relay => self.by_socket(datagram.local),
            Carrier::Stream(stream) => self.by_stream.get(&stream).copied(),
        }
    }

    /// The session whose peer is there.
    pub(crate) fn by_place(&self, place: Place) -> Option<SessionKey> {
        self.by_place.get(&place).copied()
    }

    /// The session that has this socket for itself.
    pub(crate) fn by_socket(&self, local: SocketAddr) -> Option<SessionKey> {
        // Most nodes have no relay links; their viewers' packets skip this look-up.
        if self.by_local.is_empty() {
            return None;
        }
        self.by_local.get(&local).copied()
    }

    /// The session that handed out this ufrag.
    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<SessionKey> {
        self.by_ufrag.get(ufrag).copied()
    }

    /// A session lives and answers to this ufrag.
    pub(crate) fn admit(&mut self, ufrag: &str, session: SessionKey) {
        self.by_ufrag.insert(ufrag.to_owned(), session);
    }

    /// A session answers to this ufrag no more.
    pub(crate) fn forget_ufrag(&mut self, ufrag: &str) {
        self.by_ufrag.remove(ufrag);
    }

    /// A session has this socket for itself.
    pub(crate) fn bind(&mut self, local: SocketAddr, session: SessionKey) {
        self.by_local.insert(local, session);
    }

    /// A session has made this stream for itself.
    pub(crate) fn dedicate(&mut self, stream: StreamId, session: SessionKey) {
        self.by_stream.insert(stream, session);
    }

    /// An authenticated check showed that a session is reached there, whoever was before.
    pub(crate) fn learn(&mut self, place: Place, session: SessionKey) {
        self.by_place.insert(place, session);
    }

    /// A session is not reached there any more.
    pub(crate) fn unlearn(&mut self, place: Place, session: SessionKey) {
        if self.by_place.get(&place) == Some(&session) {
            self.by_place.remove(&place);
        }
        if let Carrier::Stream(stream) = place.carrier {
            self.by_stream.remove(&stream);
        }
    }

    /// A session is gone, with all that led to it.
    pub(crate) fn remove(
        &mut self,
        session: SessionKey,
        ufrag: &str,
        places: impl Iterator<Item = Place>,
        locals: impl Iterator<Item = SocketAddr>,
    ) {
        self.by_ufrag.remove(ufrag);
        for place in places {
            self.unlearn(place, session);
        }
        for local in locals {
            if self.by_local.get(&local) == Some(&session) {
                self.by_local.remove(&local);
            }
        }
    }
}
