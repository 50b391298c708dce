use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::testing::{for_each_level, random_words};

/// Bit by bit.
fn naive(frame: Frame, values: &[u64]) -> Vec<u8> {
    let width = usize::from(frame.width());
    let mut bytes = vec![0; (values.len() * width).div_ceil(8)];
    for (at, value) in values.iter().enumerate() {
        let above = value.wrapping_sub(frame.base());
        for bit in 0..width {
            let place = at * width + bit;
            bytes[place / 8] |= ((above >> bit & 1) as u8) << (place % 8);
        }
    }
    bytes
}

fn unpacked(frame: Frame, bytes: &[u8], count: usize) -> Vec<u64> {
    let mut values = vec![42];
    append_unpacked(frame, bytes, count, &mut values).unwrap();
    assert_eq!(values.remove(0), 42);
    values
}

#[test]
fn packing_at_every_width_and_length_equals_bit_by_bit_and_comes_back() {
    let mut words = random_words(11);
    for width in 0..=64 {
        let base = words() >> 1;
        let frame = Frame::new(base, width).unwrap();
        let mask = u64::MAX.checked_shr(64 - u32::from(width)).unwrap_or(0);
        let values: Vec<u64> = (0..300)
            .map(|_| base.wrapping_add(words() & mask))
            .collect();
        for length in (0..70).chain((70..=300).step_by(7)) {
            let values = &values[..length];
            let mut bytes = b"before".to_vec();
            append_packed(frame, values, &mut bytes);
            let bytes = bytes.strip_prefix(b"before").unwrap();
            assert_eq!(bytes, naive(frame, values), "{width} bits, {length} values");
            assert_eq!(bytes.len(), frame.packed_len(length));
            assert_eq!(unpacked(frame, bytes, length), values);
            // What follows is not read: neither by value nor as an error.
            let followed = [bytes, &[0xff; 9]].concat();
            assert_eq!(unpacked(frame, &followed, length), values);
        }
    }
}

#[test]
fn unpacking_from_too_few_bytes_says_how_many_and_leaves_the_output() {
    let frame = Frame::new(7, 13).unwrap();
    let mut out = vec![1, 2];
    let error = append_unpacked(frame, &[0; 16], 10, &mut out).unwrap_err();
    assert_eq!(
        error,
        UnpackError::Truncated {
            needed: 17,
            available: 16
        }
    );
    assert_eq!(
        error.to_string(),
        "packed values take 17 bytes, but only 16 are there"
    );
    assert_eq!(out, [1, 2]);
    let widest = Frame::new(0, 64).unwrap();
    assert!(append_unpacked(widest, &[0; 16], usize::MAX, &mut out).is_err());
    assert_eq!(Frame::new(0, 65), Err(UnpackError::Width { width: 65 }));
}

#[test]
fn packing_values_that_the_frame_does_not_hold_keeps_their_neighbours() {
    let frame = Frame::new(0, 5).unwrap();
    let mut bytes = Vec::new();
    append_packed(frame, &[1, u64::MAX, 2], &mut bytes);
    assert_eq!(unpacked(frame, &bytes, 3), [1, 31, 2]);
}

#[test]
fn frame_and_deltas_of_every_length_and_start_equal_their_definition() {
    let mut words = random_words(13);
    let values: Vec<u64> = (0..310).map(|_| words() >> (words() % 64)).collect();
    for level in Level::supported() {
        for start in 0..=8 {
            for end in start..=start + 300 {
                let values = &values[start..end];
                let least = values.iter().copied().min().unwrap_or(0);
                let greatest = values.iter().copied().max().unwrap_or(0);
                let frame = Frame::of_with(level, values);
                assert_eq!(frame.base(), least);
                let bits = (0..=64).find(|bits| u128::from(greatest - least) < 1 << bits);
                assert_eq!(Some(frame.width()), bits);

                let mut column = vec![42];
                append_deltas_with(level, 9, values, &mut column);
                let mut before = 9_u64;
                for (value, code) in values.iter().zip(&column[1..]) {
                    let difference = i128::from(value.wrapping_sub(before) as i64);
                    let expected = if difference < 0 {
                        -2 * difference - 1
                    } else {
                        2 * difference
                    };
                    assert_eq!(i128::from(*code), expected);
                    before = *value;
                }
                assert_eq!((column[0], column.len()), (42, values.len() + 1));
                undo_deltas(9, &mut column[1..]);
                assert_eq!(&column[1..], values);
            }
        }
    }
}

#[test]
fn columns_of_generated_values_come_back() {
    let column = (any::<u64>(), 0..64_u32, vec(any::<u64>(), 0..300));
    for_each_level(column, |level, (base, shift, values)| {
        let values: Vec<u64> = values
            .iter()
            .map(|v| base.wrapping_add(v >> shift))
            .collect();
        let mut deltas = Vec::new();
        append_deltas_with(level, *base, &values, &mut deltas);
        let frame = Frame::of_with(level, &deltas);
        let mut bytes = Vec::new();
        append_packed(frame, &deltas, &mut bytes);
        let mut read = unpacked(frame, &bytes, values.len());
        undo_deltas(*base, &mut read);
        assert_eq!(read, values, "{level}");
    });
}
