//! Farcast without a network: the nodes that ship, in a world whose clock jumps.

pub mod peer;
pub mod world;
