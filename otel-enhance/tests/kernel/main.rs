//! The extension `ebpf` on the real kernel: takes root and BTF.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unsafe_code,
    reason = "tests, which ask the kernel for what it accounts elsewhere"
)]

mod attribution;
mod chaos;
mod common;
mod depth;
mod futures;
mod law;
mod law_of_contexts;
mod lent;
mod pinned;
mod profiles;
mod shares;
mod tiers;

use otel_enhance_kernel_tests as again;
