//! Where there is eBPF.

pub(super) mod lent;
mod observer;
mod own;
mod parked;
mod process_context;
pub(super) mod running;
mod source;
pub(super) mod thread;
mod thread_context;
