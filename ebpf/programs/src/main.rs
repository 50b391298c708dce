//! The programs that run in the kernel.
//!
//! Nothing here is attached to anything outside the watched process for longer than it takes to see that it is
//! not ours: the first thing that each program does is to look whether a thread with such a number was ever registered,
//! or to compare the process's.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![allow(
    internal_features,
    reason = "there is no other way to count on several CPUs at once; the compiler is pinned"
)]

/// The very file that user space compiles: not its crate, so that neither version nor features of that matter here.
#[path = "../../src/abi.rs"]
#[allow(dead_code, reason = "the other side uses the rest")]
mod abi;
mod accounting;
mod control;
mod faults;
mod maps;
mod off_cpu;
mod sampling;
mod settings;
mod task;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel wants to know whether helpers reserved for GPL programs may be called.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
