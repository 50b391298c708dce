//! Folded text: one line a stack, which `flamegraph.pl`, `inferno-flamegraph` and speedscope read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::snapshot::{Profile, ProfileKind, ProfileSample};

/// What stands at the root for samples outside of spans, and for those whose span has not ended.
pub(crate) const NO_SPAN: &str = "[no span]";
pub(crate) const OPEN_SPAN: &str = "[span without a name yet]";

/// The name at the root of a sample's stack.
pub(crate) fn root<'p>(sample: &ProfileSample<'p>) -> &'p str {
    match (sample.span_name(), sample.is_in_span()) {
        (Some(name), _) => name,
        (None, true) => OPEN_SPAN,
        (None, false) => NO_SPAN,
    }
}

impl Profile {
    /// One line a stack, from the root to the leaf, `;` between functions, and what it weighs: samples of the CPU,
    /// or microseconds of sleep. The first of the functions is the span's name.
    ///
    /// ```text
    /// checkout;std::rt::lang_start;shop::main;shop::checkout;shop::price 42
    /// ```
    #[must_use]
    pub fn to_folded(&self, kind: ProfileKind) -> String {
        let mut lines: BTreeMap<String, u64> = BTreeMap::new();
        for sample in self.samples_of(kind) {
            let mut line = String::new();
            fold(&mut line, root(&sample));
            let frames: Vec<_> = sample.frames().collect();
            for frame in frames.iter().rev() {
                line.push(';');
                fold(&mut line, &frame.function);
            }
            *lines.entry(line).or_default() += match kind {
                ProfileKind::Cpu => sample.count(),
                ProfileKind::OffCpu => sample.nanoseconds(),
            };
        }
        let mut text = String::new();
        for (line, weight) in lines {
            let weight = match kind {
                ProfileKind::Cpu => weight,
                ProfileKind::OffCpu => weight.div_ceil(1_000),
            };
            // A string takes everything.
            let _ = writeln!(text, "{line} {weight}");
        }
        text
    }
}

/// What separates frames and lines does not occur in them.
fn fold(line: &mut String, name: &str) {
    line.extend(name.chars().map(|c| match c {
        ';' => ':',
        c if c.is_control() => ' ',
        c => c,
    }));
}
