//! What the end-to-end tests share.

pub mod collector_file;
pub mod peers;
