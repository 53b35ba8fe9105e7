//! What the cores of one node tell each other. Worlds carry these words and do not read them.

use crate::hub::between::Between;
use crate::hub::words::{Command, Event};

/// One core of a node, counted from the one that has the director.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CoreId(pub usize);

impl CoreId {
    /// The core that has the director.
    pub const FIRST: CoreId = CoreId(0);
}

/// A word from one core of a node to another.
#[derive(Debug)]
pub struct Word(pub(crate) Box<Message>);

impl Word {
    pub(crate) fn new(message: Message) -> Self {
        Word(Box::new(message))
    }

    /// Whether nobody is worse off without it than without a datagram: it may be dropped where
    /// there are too many.
    pub fn is_media(&self) -> bool {
        matches!(&*self.0, Message::Hub { word, .. } if word.is_media())
    }
}

/// What a word says.
#[derive(Debug)]
pub(crate) enum Message {
    /// The director wants something of the hub that a session has moved to.
    Command(Command),
    /// Something happened in a hub.
    Event(Event),
    /// A TURN user has gone.
    Revoke(String),
    /// Something between hubs.
    Hub {
        /// Which hub says so.
        from: CoreId,
        /// What.
        word: Between,
    },
}
