//! What the end-to-end tests share.

pub mod alone;
pub mod cases;
pub mod certificates;
pub mod collector_file;
pub mod fixtures;
pub mod gate;
pub mod load;
pub mod loopback;
pub mod nuisance;
pub mod official;
pub mod peers;
pub mod programs;
pub mod proxy;
pub mod sender;

/// The README's program, compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
