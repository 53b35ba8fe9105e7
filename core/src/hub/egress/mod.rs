//! What goes out to viewers and downstream nodes: numbered, sealed and repeated by ourselves. It
//! knows neither str0m nor who else gets the packets.

mod asker;
mod header;
mod lane;
mod pen;
mod pictures;
mod playout;
pub mod rtcp;
mod sink;
pub mod srtp;

pub use asker::Asker;
pub use header::ExtensionIds;
pub use lane::Terms;
pub use sink::{Exported, Line, Sink, Wish};
