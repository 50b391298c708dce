//! By what a span's records are kept, and what takes the place of that when the span has ended.
#![cfg_attr(
    feature = "ebpf",
    expect(
        unsafe_code,
        reason = "a number takes the place of a reference that nobody needs any more: the two lines of a record are full"
    )
)]

use opentelemetry_sdk::trace::SpanLimits;

use super::Contents;
#[cfg(feature = "ebpf")]
use super::Marks;

/// See the module.
#[derive(Debug)]
pub(in super::super) struct Rules {
    pub(in super::super) limits: SpanLimits,
    /// A short text is copied into the record, and given up where it was made.
    pub(in super::super) copies_texts: bool,
}

/// Nothing is kept.
static NONE: Rules = Rules {
    limits: SpanLimits {
        max_events_per_span: 0,
        max_attributes_per_span: 0,
        max_links_per_span: 0,
        max_attributes_per_event: 0,
        max_attributes_per_link: 0,
    },
    copies_texts: false,
};

/// Where a record has its rules.
#[cfg(not(feature = "ebpf"))]
pub(super) struct Place(&'static Rules);

/// Where a record has its rules, or, of a span that is marked so, how long it was on a CPU.
#[cfg(feature = "ebpf")]
pub(super) union Place {
    rules: &'static Rules,
    own: u64,
    /// In all, and without others.
    both: [u32; 2],
}

impl Place {
    pub(super) const NONE: Self = Self::of(&NONE);

    #[inline(always)]
    pub(super) const fn of(rules: &'static Rules) -> Self {
        #[cfg(feature = "ebpf")]
        return Self { rules };
        #[cfg(not(feature = "ebpf"))]
        Self(rules)
    }
}

#[cfg(not(feature = "ebpf"))]
impl Contents {
    #[inline(always)]
    pub(super) const fn rules(&self) -> &'static Rules {
        self.rules.0
    }
}

#[cfg(feature = "ebpf")]
impl Contents {
    /// Of a span that is open.
    #[inline(always)]
    pub(super) const fn rules(&self) -> &'static Rules {
        if self.marks.has_any(Marks::HAS_OWN, Marks::IS_SHORT) {
            return &NONE;
        }
        // SAFETY: only `set_own` and `set_both` write anything else, with these marks, which only `begin` takes away, with
        // rules.
        unsafe { self.rules.rules }
    }

    /// How long a span was on a CPU itself that has ended, where that is not all of its time.
    #[inline(always)]
    pub(super) fn own(&self) -> Option<u64> {
        // SAFETY: the mark says that this is what is there.
        let own = || unsafe { self.rules.own };
        self.marks.has(Marks::HAS_OWN).then(own)
    }

    #[inline(always)]
    pub(super) const fn set_own(&mut self, own: u64) {
        self.rules = Place { own };
        self.marks.set(Marks::HAS_OWN);
    }

    /// How long a span was on a CPU that has ended, in all and without others, where that is kept in few bytes.
    #[inline(always)]
    pub(super) fn both(&self) -> Option<[u32; 2]> {
        // SAFETY: the mark says that this is what is there.
        let both = || unsafe { self.rules.both };
        self.marks.has(Marks::IS_SHORT).then(both)
    }

    #[inline(always)]
    pub(super) const fn set_both(&mut self, both: [u32; 2]) {
        self.rules = Place { both };
        self.marks.set(Marks::IS_SHORT);
    }
}
