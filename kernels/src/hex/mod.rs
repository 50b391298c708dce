//! Bytes as lower-case hexadecimal text, as OTLP/JSON and `traceparent` write ids.
//!
//! One id is done in place by code that the compiler vectorises itself: a call through the dispatch costs
//! more than it saves. A column of them goes through the dispatch.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

use crate::Level;
use crate::proof::Proof;

/// The 32 characters of a trace id.
///
/// ```
/// let id = 0x4bf92f3577b34da6a3ce929d0e0e4736_u128.to_be_bytes();
/// assert_eq!(&otel_enhance_kernels::hex::trace_id(&id), b"4bf92f3577b34da6a3ce929d0e0e4736");
/// ```
#[inline]
pub fn trace_id(id: &[u8; 16]) -> [u8; 32] {
    let mut text = [0; 32];
    text.copy_from_slice(scalar::encode(id).as_flattened());
    text
}

/// The 16 characters of a span id.
///
/// ```
/// let id = 0x00f067aa0ba902b7_u64.to_be_bytes();
/// assert_eq!(&otel_enhance_kernels::hex::span_id(&id), b"00f067aa0ba902b7");
/// ```
#[inline]
pub fn span_id(id: &[u8; 8]) -> [u8; 16] {
    let mut text = [0; 16];
    text.copy_from_slice(scalar::encode(id).as_flattened());
    text
}

/// The two characters of a byte.
pub(crate) fn byte(byte: u8) -> [u8; 2] {
    let [text] = scalar::encode(&[byte]);
    text
}

/// Appends two characters for each byte: a whole column of ids laid end to end.
///
/// ```
/// use otel_enhance_kernels::hex;
///
/// let ids = [[0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7], [0x11; 8]];
/// let mut text = Vec::new();
/// hex::append(ids.as_flattened(), &mut text);
/// assert_eq!(text, b"00f067aa0ba902b71111111111111111");
/// ```
pub fn append(bytes: &[u8], out: &mut Vec<u8>) {
    append_with(Level::active(), bytes, out);
}

/// [`append`] on a given level.
pub fn append_with(level: Level, bytes: &[u8], out: &mut Vec<u8>) {
    match level.proof() {
        #[cfg(target_arch = "x86_64")]
        Proof::Avx2(proof) => avx2::append(proof, bytes, out),
        #[cfg(target_arch = "aarch64")]
        Proof::Neon(proof) => neon::append(proof, bytes, out),
        Proof::Scalar => scalar::append(bytes, out),
    }
}

#[cfg(test)]
mod tests;
