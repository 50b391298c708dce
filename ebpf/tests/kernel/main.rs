//! The programs on the real kernel: they load, attach and count, exactly, and nothing of them stays behind.
//!
//! As root on a kernel with BTF, and nothing is skipped elsewhere: `cargo xtask test --only ebpf`.

#![cfg(target_os = "linux")]
#![expect(
    unsafe_code,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends; what the kernel itself counts is read by libc"
)]

mod accounting;
mod common;
mod ends;
mod ladder;
mod off_cpu;
mod samples;
mod threads;
