//! What the programs of Farcast share: their files, flags and messages. It contains no logic of
//! nodes.

pub mod address;
pub mod check;
pub mod config;
mod cores;
pub mod demo;
pub mod doctor;
pub mod error;
pub mod flags;
pub mod node;
pub mod pages;
pub mod program;
pub mod run;
pub mod secret;
pub mod token;
pub mod turn;
