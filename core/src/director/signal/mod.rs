//! What people, encoders and other nodes say to a node, and how it answers: WHIP and WHEP over
//! HTTP, and the SDK's messages over WebSocket, all with one meaning. It knows no socket and
//! decides nothing.

pub(crate) mod knock;
pub(crate) mod message;
pub(crate) mod reply;
pub(crate) mod route;
pub mod token;
