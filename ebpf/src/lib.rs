//! The kernel side of [otel-enhance](https://docs.rs/otel-enhance): eBPF programs that count what each thread
//! did with its time, and everything that user space needs to read them.
//!
//! - [`abi`] is what the programs and user space share: plain `no_std` types of fixed layout.
//! - `OBJECT` (feature `object`) holds the programs, compiled. Nobody needs a BPF toolchain; how the object
//!   is built anew, byte for byte, is in `rebuild.sh` beside this crate's manifest.
//! - `loader` (feature `loader`, Linux) loads the object, attaches the programs, registers threads and reads
//!   their figures.
//!
//! Without features this crate is the ABI alone and depends on nothing.
//!
//! # Minimum kernel version
//!
//! 5.15 with BTF for accounting and complete samples, 5.15 without BTF for samples alone. Loading takes
//! `CAP_BPF` and `CAP_PERFMON`; see [`abi`] and `loader` for each part.
#![no_std]

#[cfg(all(feature = "loader", target_os = "linux"))]
extern crate std;

pub mod abi;
#[cfg(all(feature = "loader", target_os = "linux"))]
pub mod loader;
#[cfg(feature = "object")]
mod object;

#[cfg(feature = "object")]
pub use object::OBJECT;
