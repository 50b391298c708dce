//! From a span's bytes to the values of its own, if it is of a leaf.

use super::DEEPEST;
use super::compiled::{ChainItem, Compiled, Run, SHALLOW, Step};
#[cfg(target_arch = "x86_64")]
use super::fixed::Avx2;
use super::fixed::{self, Compare, Words};
use crate::wire;

/// How far a span was read: where in the input, and the steps that were begun.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: usize,
    next: usize,
}

/// How a span differs from a leaf: spans that differ from it in the same way are likely to be of one leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Miss(pub(crate) u64);

impl Miss {
    fn of_len(len: usize) -> Self {
        Self(u64::MAX ^ len as u64)
    }

    fn of_byte(step: usize, offset: usize, byte: Option<&u8>) -> Self {
        let byte = byte.map_or(0, |byte| 1 + u64::from(*byte));
        Self((step as u64) << 48 ^ (offset as u64) << 16 ^ byte)
    }
}

impl Compiled {
    /// Whether the span at `start..end` of `input` is of this leaf; if so, its own values are in `values`, if not, it is
    /// told where it differs.
    #[inline]
    pub(crate) fn matches(
        &self,
        input: &[u8],
        start: usize,
        end: usize,
        values: &mut [u64],
    ) -> Result<(), Miss> {
        let len = end - start;
        if len < self.least || (self.is_fixed && len > self.least) {
            return Err(Miss::of_len(len));
        }
        match self.matches_or_place(input, start, end, values) {
            None => Ok(()),
            Some(place) => Err(self.miss(&input[..end], place)),
        }
    }

