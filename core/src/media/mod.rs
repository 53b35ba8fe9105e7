//! The words of media that every room shares: packets, tracks, codecs, descriptions. It knows
//! nothing else of ours.

pub mod av1;
pub mod codec;
pub mod keyframe;
pub mod packet;
pub mod sdp;
pub mod temporal;
pub mod track;
pub mod vp9;
