//! The control plane of a node: who may do what. It knows no media and no clock.

pub mod signal;
