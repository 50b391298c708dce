//! The macros of otel-enhance. Use them through the `otel_enhance` crate, which re-exports them.

mod init;
mod suggest;
mod trace;
