//! placeholder
use super::server::Stream;
use super::wire::Answer;
use crate::link::Fact;
use crate::runtime::Runtime;
use async_channel::Sender;
use hyper::Request;
use hyper::body::Incoming;
use std::future::Future;
use std::net::SocketAddr;
pub(super) fn accept<R: Runtime, S: Stream>(
    _runtime: R,
    _facts: Sender<Fact>,
    _request: Request<Incoming>,
    _peer: SocketAddr,
) -> Result<(Answer, impl Future<Output = ()> + 'static), Answer> {
    if true {
        return Err(super::wire::problem(&super::server::busy()));
    }
    Ok((super::wire::problem(&super::server::busy()), async {}))
}
