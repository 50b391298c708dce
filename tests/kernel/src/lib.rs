//! What the tests on the real kernel share. They are those of `ebpf` and of the extension in `otel-enhance`, as root.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    unsafe_code,
    reason = "tests, which ask the kernel for what it accounts elsewhere"
)]

mod hooks;
mod objects;
mod process;
mod time;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use hooks::{Does, hook};
pub use objects::{Objects, assert_gone, heard, objects_of, own_objects, told};
pub use process::{Kill, again, drop_capabilities, fork, is, keep_capabilities, passes, wait};
pub use time::{burn, clock, cpu_clock, spin};

/// One test at a time: a process has one session, and what each leaves in the kernel is looked for by what the process has there.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Small random numbers, the same on every run; it begins with any number but 0.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next one, less than `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
