//! Speck64/128 (Beaulieu and others, 2013): a block cipher of 64 bits, which is what a span id has.

use zeroize::{Zeroize, ZeroizeOnDrop};

const ROUNDS: usize = 27;

/// The round keys.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Speck([u32; ROUNDS]);

impl Speck {
    /// The key's words, the lowest first, as little-endian bytes.
    pub(super) fn new(key: &[u8; 16]) -> Self {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(key.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        let [mut round_key, mut l0, mut l1, mut l2] = words;
        let mut keys = [0; ROUNDS];
        for (round, key) in (0_u32..).zip(&mut keys) {
            *key = round_key;
            let next = round_key.wrapping_add(l0.rotate_right(8)) ^ round;
            round_key = round_key.rotate_left(3) ^ next;
            (l0, l1, l2) = (l1, l2, next);
        }
        words.zeroize();
        Self(keys)
    }

    pub(super) fn encrypt(&self, block: u64) -> u64 {
        let (mut x, mut y) = ((block >> 32) as u32, block as u32);
        for key in &self.0 {
            x = x.rotate_right(8).wrapping_add(y) ^ key;
            y = y.rotate_left(3) ^ x;
        }
        (u64::from(x) << 32) | u64::from(y)
    }

    pub(super) fn decrypt(&self, block: u64) -> u64 {
        let (mut x, mut y) = ((block >> 32) as u32, block as u32);
        for key in self.0.iter().rev() {
            y = (y ^ x).rotate_right(3);
            x = (x ^ key).wrapping_sub(y).rotate_left(8);
        }
        (u64::from(x) << 32) | u64::from(y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vector_comes_out() {
        let mut key = [0; 16];
        for (word, bytes) in [0x0302_0100_u32, 0x0b0a_0908, 0x1312_1110, 0x1b1a_1918]
            .iter()
            .zip(key.as_chunks_mut::<4>().0)
        {
            *bytes = word.to_le_bytes();
        }
        let speck = Speck::new(&key);
        assert_eq!(speck.encrypt(0x3b72_6574_7475_432d), 0x8c6f_a548_454e_028b);
        assert_eq!(speck.decrypt(0x8c6f_a548_454e_028b), 0x3b72_6574_7475_432d);
    }
}
