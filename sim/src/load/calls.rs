//! The HTTP client of everybody on one thread: it hands each answer to whoever asked. It knows not
//! what is asked.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use async_channel::{Receiver, Sender};
use async_executor::LocalExecutor;
use farcast_adapters::http::client;
use farcast_adapters::http::trust::Trust;
use farcast_adapters::link::{Errand, Fact};
use farcast_adapters::runtime::Runtime;
use farcast_core::http::{Call, CallError, Reply};
use farcast_core::machine::CallId;

/// Calls that may wait to be made.
const CALLS: usize = 256;

type Answer = Result<Reply, CallError>;
type Waiting = Rc<RefCell<BTreeMap<u64, Sender<Answer>>>>;

/// Makes calls.
pub(super) struct Calls {
    errands: Sender<Errand>,
    waiting: Waiting,
    last: Cell<u64>,
}

impl Calls {
    /// A client whose work is done by this executor.
    pub(super) fn open<R: Runtime>(
        runtime: R,
        trust: Trust,
        executor: &Rc<LocalExecutor<'static>>,
    ) -> Calls {
        let (errands, wanted) = async_channel::bounded(CALLS);
        let (facts, answers) = async_channel::bounded(CALLS);
        let waiting = Waiting::default();
        executor.spawn(client::run(runtime, trust, wanted, facts, executor.clone())).detach();
        executor.spawn(deliver(answers, waiting.clone())).detach();
        Calls { errands, waiting, last: Cell::default() }
    }

    /// Makes a call; the error is a sentence.
    pub(super) async fn make(&self, request: Call) -> Result<Reply, String> {
        let id = self.last.get() + 1;
        self.last.set(id);
        let (answer, answered) = async_channel::bounded(1);
        self.waiting.borrow_mut().insert(id, answer);
        let gone = || "the HTTP client broke down".to_owned();
        let errand = Errand { call: CallId(id), request };
        self.errands.send(errand).await.map_err(|_| gone())?;
        let answer = answered.recv().await.map_err(|_| gone())?;
        answer.map_err(|error| error.to_string())
    }
}

async fn deliver(answers: Receiver<Fact>, waiting: Waiting) {
    while let Ok(fact) = answers.recv().await {
        let Fact::Answered { call: CallId(id), result } = fact else { continue };
        let asker = waiting.borrow_mut().remove(&id);
        if let Some(asker) = asker {
            // There is room for the one answer, unless nobody waits for it any more.
            asker.try_send(result).ok();
        }
    }
}
