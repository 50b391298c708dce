//! What is said of a span.
#![expect(
    unsafe_code,
    reason = "what a future keeps is written when there is something"
)]

use std::fmt;
use std::mem::MaybeUninit;

use super::rows::{self, Rows};

/// What threads did, added up over intervals. Differences may wrap on their way: only what comes out is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// How long the intervals were, in nanoseconds.
    pub(super) active: u64,
    /// Of this, asleep; where waits are not split, all of them.
    pub(super) blocked: u64,
    /// Of this, ready without a CPU.
    pub(super) run_queue: u64,
    pub(super) voluntary: u32,
    pub(super) involuntary: u32,
    pub(super) page_faults: u32,
}

impl Sums {
    pub(super) const ZERO: Self = Self {
        active: 0,
        blocked: 0,
        run_queue: 0,
        voluntary: 0,
        involuntary: 0,
        page_faults: 0,
    };

    /// On a CPU for so long, and nothing else.
    #[inline(always)]
    pub(super) const fn only_active(active: u64) -> Self {
        Self {
            active,
            ..Self::ZERO
        }
    }

    #[inline(always)]
    pub(super) const fn plus(self, more: Self) -> Self {
        Self {
            active: self.active.wrapping_add(more.active),
            blocked: self.blocked.wrapping_add(more.blocked),
            run_queue: self.run_queue.wrapping_add(more.run_queue),
            voluntary: self.voluntary.wrapping_add(more.voluntary),
            involuntary: self.involuntary.wrapping_add(more.involuntary),
            page_faults: self.page_faults.wrapping_add(more.page_faults),
        }
    }

    #[inline(always)]
    pub(super) const fn minus(self, part: Self) -> Self {
        Self {
            active: self.active.wrapping_sub(part.active),
            blocked: self.blocked.wrapping_sub(part.blocked),
            run_queue: self.run_queue.wrapping_sub(part.run_queue),
            voluntary: self.voluntary.wrapping_sub(part.voluntary),
            involuntary: self.involuntary.wrapping_sub(part.involuntary),
            page_faults: self.page_faults.wrapping_sub(part.page_faults),
        }
    }

    /// The same without shares below nothing, which differences of what was settled apart may have.
    const fn tidy(mut self) -> Self {
        if self.blocked.cast_signed() < 0 {
            self.blocked = 0;
        }
        if self.run_queue.cast_signed() < 0 {
            self.run_queue = 0;
        }
        if self.active.cast_signed() < 0 {
            self.active = 0;
        }
        self.settled()
    }

    /// Waits that are no longer than the interval: two clocks measure them, which differ by a microsecond or two.
    #[inline(always)]
    pub(super) const fn settled(mut self) -> Self {
        let excess = (self.blocked + self.run_queue).saturating_sub(self.active);
        if excess > 0 {
            let of_queue = if excess < self.run_queue {
                excess
            } else {
                self.run_queue
            };
            self.run_queue -= of_queue;
            self.blocked -= excess - of_queue;
        }
        self
    }

    const fn cpu(&self) -> u64 {
        self.active
            .wrapping_sub(self.blocked)
            .wrapping_sub(self.run_queue)
    }
}

impl Sums {
    /// As attributes.
    #[inline(always)]
    fn split(self) -> [i64; 6] {
        [
            number(self.cpu()),
            number(self.blocked),
            number(self.run_queue),
            self.voluntary.into(),
            self.involuntary.into(),
            self.page_faults.into(),
        ]
    }

    /// The same where waits of both kinds are one.
    #[inline(always)]
    fn unsplit(self) -> [i64; 5] {
        [
            number(self.cpu()),
            number(self.blocked),
            self.voluntary.into(),
            self.involuntary.into(),
            self.page_faults.into(),
        ]
    }
}

#[inline(always)]
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// What a span did while it was active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// With the spans that were active on top of it.
    pub(super) total: Sums,
    /// Without them.
    pub(super) own: Sums,
    /// How often it became active.
    pub(super) activations: u32,
    /// Whether blocked and ready are one sum, because nobody told them apart.
    pub(super) is_unsplit: bool,
}

