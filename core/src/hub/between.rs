//! What the hubs of one node tell each other: whose a datagram is that the kernel gave to another
//! core, which session moves, and what goes on with streams that are wanted on several cores.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use crate::cores::{CoreId, Message, Word};
use crate::hub::Hub;
use crate::hub::migration::Migrant;
use crate::hub::session::route::Place;
use crate::hub::streams::TrackId;
use crate::hub::words::SessionId;
use crate::machine::{Carrier, Datagram, Output};
use crate::media::packet::{Packet, SourceClock};
use crate::media::track::{StreamName, Track};
use crate::outbox::Outbox;

/// What one hub tells another.
#[derive(Debug)]
pub(crate) enum Between {
    /// An ICE check of a session that is not here.
    Check(Stray),
    /// Another datagram of a session that is not here.
    Datagram(Stray),
    /// Who is there belongs to a session of that core.
    Lives { place: Place, core: CoreId },
    /// A session goes where its peer's datagrams arrive, and this check with it.
    Move { to: CoreId, migrant: Box<Migrant>, check: Stray },
    /// A session that has moved answers to another ufrag.
    Renamed { session: SessionId, ufrag: String },
    /// A stream begins or ends.
    Life(Life),
    /// Somebody here wants these layers.
    Want { layers: Range<TrackId> },
    /// Nobody does any more.
    Unwant { layers: Range<TrackId> },
    /// Packets of a layer, in the order of their arrival; or what was kept of it, in the order of
    /// their numbers.
    Packets { track: TrackId, packets: Arc<[Packet]>, past: bool },
    /// The source of a layer said how its clocks are related.
    Clock { track: TrackId, clock: SourceClock },
    /// Somebody here needs a keyframe.
    Wish { track: TrackId },
}

impl Between {
    /// Whether it may get lost as a datagram may.
    pub(crate) fn is_media(&self) -> bool {
        matches!(
            self,
            Between::Check(_) | Between::Datagram(_) | Between::Packets { past: false, .. }
        )
    }
}

/// The beginning or the end of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) stream: StreamName,
    /// The core that has its source.
    pub(crate) core: CoreId,
    /// The names of its layers, counted through all tracks.
    pub(crate) layers: Range<TrackId>,
    /// What it is made of; `None`: it has ended.
    pub(crate) tracks: Option<Vec<Track>>,
}

/// A datagram on its way to its session's core.
#[derive(Debug)]
pub(crate) struct Stray {
    /// Where it arrived.
    pub(crate) at: CoreId,
    carrier: Carrier,
    peer: SocketAddr,
    local: SocketAddr,
    payload: Box<[u8]>,
}

impl Stray {
    pub(crate) fn new(at: CoreId, datagram: &Datagram<'_>) -> Self {
        let Datagram { carrier, peer, local, payload } = *datagram;
        Stray { at, carrier, peer, local, payload: payload.into() }
    }

    pub(crate) fn datagram(&self) -> Datagram<'_> {
        let Stray { carrier, peer, local, .. } = *self;
        Datagram { carrier, peer, local, payload: &self.payload }
    }
}

impl Hub {
    /// Tells another hub of this node.
    pub(super) fn tell(&self, core: CoreId, word: Between, out: &mut Outbox) {
        let message = Message::Hub { from: self.core, word };
        out.push(Output::Tell { core, word: Word::new(message) });
    }
}
