//! Which node a viewer is sent to: what is known of the neighbours, and how one of them is picked.

pub(crate) mod fleet;
pub(crate) mod round_robin;
