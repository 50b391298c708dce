//! Any literals in any values: every level finds what a naive search finds.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use otel_enhance_kernels::Level;
use otel_enhance_kernels::scan::{Case, Literals};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    literals: Vec<&'a [u8]>,
    values: Vec<&'a [u8]>,
    ignore_case: bool,
    /// Searched too, without a panic, whatever the ends are.
    wild_ends: Vec<usize>,
}

fuzz_target!(|input: Input<'_>| {
    let case = if input.ignore_case { Case::IgnoreAscii } else { Case::Sensitive };
    let Ok(literals) = Literals::new(&input.literals, case) else {
        assert!(input.literals.len() > 4096 || input.literals.iter().any(|l| l.is_empty()));
        return;
    };
    let arena = input.values.concat();
    let mut ends = Vec::new();
    let mut expected = Vec::new();
    let mut begin = 0;
    for (number, value) in input.values.iter().enumerate() {
        for at in 0..value.len() {
            for (literal, bytes) in input.literals.iter().enumerate() {
                let found = value[at..].get(..bytes.len()).is_some_and(|text| match case {
                    Case::Sensitive => text == *bytes,
                    Case::IgnoreAscii => text.eq_ignore_ascii_case(bytes),
                });
                if found {
                    expected.push((number, begin + at, literal));
                }
            }
        }
        begin += value.len();
        ends.push(begin);
    }
    for level in Level::supported() {
        let mut found = Vec::new();
        literals.scan_with(level, &arena, &ends, |hit| {
            found.push((hit.value, hit.start, hit.literal));
        });
        assert_eq!(found, expected, "{level}");
        literals.scan_with(level, &arena, &input.wild_ends, |hit| {
            assert!(hit.value < input.wild_ends.len() && hit.start < arena.len());
        });
    }
});
