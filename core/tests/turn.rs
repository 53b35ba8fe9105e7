//! What clients of the TURN server rely on: each test talks to the whole machine, in bytes.

#![allow(clippy::disallowed_methods, reason = "tests make up their instants from the clock's")]

mod turn {
    pub(crate) mod client;
    pub(crate) mod lab;
    pub(crate) mod wire;

    mod addresses;
    mod bandwidth;
    mod connections;
    mod inside;
    mod model;
    mod relaying;
    mod requests;
    mod streams;
}
