//! What is sent to viewers without str0m: sealed by ourselves, as their feedback is opened. It
//! knows neither sockets nor clocks, and no session.

pub mod srtp;
