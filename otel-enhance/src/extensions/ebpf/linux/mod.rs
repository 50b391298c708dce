//! Where there is eBPF.

mod observer;
mod own;
mod parked;
mod process_context;
pub(super) mod running;
mod source;
pub(super) mod thread;
mod thread_context;
