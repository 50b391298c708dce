//! Where there is eBPF.

mod observer;
mod own;
mod parked;
pub(super) mod running;
mod source;
pub(super) mod thread;