/// What a span did that was on a CPU whenever it was active, and nothing else happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OnCpu {
    /// For so many nanoseconds in all.
    pub(crate) active: u64,
    /// Without the spans that were active on top of it.
    pub(crate) own: u64,
    /// How often it became active.
    pub(crate) slices: u32,
}

impl OnCpu {
    #[inline(always)]
    pub(crate) const fn once(active: u64, own: u64) -> Self {
        Self {
            active,
            own,
            slices: 1,
        }
    }

    /// How long that was, if it was once, and alone.
    #[inline(always)]
    pub(crate) const fn only_active(self) -> Option<u64> {
        if self.slices == 1 && self.own == self.active {
            Some(self.active)
        } else {
            None
        }
    }

    #[inline(always)]
    pub(crate) const fn figures(self) -> Figures {
        Figures {
            total: Sums::only_active(self.active),
            own: Sums::only_active(self.own),
            activations: self.slices,
            is_unsplit: false,
        }
    }
}

/// What the span of a future did in the polls that are over: kept in the future between them.
pub(crate) struct Between {
    /// In all and of its own. Written with the first slice: what a future has of this is moved with it, and a move
    /// of what was written just before stalls the processor.
    sums: MaybeUninit<[Sums; 2]>,
    /// Slices; if there are none, `sums` is nothing.
    activations: u32,
    /// Of `sums` the times are there, and nothing else: there was nothing else.
    is_simple: bool,
    /// Something of the span may wait elsewhere, too.
    pub(super) is_elsewhere: bool,
    /// A frame of the thread that polls it points here.
    pub(super) is_lent: bool,
}

impl Between {
    pub(crate) const NOTHING: Self = Self {
        sums: MaybeUninit::uninit(),
        activations: 0,
        is_simple: false,
        is_elsewhere: false,
        is_lent: false,
    };

    /// Of a span that was active before its future was there.
    pub(crate) const fn elsewhere() -> Self {
        Self {
            is_elsewhere: true,
            ..Self::NOTHING
        }
    }

    /// Whether the span did more than the slice that runs.
    #[inline(always)]
    pub(super) const fn is_any(&self) -> bool {
        self.activations != 0 || self.is_elsewhere
    }

    /// A slice is over.
    pub(super) const fn add(&mut self, total: Sums, own: Sums) {
        let [all, of_own] = self.sums();
        self.sums = MaybeUninit::new([all.plus(total), of_own.plus(own)]);
        self.is_simple = false;
        self.activations = self.activations.saturating_add(1);
    }

    /// The same of one that was nothing but time on a CPU.
    #[inline(always)]
    pub(super) const fn add_time(&mut self, total: u64, own: u64) {
        let is_first = self.activations == 0;
        self.activations = self.activations.saturating_add(1);
        let sums = self.sums.as_mut_ptr().cast::<Sums>();
        // SAFETY: two of them are there, of which the first slice of any kind has written the times at least.
        unsafe {
            let all = &raw mut (*sums).active;
            let of_own = &raw mut (*sums.add(1)).active;
            if is_first {
                self.is_simple = true;
                (*all, *of_own) = (total, own);
            } else {
                *all = (*all).wrapping_add(total);
                *of_own = (*of_own).wrapping_add(own);
            }
        }
    }

    /// In all and of its own.
    const fn sums(&self) -> [Sums; 2] {
        if self.activations == 0 {
            return [Sums::ZERO; 2];
        }
        if !self.is_simple {
            // SAFETY: a slice that was more than time has written all of it.
            return unsafe { self.sums.assume_init() };
        }
        let sums = self.sums.as_ptr().cast::<Sums>();
        // SAFETY: two of them are there, whose times the first slice has written.
        let (all, of_own) = unsafe { ((*sums).active, (*sums.add(1)).active) };
        [Sums::only_active(all), Sums::only_active(of_own)]
    }

