//! The last steps of media to viewers, and what they say of it. It knows no session.

pub mod rtcp;
