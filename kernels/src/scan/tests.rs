use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::testing::{for_each_level, random_words};

/// Every literal at every place of every value.
fn naive(literals: &[Vec<u8>], case: Case, values: &[Vec<u8>]) -> Vec<Match> {
    let equal = |a: &[u8], b: &[u8]| match case {
        Case::Sensitive => a == b,
        Case::IgnoreAscii => a.eq_ignore_ascii_case(b),
    };
    let mut found = Vec::new();
    let mut begin = 0;
    for (value, bytes) in values.iter().enumerate() {
        for at in 0..bytes.len() {
            for (number, literal) in literals.iter().enumerate() {
                let begins = bytes[at..].get(..literal.len());
                if begins.is_some_and(|begins| equal(begins, literal)) {
                    found.push(Match {
                        value,
                        start: begin + at,
                        literal: number,
                    });
                }
            }
        }
        begin += bytes.len();
    }
    found
}

fn scanned(level: Level, literals: &[Vec<u8>], case: Case, values: &[Vec<u8>]) -> Vec<Match> {
    let mut end = 0;
    let ends: Vec<usize> = values
        .iter()
        .map(|value| {
            end += value.len();
            end
        })
        .collect();
    let mut found = Vec::new();
    Literals::new(literals, case)
        .unwrap()
        .scan_with(level, &values.concat(), &ends, |hit| found.push(hit));
    found
}

/// Few letters, in both cases, so that literals occur; and bytes that differ from them in one bit.
fn letter() -> impl Strategy<Value = u8> {
    prop::sample::select(b"aAbBc_\x7f@`\xe1".as_slice())
}

#[test]
fn scan_of_generated_values_equals_a_naive_search() {
    let literals = vec(vec(letter(), 1..6), 0..40);
    let values = vec(vec(letter(), 0..70), 0..12);
    for_each_level((literals, values), |level, (literals, values)| {
        for case in [Case::Sensitive, Case::IgnoreAscii] {
            assert_eq!(
                scanned(level, literals, case, values),
                naive(literals, case, values),
                "{level} {case:?}"
            );
        }
    });
}

#[test]
fn scan_with_hundreds_of_longer_literals_equals_a_naive_search() {
    let literals = vec(vec(letter(), 3..9), 100..400);
    let values = vec(vec(letter(), 0..40), 0..10);
    for_each_level((literals, values), |level, (literals, values)| {
        let expected = naive(literals, Case::IgnoreAscii, values);
        assert_eq!(
            scanned(level, literals, Case::IgnoreAscii, values),
            expected,
            "{level}"
        );
    });
}

#[test]
fn scan_given_a_literal_at_every_place_of_every_length_finds_it_there() {
    for level in Level::supported() {
        for literal in [
            "k",
            "ke",
            "key",
            "key=",
            "a longer literal of thirty-six bytes",
        ] {
            for length in literal.len()..=300 {
                for at in [
                    0,
                    1,
                    length / 2,
                    (length - literal.len()).saturating_sub(1),
                    length - literal.len(),
                ] {
                    let at = at.min(length - literal.len());
                    let mut value = vec![b'-'; length];
                    value[at..at + literal.len()].copy_from_slice(literal.as_bytes());
                    let expected = [Match {
                        value: 0,
                        start: at,
                        literal: 0,
                    }];
                    let literals = [literal.to_ascii_uppercase().into_bytes()];
                    let found = scanned(level, &literals, Case::IgnoreAscii, &[value]);
                    assert_eq!(found, expected, "{level}, {literal:?} at {at} of {length}");
                }
            }
        }
    }
}

#[test]
fn scan_given_any_bytes_and_starts_equals_a_naive_search() {
    let mut words = random_words(7);
    let bytes: Vec<u8> = (0..340).map(|_| (words() % 256) as u8).collect();
    // Two-byte literals, so that random bytes have some.
    let literals: Vec<Vec<u8>> = (0..200)
        .map(|_| words().to_le_bytes()[..2].to_vec())
        .collect();
    let set = Literals::new(&literals, Case::Sensitive).unwrap();
    for level in Level::supported() {
        for start in 0..=16 {
            for length in (0..=300).step_by(7) {
                let arena = &bytes[start..start + length];
                let mut found = Vec::new();
                set.scan_with(level, arena, &[length], |hit| found.push(hit));
                assert_eq!(found, naive(&literals, Case::Sensitive, &[arena.to_vec()]));
            }
        }
    }
}

#[test]
fn scan_given_ends_out_of_order_or_behind_the_arena_stays_within_it() {
    let literals = Literals::new(["ab"], Case::Sensitive).unwrap();
    let arena = b"ababab".repeat(20);
    for level in Level::supported() {
        for ends in [
            &[][..],
            &[500],
            &[60, 10, 90],
            &[120, 0],
            &[usize::MAX, 3],
            &[1, 500],
        ] {
            literals.scan_with(level, &arena, ends, |hit| {
                assert!(
                    hit.value < ends.len() && hit.start < arena.len(),
                    "{ends:?}: {hit:?}"
                );
            });
        }
        let mut found = 0;
        literals.scan_with(level, &arena, &[61], |_| found += 1);
        assert_eq!(found, 30, "the arena's rest belongs to no value");
    }
}

#[test]
fn literals_that_cannot_be_searched_are_refused() {
    let empty = Literals::new(["a", ""], Case::Sensitive).unwrap_err();
    assert_eq!(empty, LiteralError::Empty { literal: 1 });
    let many = Literals::new(vec!["a"; 4097], Case::Sensitive).unwrap_err();
    assert_eq!(
        many.to_string(),
        "4097 literals are more than the 4096 of one set: split them into several sets"
    );
    let most = Literals::new(vec!["a"; 4096], Case::Sensitive).unwrap();
    let mut found = 0;
    most.scan(b"a", &[1], |_| found += 1);
    assert_eq!(found, 4096);
}
