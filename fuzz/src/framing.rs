//! Bytes as strangers may write them on a stream that a node takes ICE on.
//!
//! The first byte of an input says after how many bytes the rest is cut, again and again; 0: not at
//! all.

use std::net::SocketAddr;

use farcast_core::config::Access;
use farcast_core::hub::framing::{Deframer, TooLong};
use farcast_core::limits;

use crate::stage::Stage;

/// A stream, read by what finds its frames, and by a node.
pub fn rfc4571(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let cut = if *cut == 0 { bytes.len().max(1) } else { usize::from(*cut) };
    let mut deframer = Deframer::default();
    let mut found = Vec::new();
    let read = bytes.chunks(cut).try_for_each(|chunk| {
        let mut frames = deframer.read(chunk);
        while let Some(frame) = frames.take()? {
            found.push(frame.to_vec());
        }
        Ok(())
    });
    assert_eq!((found, read), plainly(bytes));
    Stage::new(Access::Open).stream(SocketAddr::from(([203, 0, 113, 1], 7)), bytes.chunks(cut));
}

/// The frames of a stream that lies there whole, and what ended them.
fn plainly(mut bytes: &[u8]) -> (Vec<Vec<u8>>, Result<(), TooLong>) {
    let mut found = Vec::new();
    while let [high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length > limits::FRAME {
            return (found, Err(TooLong));
        }
        let Some((frame, rest)) = rest.split_at_checked(length) else { break };
        found.push(frame.to_vec());
        bytes = rest;
    }
    (found, Ok(()))
}
