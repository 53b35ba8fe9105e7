//! How the cores of one node reach each other: a bounded mailbox for each. It does not know what
//! the words say.

use std::pin::Pin;
use std::task::{Context, Poll};

use async_channel::{Receiver, Sender};
use farcast_core::cores::{CoreId, Word};
use farcast_core::limits;
use futures_lite::Stream;

use crate::gate::Gate;

/// What one core hears, and whom it can tell.
pub struct Mailbox {
    words: Pin<Box<Receiver<Word>>>,
    gate: Gate,
    all: Vec<Sender<Word>>,
}

impl Mailbox {
    /// That of a node with one core.
    pub fn alone() -> Self {
        Mailbox::made([async_channel::bounded(1)].into()).remove(0)
    }

    /// Those of a node with so many cores, in their order.
    pub fn of(cores: usize) -> Vec<Self> {
        Mailbox::made((0..cores.max(1)).map(|_| async_channel::bounded(limits::WORDS)).collect())
    }

    fn made(channels: Vec<(Sender<Word>, Receiver<Word>)>) -> Vec<Self> {
        let all: Vec<_> = channels.iter().map(|(sender, _)| sender.clone()).collect();
        let mailbox = |(_, words)| Mailbox {
            words: Box::pin(words),
            gate: Gate::default(),
            all: all.clone(),
        };
        channels.into_iter().map(mailbox).collect()
    }

    /// How many cores the node has.
    pub fn cores(&self) -> usize {
        self.all.len()
    }

    /// Tells another core; gives the word back if too many wait there, or nobody does.
    pub(crate) fn tell(&self, core: CoreId, word: Word) -> Result<(), Word> {
        let Some(sender) = self.all.get(core.0) else { return Err(word) };
        if word.is_media() && sender.len() > limits::WORDS / 2 {
            return Err(word);
        }
        sender.try_send(word).map_err(async_channel::TrySendError::into_inner)
    }

    /// The next word for this core.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Word> {
        let words = &mut self.words;
        match self.gate.poll(cx, |cx| words.as_mut().poll_next(cx)) {
            Poll::Ready(Some(word)) => Poll::Ready(word),
            // This mailbox holds a sender of its own, so the channel never closes.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
