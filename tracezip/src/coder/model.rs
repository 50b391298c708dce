//! How likely each of sixteen symbols is, learnt as they come.

use core::hint::select_unpredictable;

use super::{SCALE_BITS, lanes};

pub(super) const SYMBOLS: usize = 16;
const SCALE: u16 = 1 << SCALE_BITS;

/// Cumulative frequencies of the symbols. That of the first is always zero: its place holds how many symbols
/// the model has seen, for it learns fast at first.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(crate) struct Model(pub(super) [u16; SYMBOLS]);

/// By the number of symbols seen: what part of the distance to the new symbol a model moves, as a shift.
const RATES: [u8; 32] = [
    1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6,
];

/// Where each symbol draws the cumulative frequencies to; every symbol keeps a frequency of at least 1.
static TARGETS: [Model; SYMBOLS] = {
    let mut targets = [Model([0; SYMBOLS]); SYMBOLS];
    let mut symbol = 0;
    while symbol < SYMBOLS {
        let mut at = 0;
        while at < SYMBOLS {
            targets[symbol].0[at] = if at <= symbol {
                at as u16
            } else {
                SCALE - (SYMBOLS - at) as u16
            };
            at += 1;
        }
        symbol += 1;
    }
    targets
};

impl Model {
    pub(crate) const NEW: Self = {
        let mut cumulative = [0; SYMBOLS];
        let mut at = 1;
        while at < SYMBOLS {
            cumulative[at] = (SCALE as usize / SYMBOLS * at) as u16;
            at += 1;
        }
        Self(cumulative)
    };

    /// The symbol's lower bound and frequency.
    #[inline]
    pub(super) fn range(&self, symbol: usize) -> (u32, u32) {
        // Often either, so that branches would be mispredicted.
        let low = select_unpredictable(symbol == 0, 0, self.0[symbol & 15]);
        let next = self.0[(symbol + 1) & 15];
        let high = select_unpredictable(symbol >= SYMBOLS - 1, SCALE, next);
        (u32::from(low), u32::from(high - low))
    }

    /// The symbol's frequency: which of two ways to say something is the cheaper.
    #[inline]
    pub(crate) fn frequency(&self, symbol: usize) -> u32 {
        self.range(symbol).1
    }

    /// The first of `count` symbols from `first` on that has the least frequency.
    #[inline]
    pub(crate) fn least(&self, first: usize, count: usize) -> usize {
        let among = ((1_u32 << count) - 1) << first;
        lanes::least(self, among as u16)
    }

    /// What the symbol costs.
    pub(super) fn bits(&self, symbol: usize) -> f64 {
        f64::from(SCALE_BITS) - f64::from(self.frequency(symbol)).log2()
    }

    /// The symbol whose range holds `target`.
    #[inline]
    pub(super) fn find(&self, target: u32) -> usize {
        // The place of the first is no bound: it counts as one that is not above any target.
        let above = (lanes::above(self, target as u16) & !1) | (1 << SYMBOLS);
        above.trailing_zeros() as usize - 1
    }

    #[inline]
    pub(super) fn learn(&mut self, symbol: usize) {
        let seen = self.0[0] & 31;
        let rate = RATES[usize::from(seen)];
        lanes::approach(self, &TARGETS[symbol & 15], rate, (seen + 1).min(31));
    }
}
