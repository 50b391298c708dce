//! How likely each of sixteen symbols is, learnt as they come.

use core::hint::select_unpredictable;

use super::{SCALE_BITS, lanes};

pub(super) const SYMBOLS: usize = 16;
const SCALE: u16 = 1 << SCALE_BITS;

/// Cumulative frequencies of the symbols. That of the first is always zero: its place holds the model's age, for it
/// learns fast at first. The age moves as the frequencies do, so that it takes nothing to keep it.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(crate) struct Model(pub(super) [u16; SYMBOLS]);

/// For how many symbols a model moves by which part of the distance to the new symbol, as a shift.
const STEPS: [u8; 31] = [
    1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
];
const LAST_STEP: u8 = 6;
/// Where the age is drawn to.
const OLD: u16 = SCALE - 1;
/// Ages of which one step is the same.
const AGES: u32 = 6;

/// The steps by the ages that they lead through.
static RATES: [u8; SCALE as usize >> AGES] = {
    let mut rates = [LAST_STEP; SCALE as usize >> AGES];
    let (mut age, mut seen) = (0, 0);
    while seen < STEPS.len() {
        let step = STEPS[seen];
        let place = &mut rates[age as usize >> AGES];
        assert!(*place == step || *place == LAST_STEP, "ages are told apart");
        *place = step;
        age += (OLD - age) >> step;
        seen += 1;
    }
    assert!(rates[age as usize >> AGES] == LAST_STEP);
    rates
};

/// Where each symbol draws the cumulative frequencies to; every symbol keeps a frequency of at least 1.
static TARGETS: [Model; SYMBOLS] = {
    let mut targets = [Model([0; SYMBOLS]); SYMBOLS];
    let mut symbol = 0;
    while symbol < SYMBOLS {
        let mut at = 0;
        while at < SYMBOLS {
            targets[symbol].0[at] = if at == 0 {
                OLD
            } else if at <= symbol {
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
        let rate = RATES[usize::from(self.0[0] >> AGES) % RATES.len()];
        lanes::approach(self, &TARGETS[symbol & 15], rate);
    }
}
