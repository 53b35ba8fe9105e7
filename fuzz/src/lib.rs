//! Arbitrary bytes against the doors of a node, and of the simulation. Each target is a plain
//! function, so that by day an ordinary test replays the committed corpus, and by night a fuzzer
//! explores.
//!
//! - By day: `cargo test --release -p farcast-fuzz`.
//! - By night, on stable: `cargo run --release -p farcast-fuzz --example explore -- sdp_offer 60`.
//! - By night, guided by coverage: `cargo +nightly fuzz run --features libfuzzer sdp_offer
//!   target/corpus/sdp_offer fuzz/corpus/sdp_offer` (new inputs go to the first folder).
//!
//! An input that broke a promise is copied to `fuzz/regressions/<target>/` with a name that says
//! what it was, and replayed for ever.

pub mod inputs;
pub mod mutate;
pub mod stage;

mod av1;
mod datagrams;
mod framing;
mod http;
mod mux;
mod rtcp;
mod sdp;
mod srtp;
mod story;
mod stun;
mod token;
mod turn;
mod vp9;
mod websocket;

pub use av1::av1_descriptor;
pub use datagrams::datagrams;
pub use framing::rfc4571;
pub use http::http_request;
pub use mux::mux443_first_bytes;
pub use rtcp::rtcp;
pub use sdp::{sdp_fragment, sdp_offer};
pub use srtp::srtcp;
pub use story::story;
pub use stun::stun_prescan;
pub use token::token;
pub use turn::turn_client_bytes;
pub use vp9::vp9_descriptor;
pub use websocket::websocket_message;

/// Takes arbitrary bytes and panics if they break a promise of ours.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its folder in `corpus/` and `regressions/`.
pub const TARGETS: [(&str, Target); 15] = [
    ("sdp_offer", sdp_offer),
    ("sdp_fragment", sdp_fragment),
    ("http_request", http_request),
    ("websocket_message", websocket_message),
    ("datagrams", datagrams),
    ("rfc4571", rfc4571),
    ("story", story),
    ("token", token),
    ("turn_client_bytes", turn_client_bytes),
    ("stun_prescan", stun_prescan),
    ("mux443_first_bytes", mux443_first_bytes),
    ("srtcp", srtcp),
    ("rtcp", rtcp),
    ("vp9_descriptor", vp9_descriptor),
    ("av1_descriptor", av1_descriptor),
];
