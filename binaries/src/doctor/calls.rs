//! Makes calls to other nodes as a node makes them, all at once; it does not know what they are
//! for.

use std::rc::Rc;
use std::time::Duration;

use async_executor::LocalExecutor;
use farcast_adapters::http::client;
use farcast_adapters::http::trust::Trust;
use farcast_adapters::link::{Errand, Fact};
use farcast_adapters::smol::{self, Smol};
use farcast_core::http::{Call, Method, Reply};
use farcast_core::machine::CallId;
use futures_lite::future;

/// How long one call may take, with what a knock takes.
const PATIENCE: Duration = Duration::from_secs(6);

/// What became of a call: a reply of whatever status, or a sentence.
pub(super) type Outcome = Result<Reply, String>;

/// A call for an answer.
pub(super) fn get(url: String, headers: Vec<(String, String)>) -> Call {
    Call { method: Method::Get, url, headers, body: Vec::new(), timeout: PATIENCE }
}

/// A call that brings JSON.
pub(super) fn post(url: String, mut headers: Vec<(String, String)>, body: String) -> Call {
    headers.push(("content-type".to_owned(), "application/json".to_owned()));
    Call { method: Method::Post, url, headers, body: body.into_bytes(), timeout: PATIENCE }
}

/// Makes calls; the outcomes come in the order of the calls.
pub(super) fn make(trust: &Trust, calls: Vec<Call>) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = calls.iter().map(|_| Err("no answer".to_owned())).collect();
    let making = async {
        let executor = Rc::new(LocalExecutor::new());
        let (errands, todo) = async_channel::bounded(calls.len().max(1));
        let (facts, done) = async_channel::bounded(calls.len().max(1));
        for (index, request) in calls.into_iter().enumerate() {
            // There is room for all of them.
            errands.try_send(Errand { call: CallId(index as u64), request }).ok();
        }
        let client = client::run(Smol, trust.clone(), todo, facts, executor.clone());
        let waiting = async {
            for _ in 0..outcomes.len() {
                if let Ok(Fact::Answered { call, result }) = done.recv().await
                    && let Some(outcome) = outcomes.get_mut(call.0 as usize)
                {
                    *outcome = result.map_err(|error| error.to_string());
                }
            }
        };
        executor.run(future::or(waiting, client)).await;
        // The client ends when it has nothing more to expect.
        drop(errands);
    };
    smol::block_on(making).ok();
    outcomes
}
