//! What people, encoders and other nodes say to a node. It knows no socket.

pub mod token;