    /// The span ends after a slice that was nothing but time on a CPU: what it did with those before, if they were
    /// that, too. Then there is nothing here any more.
    #[inline(always)]
    pub(super) const fn give_after(&mut self, active: u64, own: u64) -> Option<OnCpu> {
        let mut all = OnCpu::once(active, own);
        if self.activations != 0 {
            if !self.is_simple {
                return None;
            }
            let sums = self.sums.as_ptr().cast::<Sums>();
            // SAFETY: two of them are there, whose times the first slice has written.
            let (before, own_before) = unsafe { ((*sums).active, (*sums.add(1)).active) };
            all.active = active.wrapping_add(before);
            all.own = own.wrapping_add(own_before);
            all.slices = self.activations.saturating_add(1);
        }
        self.activations = 0;
        self.is_elsewhere = false;
        Some(all)
    }

    /// The span ends: what is here goes to `figures`.
    #[inline(always)]
    pub(super) const fn give(&mut self, figures: &mut Figures) {
        let [total, own] = self.sums();
        figures.total = figures.total.plus(total);
        figures.own = figures.own.plus(own);
        figures.activations = figures.activations.wrapping_add(self.activations);
        self.activations = 0;
        self.is_elsewhere = false;
    }
}

impl fmt::Debug for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Between")
            .field("activations", &self.activations)
            .finish_non_exhaustive()
    }
}

/// Attributes of a span at most.
#[cfg(feature = "performance")]
pub(crate) const ATTRIBUTES: usize = 14;

impl Figures {
    pub(crate) const NONE: Self = Self {
        total: Sums::ZERO,
        own: Sums::ZERO,
        activations: 0,
        is_unsplit: false,
    };

    /// The same with what `more` says of the same span.
    #[inline(always)]
    pub(super) const fn plus(self, more: &Self) -> Self {
        Self {
            total: self.total.plus(more.total),
            own: self.own.plus(more.own),
            activations: self.activations.wrapping_add(more.activations),
            is_unsplit: self.is_unsplit,
        }
    }

    /// For how long it was active, if it was on a CPU then, once and alone.
    pub(super) fn only_active(&self) -> Option<u64> {
        let active = self.total.active;
        let plain = OnCpu::once(active, active).figures();
        (*self == plain).then_some(active)
    }

    /// Whether the span was active more than once.
    pub(crate) const fn is_several(&self) -> bool {
        self.activations > 1
    }

    /// How many attributes they are.
    pub(crate) fn attributes(&self) -> usize {
        let of_sums = if self.is_unsplit { 5 } else { 6 };
        let mut count = of_sums;
        if self.own != self.total {
            count += of_sums;
        }
        if self.activations > 1 {
            count += 2;
        }
        count
    }

    /// Hands the attributes to `rows`; the span took `duration` nanoseconds.
    #[inline(always)]
    pub(crate) fn in_rows(&self, duration: u64, rows: &mut impl Rows) {
        let (total, own) = (self.total.tidy(), self.own.tidy());
        let has_own = self.own != self.total;
        if self.is_unsplit {
            rows.row(&rows::UNSPLIT_TOTAL, total.unsplit());
            if has_own {
                rows.row(&rows::UNSPLIT_OWN, own.unsplit());
            }
        } else {
            rows.row(&rows::TOTAL, total.split());
            if has_own {
                rows.row(&rows::OWN, own.split());
            }
        }
        if self.activations > 1 {
            let between = duration.saturating_sub(self.total.active);
            rows.row(&rows::POLLS, [self.activations.into(), number(between)]);
        }
    }

    /// As numbers, and back by [`from_numbers`](Self::from_numbers).
    pub(super) fn to_numbers(self) -> [i64; NUMBERS] {
        let sums = |sums: Sums| {
            [
                sums.active.cast_signed(),
                sums.blocked.cast_signed(),
                sums.run_queue.cast_signed(),
                pair(sums.voluntary, sums.involuntary),
                i64::from(sums.page_faults),
            ]
        };
        let ([a, b, c, d, e], [f, g, h, i, j]) = (sums(self.total), sums(self.own));
        let last = pair(self.activations, self.is_unsplit.into());
        [a, b, c, d, e, f, g, h, i, j, last]
    }