    #[inline(always)]
    fn matches_or_place(
        &self,
        input: &[u8],
        start: usize,
        end: usize,
        values: &mut [u64],
    ) -> Option<Place> {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::new() {
            // SAFETY: the processor has AVX2.
            #[expect(unsafe_code, reason = "compiled for processors that have more")]
            return unsafe { self.matches_by_avx2(avx2, input, start, end, values) };
        }
        self.matches_by(Words, input, start, end, values)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn matches_by_avx2(
        &self,
        avx2: Avx2,
        input: &[u8],
        start: usize,
        end: usize,
        values: &mut [u64],
    ) -> Option<Place> {
        self.matches_by(avx2, input, start, end, values)
    }

    #[inline(always)]
    fn matches_by<C: Compare>(
        &self,
        compare: C,
        input: &[u8],
        start: usize,
        end: usize,
        values: &mut [u64],
    ) -> Option<Place> {
        if self.depth < SHALLOW {
            self.matches_within::<C, SHALLOW>(compare, input, start, end, values)
        } else {
            self.matches_within::<C, { DEEPEST + 2 }>(compare, input, start, end, values)
        }
    }

    /// What the span, which `span` ends with, has instead of what the step at `place` has.
    #[inline(never)]
    fn miss(&self, span: &[u8], place: Place) -> Miss {
        let step = place.next.saturating_sub(1);
        let found = span.get(place.at..).unwrap_or_default();
        let Some(&(Step::Run(run) | Step::Chain { run, .. })) = self.forwards.get(step) else {
            return Miss::of_byte(step, 0, found.first());
        };
        let run = &self.runs[usize::from(run)];
        let fixed = run.fixed();
        let offset = fixed::difference(found, &self.bytes[fixed.clone()], &self.mask[fixed]);
        let offset = offset.or(run.outer.map(usize::from));
        let offset = offset.unwrap_or(run.len as usize);
        Miss::of_byte(step, offset, found.get(offset))
    }

    #[inline(always)]
    fn matches_within<C: Compare, const DEPTH: usize>(
        &self,
        compare: C,
        input: &[u8],
        start: usize,
        end: usize,
        values: &mut [u64],
    ) -> Option<Place> {
        let span = &input[..end];
        let mut ends = [0; DEPTH];
        let (mut at, mut depth, mut next) = (start, 0, 0);
        let matches = loop {
            let Some(step) = self.forwards.get(next) else {
                break at == end;
            };
            next += 1;
            let (width, slot) = match *step {
                Step::Chain {
                    run,
                    slot,
                    item,
                    steps,
                } => {
                    let run = &self.runs[usize::from(run)];
                    // With a longer length, what follows is not where it is looked for below.
                    if let Some(outer) = run.outer
                        && let Some(0x80..) = span.get(at + usize::from(outer))
                    {
                        continue;
                    }
                    let run_end = at + run.len as usize;
                    let Some(number) = wire::varint(span, run_end) else {
                        break false;
                    };
                    let mut item_end = number.end;
                    let mut value = number.value;
                    if item == ChainItem::Bytes {
                        if value >= 0x80 {
                            continue;
                        }
                        item_end += value as usize;
                        value |= (number.end as u64) << 32;
                        if item_end > end {
                            break false;
                        }
                    }
                    let item_len = item_end - run_end;
                    if number.width != 0
                        || !self.is_run((compare, run), input, at, item_len, values)
                    {
                        break false;
                    }
                    values[usize::from(slot)] = value;
                    at = item_end;
                    next += usize::from(steps);
                    continue;
                }
                Step::Run(run) => {
                    let run = &self.runs[usize::from(run)];
                    let run_end = at + run.len as usize;
                    if run_end > end || !self.is_run((compare, run), input, at, 0, values) {
                        break false;
                    }
                    at = run_end;
                    continue;
                }
                Step::Close => {
                    depth -= 1;
                    if ends[depth] != at {
                        break false;
                    }
                    continue;
                }
                Step::Open(width) => (width, None),
                Step::Varint(width, slot) => (width, Some(slot)),
                Step::Bytes(width, slot) => (width, Some(slot)),
            };
            let Some(number) = wire::varint(span, at) else {
                break false;
            };
            if number.width != width {
                break false;
            }
            at = number.end;
            if let (Step::Varint(..), Some(slot)) = (step, slot) {
                values[usize::from(slot)] = number.value;
                continue;
            }
            if number.value > (end - at) as u64 {
                break false;
            }
            let inner_end = at + number.value as usize;
            if let Some(slot) = slot {
                values[usize::from(slot)] = ((at as u64) << 32) | number.value;
                at = inner_end;
            } else {
                ends[depth] = inner_end;
                depth += 1;
            }
        };
        (!matches).then_some(Place { at, next })
    }

    /// Whether the run is at `at` of the input, before an item of this length; if so, its values are taken out.
    #[inline(always)]
    fn is_run<C: Compare>(
        &self,
        (compare, run): (C, &Run),
        input: &[u8],
        at: usize,
        item_len: usize,
        values: &mut [u64],
    ) -> bool {
        // To the end of the input, for runs are compared by more bytes than they have.
        let bytes = &input[at..];
        let parts = &self.parts;
        let fixed = run.fixed();
        let mut differ = fixed::differs(
            compare,
            bytes,
            &self.bytes[fixed.clone()],
            &self.mask[fixed],
        );
        for part in &parts[usize::from(run.lengths)..usize::from(run.end)] {
            differ |= usize::from(bytes[part.offset as usize]) != item_len + usize::from(part.at);
        }
        if differ {
            return false;
        }
        for part in &parts[usize::from(run.eights)..usize::from(run.others)] {
            values[usize::from(part.at)] = eight(bytes, part.offset as usize);
        }
        for part in &parts[usize::from(run.others)..usize::from(run.lengths)] {
            let offset = part.offset as usize;
            values[usize::from(part.at)] = if part.len == 16 {
                (((at + offset) as u64) << 32) | 16
            } else {
                four(bytes, offset)
            };
        }
        true
    }
}

fn eight(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes[at..].first_chunk();
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn four(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes[at..].first_chunk();
    bytes.map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)))
}
