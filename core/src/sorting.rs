//! Whom of a node a fact concerns: its hub or its TURN server. It looks at names, addresses and
//! first bytes, and knows neither of the two.

use std::collections::HashMap;

use crate::machine::{BindId, ConnectId, Datagram, Door, StreamId};

/// One of the machines inside a node that take datagrams and streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Hub,
    Turn,
}

/// Errands with this bit in their names are the TURN server's.
pub(crate) const TURN: u64 = 1 << 63;

/// Errands with this bit in their names are the director's, and no relay's.
pub(crate) const DIRECTOR: u64 = 1 << 62;

/// The types of a Binding request, an indication and the two answers (RFC 8489 section 5).
const BINDING_REQUEST: [u8; 2] = [0, 0x01];
const BINDING: [[u8; 2]; 3] = [[0, 0x11], [1, 0x01], [1, 0x11]];

/// The attribute USERNAME (RFC 8489 section 14.3).
const USERNAME: [u8; 2] = [0, 0x06];

/// Bytes of a STUN message's header (RFC 8489 section 5).
const STUN_HEADER: usize = 20;

/// Attributes that we look at for a USERNAME; agents write it first or after one or two.
const LOOKED_AT: usize = 8;

/// Whose a datagram is that arrived where clients and viewers send to (RFC 7983 section 7).
pub(crate) fn of_datagram(datagram: &Datagram<'_>) -> Owner {
    match datagram.payload {
        // Clients of RFC 5766 (section 11) have channels to 0x7fff, which is nobody else's here.
        [0x40..=0x7f, ..] => Owner::Turn,
        [0..=3, ..] if is_ice(datagram.payload) => Owner::Hub,
        [0..=3, ..] => Owner::Turn,
        _ => Owner::Hub,
    }
}

/// Whether a STUN message can be an ICE check or an answer to one. A Binding request without a
/// USERNAME (RFC 8445 section 7.2.2) asks for its own address alone.
fn is_ice(payload: &[u8]) -> bool {
    if payload.starts_with(&BINDING_REQUEST) {
        return has_username(payload);
    }
    BINDING.iter().any(|kind| payload.starts_with(kind))
}

fn has_username(payload: &[u8]) -> bool {
    let mut rest = payload.get(STUN_HEADER..).unwrap_or_default();
    for _ in 0..LOOKED_AT {
        let [kind0, kind1, len0, len1, ..] = *rest else { return false };
        if [kind0, kind1] == USERNAME {
            return true;
        }
        let len = usize::from(u16::from_be_bytes([len0, len1])).next_multiple_of(4);
        rest = rest.get(4 + len..).unwrap_or_default();
    }
    false
}

/// The owner of an answer to `Output::Bind` or `Output::Listen`.
pub(crate) fn of_bind(BindId(bind): BindId) -> Owner {
    of_name(bind)
}

/// Whether a connection is one that the director wanted.
pub(crate) fn is_directors(ConnectId(connect): ConnectId) -> bool {
    connect & (DIRECTOR | TURN) == DIRECTOR
}

/// The owner of an answer to `Output::Connect`.
pub(crate) fn of_connect(ConnectId(connect): ConnectId) -> Owner {
    of_name(connect)
}

fn of_name(name: u64) -> Owner {
    if name & TURN == 0 { Owner::Hub } else { Owner::Turn }
}

/// Who has which byte stream.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// Looked up only. The world gives the names, so a plain hash would do; it is asked once for
    /// every read of a stream.
    owners: HashMap<StreamId, Owner>,
}

impl Streams {
    /// Remembers a new stream by the door it came in at.
    pub(crate) fn accept(&mut self, stream: StreamId, door: Door) -> Owner {
        let owner = match door {
            Door::Ice => Owner::Hub,
            Door::Turn { .. } | Door::Listener => Owner::Turn,
        };
        self.take(stream, owner)
    }

    /// Remembers a stream that its owner wanted.
    pub(crate) fn take(&mut self, stream: StreamId, owner: Owner) -> Owner {
        self.owners.insert(stream, owner);
        owner
    }

    /// Who has it.
    pub(crate) fn owner(&self, stream: StreamId) -> Option<Owner> {
        self.owners.get(&stream).copied()
    }

    /// It is gone.
    pub(crate) fn forget(&mut self, stream: StreamId) -> Option<Owner> {
        self.owners.remove(&stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(payload: &[u8]) -> Owner {
        let any = ([192, 0, 2, 1], 1).into();
        of_datagram(&Datagram::udp(any, any, payload))
    }

    #[test]
    fn first_bytes_tell_whose_a_datagram_is() {
        let bare: Vec<u8> = [0, 1].into_iter().chain([0; 18]).collect();
        let software = [0x80, 0x22, 0, 3, b'a', b'b', b'c', 0];
        let asking: Vec<u8> = bare.iter().chain(&software).copied().collect();
        let check: Vec<u8> = asking.iter().copied().chain([0, 6, 0, 1, b'u', 0, 0, 0]).collect();
        let cut = &asking[..23];
        let allocate: Vec<u8> = [0, 3].into_iter().chain([0; 30]).collect();
        assert_eq!(owner(&bare), Owner::Turn);
        assert_eq!(owner(&asking), Owner::Turn);
        assert_eq!(owner(cut), Owner::Turn);
        assert_eq!(owner(&check), Owner::Hub);
        assert_eq!(owner(&allocate), Owner::Turn);
        for (first, expected) in [(22, Owner::Hub), (0x40, Owner::Turn), (0x7f, Owner::Turn)] {
            assert_eq!(owner(&[first, 1, 2, 3]), expected, "{first}");
        }
        assert_eq!(owner(&[128, 96]), Owner::Hub);
    }
}