    pub(super) fn from_numbers(numbers: &[i64]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i, j, last] = *numbers else {
            return None;
        };
        let sums = |[active, blocked, run_queue, switches, page_faults]: [i64; 5]| {
            let (voluntary, involuntary) = unpair(switches);
            Sums {
                active: active.cast_unsigned(),
                blocked: blocked.cast_unsigned(),
                run_queue: run_queue.cast_unsigned(),
                voluntary,
                involuntary,
                page_faults: page_faults as u32,
            }
        };
        let (activations, is_unsplit) = unpair(last);
        Some(Self {
            total: sums([a, b, c, d, e]),
            own: sums([f, g, h, i, j]),
            activations,
            is_unsplit: is_unsplit != 0,
        })
    }
}

pub(super) const NUMBERS: usize = 11;

const fn pair(high: u32, low: u32) -> i64 {
    ((high as u64) << 32 | low as u64).cast_signed()
}

const fn unpair(both: i64) -> (u32, u32) {
    let both = both.cast_unsigned();
    ((both >> 32) as u32, both as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMS: Sums = Sums {
        active: 1_000,
        blocked: 600,
        run_queue: 100,
        voluntary: 3,
        involuntary: u32::MAX,
        page_faults: 5,
    };

    fn visited(figures: &Figures) -> Vec<(&'static str, i64)> {
        struct Visited(Vec<(&'static str, i64)>);
        impl Rows for Visited {
            fn row<const N: usize>(&mut self, row: &'static rows::Row<N>, values: [i64; N]) {
                self.0.extend(row.keys.into_iter().zip(values));
            }
        }
        let mut visited = Visited(Vec::new());
        figures.in_rows(2_000, &mut visited);
        visited.0
    }

    #[test]
    fn figures_as_numbers_come_back_as_they_were() {
        let figures = Figures {
            total: SUMS,
            own: Sums {
                blocked: 1,
                ..Sums::ZERO
            },
            activations: 7,
            is_unsplit: true,
        };
        assert_eq!(Figures::from_numbers(&figures.to_numbers()), Some(figures));
        assert_eq!(Figures::from_numbers(&[1, 2]), None);
    }

    #[test]
    fn waits_longer_than_the_interval_are_cut_and_the_rest_adds_up() {
        let late = Sums {
            active: 650,
            ..SUMS
        };
        let settled = late.settled();
        assert_eq!(
            (settled.blocked, settled.run_queue, settled.cpu()),
            (600, 50, 0)
        );
        let later = Sums {
            active: 400,
            ..SUMS
        };
        let settled = later.settled();
        assert_eq!(
            (settled.blocked, settled.run_queue, settled.cpu()),
            (400, 0, 0)
        );
        assert_eq!(SUMS.settled(), SUMS);
    }

    #[test]
    fn figures_of_a_span_alone_are_said_once() {
        let alone = Figures {
            total: SUMS,
            own: SUMS,
            activations: 1,
            is_unsplit: false,
        };
        let names = visited(&alone);
        assert_eq!(names.len(), 6);
        assert_eq!(alone.attributes(), 6);
        assert_eq!(names[0], ("otel_enhance.cpu.time", 300));
    }

    #[test]
    fn attributes_are_as_many_as_are_visited() {
        for (own, activations, is_unsplit) in [
            (SUMS, 1, false),
            (Sums::ZERO, 1, false),
            (SUMS, 2, true),
            (Sums::ZERO, 7, true),
        ] {
            let figures = Figures {
                total: SUMS,
                own,
                activations,
                is_unsplit,
            };
            assert_eq!(figures.attributes(), visited(&figures).len(), "{figures:?}");
        }
    }
}
