//! Vector kernels of otel-enhance: safe functions over columns and arenas, each beside its scalar twin.
//!
//! Each kernel looks once, at its first call, which instructions the processor has ([`Level::active`]), and
//! gives the same answer on every level. `OTEL_ENHANCE_SIMD=scalar` or `avx2` forces one;
//! [`Level::forced`] tells whether that could be done.
//!
//! | module | what it does | on AVX2, scalar = 1 |
//! |---|---|---|
//! | [`hex`] | ids as text | column 0.2, as the crate const-hex |
//! | [`histogram`] | bucket indexes of exponential histograms | 0.5; the formula with a logarithm 1.5, at scale 0 8.4 |
//! | [`json`] | escapes of strings | portable code only |
//! | [`pack`] | columns of integers in few bits | differences 0.5 to 0.6, frame 0.2 to 0.4, the bits themselves portable code |
//! | [`scan`] | literals in an arena of values | 0.07 to 0.2 with 8 literals, 0.15 to 0.5 with 181 |
//! | [`utf8`] | texts cut to a limit of characters or bytes | portable code only |
//! | [`varint`] | bytes that integers take as varints | 64 bits 0.5 (the scalar loop with LZCNT), 32 bits 0.65 to 0.7 |
//!
//! The figures are ratios of medians from `cargo bench -p otel-enhance-kernels` on an AMD EPYC (Zen 3) with
//! the real trace data beside the benchmark; `-- --corpora DIR` measures others. Read them as a rule, and
//! run the benchmark on your machine. On an Intel Xeon (Sapphire Rapids), over six corpora, every kernel of the
//! table won against its twin in every case: hex of a column 0.23, of one id 0.32 of a table of digits, varint
//! lengths 0.5 and 0.71, differences 0.74, frame 0.70 to 0.81, histograms 0.51 to 0.55, escapes 0.21 to 0.33 of a
//! loop over bytes, a limit of 32 characters 0.26 to 0.34, the scan with 8 literals 0.09 to 0.20. `cargo bench -p
//! otel-enhance --features simd --bench encode` counts wins and losses.
//!
//! The encoder of JSON calls the escapes and the hex of single ids. That of protobuf calls none: it knows each
//! length when it writes it, so there is no column of them to add up.
//!
//! # What is not here
//!
//! On x86-64, a kernel or a level of one that does not beat its scalar twin is not kept:
//!
//! - **Hex of a single id** through the dispatch: code without branches, which the compiler vectorises for
//!   every x86-64 processor, takes 3.3 ns for a trace id in place (a table of digits 10 ns), an AVX2 version
//!   behind a call 3.8 ns.
//! - **AVX-512**: its intrinsics need Rust 1.89, which is newer than the oldest one we support.
//!   `OTEL_ENHANCE_SIMD=avx512` is answered by [`BadLevel::NotBuilt`].
//! - **Lengths of 64-bit varints by comparisons** with each power of 2^7: 0.44 of the scalar loop where the
//!   compiler unrolls them, and 8 times as long where it does not; by intrinsics 0.56. The scalar loop with
//!   LZCNT takes 0.5, whatever the compiler does.
//! - **JSON escapes with AVX2 intrinsics**: real values are short (median 10 bytes, 99 of 100 below 64).
//!   Portable code needs 0.6 to 0.8 of the time of a loop over bytes, the copying included, which is 0.3 to
//!   0.4 of it; AVX2 took 0.94 to 1.00 of the portable code's time over all values, and 0.86 to 1.10 over those
//!   of 32 bytes and more.
//! - **Counting characters with AVX2**: a limit of 32 to 256 characters is found by portable blocks in 0.14 to
//!   0.2 of the time of `char_indices`; the same blocks compiled for AVX2 took 0.85 to 1.25 of that. (A limit
//!   of 8, which nobody sets, takes 1.1 to 1.4 of `char_indices`.)
//! - **UTF-8 validation**: on single values the standard library is as fast as the crate simdutf8 (0.99):
//!   7 to 9 ns. Validating an arena at once needs a quarter to a half of the time with simdutf8, 0.13 instead
//!   of 0.27 to 0.5 ns a value, but says nothing about where values end.
//! - **Bit packing by vectors**: reading by AVX2's gathers takes 1.2 of the portable code's time. Blocks of 256
//!   values in four interleaved streams pack in 0.4 and unpack in 0.7 of the time with AVX2, but unpack in 1.35
//!   of it without, and most columns of a batch do not fill one such block. It is 0.5 ns a value either way.
//! - **Leading zeros by vectors** for 32-bit varint lengths: comparing with each power of 2^7 is ten times as
//!   fast, on the baseline too.
//!
//! # AArch64
//!
//! [`hex`] and [`scan`] have NEON versions, because no compiler finds their look-ups; the other kernels are code
//! that it vectorises there by itself. All are tested under emulation, by `test-aarch64.sh` beside this crate's
//! manifest, and none is measured: no such processor was at hand.
//!
//! # Cost
//!
//! No dependencies and no allocations of its own; what is appended goes into the caller's `Vec`.

#[cfg(target_arch = "aarch64")]
mod arm;
pub mod hex;
pub mod histogram;
pub mod json;
mod level;
pub mod pack;
mod proof;
pub mod scan;
#[cfg(test)]
mod testing;
pub mod utf8;
pub mod varint;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use level::{BadLevel, LEVEL_VARIABLE, Level};
