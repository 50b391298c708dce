//! Ids that whoever holds a key can tell from a counter, and nobody else from random ones.

mod speck;

use core::fmt;

use aes::Aes128;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockDecrypt, BlockEncrypt, KeyInit};
use speck::Speck;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Ids that a thread takes from the counter at once: an id's block is its counter without the lowest byte.
pub const BLOCK: u64 = 256;

/// What ids are made with: 256 secret bits. It is wiped when dropped, and never shown.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct IdKey {
    bytes: [u8; Self::LEN],
    fleet: bool,
}

impl IdKey {
    /// Bytes of a key.
    pub const LEN: usize = 32;

    /// The key of one process, from fresh entropy.
    #[must_use]
    pub fn of_process(bytes: [u8; Self::LEN]) -> Self {
        Self {
            bytes,
            fleet: false,
        }
    }

    /// A key that services share, so that ids that come from one of them are known to the others. Their counters
    /// must differ: 32 random bits of each process, then 32 bits that count.
    #[must_use]
    pub fn of_fleet(bytes: [u8; Self::LEN]) -> Self {
        Self { bytes, fleet: true }
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.fleet));
        out.extend_from_slice(&self.bytes);
    }

    pub(crate) fn read(entry: &[u8]) -> Option<Self> {
        let (&fleet, bytes) = entry.split_first()?;
        (fleet < 2).then_some(Self {
            bytes: bytes.try_into().ok()?,
            fleet: fleet == 1,
        })
    }
}

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdKey").finish_non_exhaustive()
    }
}

/// A permutation of the span ids, and one of the trace ids, as a key has it.
///
/// ```
/// use tracezip::{IdKey, IdPermutation};
///
/// let ids = IdPermutation::new(&IdKey::of_process([7; 32]));
/// let id = ids.span_id(41);
/// assert_eq!(ids.span_counter(id), 41);
/// let id = ids.trace_id(1, 41);
/// assert_eq!(ids.trace_counter(id), (1, 41));
/// ```
#[derive(Clone)]
pub struct IdPermutation {
    spans: Speck,
    traces: Aes128,
    fleet: bool,
}

impl IdPermutation {
    /// The permutations of a key.
    #[must_use]
    pub fn new(key: &IdKey) -> Self {
        let (mut spans, mut traces) = ([0; 16], [0; 16]);
        spans.copy_from_slice(&key.bytes[..16]);
        traces.copy_from_slice(&key.bytes[16..]);
        let new = Self {
            spans: Speck::new(&spans),
            traces: Aes128::new(GenericArray::from_slice(&traces)),
            fleet: key.fleet,
        };
        spans.zeroize();
        traces.zeroize();
        new
    }

    /// The id of a counter. One counter gives the invalid id, zero: skip it.
    #[must_use]
    pub fn span_id(&self, counter: u64) -> [u8; 8] {
        self.spans.encrypt(counter).to_be_bytes()
    }

    /// The counter of an id, whoever made it.
    #[must_use]
    pub fn span_counter(&self, id: [u8; 8]) -> u64 {
        self.spans.decrypt(u64::from_be_bytes(id))
    }

    /// The trace id of a process's nonce and a counter. One pair gives the invalid id, zero: skip it.
    #[must_use]
    pub fn trace_id(&self, nonce: u64, counter: u64) -> [u8; 16] {
        let block = (u128::from(nonce) << 64) | u128::from(counter);
        let mut block = GenericArray::from(block.to_be_bytes());
        self.traces.encrypt_block(&mut block);
        block.into()
    }

    /// The nonce and the counter of a trace id, whoever made it.
    #[must_use]
    pub fn trace_counter(&self, id: [u8; 16]) -> (u64, u64) {
        let mut block = GenericArray::from(id);
        self.traces.decrypt_block(&mut block);
        let block = u128::from_be_bytes(block.into());
        ((block >> 64) as u64, block as u64)
    }

    pub(crate) fn is_fleet(&self) -> bool {
        self.fleet
    }
}

impl fmt::Debug for IdPermutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdPermutation").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aes_of_the_standard_comes_out() {
        // FIPS 197, appendix C.1.
        let mut key = [0; 32];
        for (byte, value) in key[16..].iter_mut().zip(0..) {
            *byte = value;
        }
        let ids = IdPermutation::new(&IdKey::of_process(key));
        let id = ids.trace_id(0x0011_2233_4455_6677, 0x8899_aabb_ccdd_eeff);
        assert_eq!(
            u128::from_be_bytes(id),
            0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a
        );
        assert_eq!(
            ids.trace_counter(id),
            (0x0011_2233_4455_6677, 0x8899_aabb_ccdd_eeff)
        );
    }

    #[test]
    fn ids_of_counters_in_a_row_have_half_of_their_bits_set() {
        let ids = IdPermutation::new(&IdKey::of_process([0x42; 32]));
        let count = 1 << 14;
        let mut ones = [0_u32; 64];
        for counter in 0..count {
            let id = u64::from_be_bytes(ids.span_id(counter));
            for (bit, ones) in ones.iter_mut().enumerate() {
                *ones += (id >> bit) as u32 & 1;
            }
        }
        // Five standard deviations.
        let half = count as f64 / 2.0;
        let deviation = (count as f64 / 4.0).sqrt();
        for ones in ones {
            assert!(
                (f64::from(ones) - half).abs() < 5.0 * deviation,
                "{ones} of {count}"
            );
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let key = IdKey::of_fleet([0xab; 32]);
        let shown = format!("{key:?} {:?}", IdPermutation::new(&key));
        assert!(!shown.contains("171") && !shown.contains("ab, "), "{shown}");
    }
}
