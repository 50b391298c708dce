//! Any numbers: columns come back, any bytes unpack without a panic, levels agree.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use otel_enhance_kernels::pack::{self, Frame};
use otel_enhance_kernels::{Level, histogram, varint};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    before: u64,
    values: Vec<u64>,
    floats: Vec<f64>,
    scale: i8,
    width: u8,
    count: u16,
    bytes: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let Input { before, values, floats, scale, .. } = &input;
    let (mut deltas, mut indexes) = (Vec::new(), Vec::new());
    pack::append_deltas_with(Level::Scalar, *before, values, &mut deltas);
    histogram::append_indexes_with(Level::Scalar, floats, *scale, &mut indexes);
    for level in Level::supported() {
        let mut again = Vec::new();
        pack::append_deltas_with(level, *before, values, &mut again);
        assert_eq!(again, deltas, "{level}");
        let frame = Frame::of_with(level, &deltas);
        assert_eq!(frame, Frame::of_with(Level::Scalar, &deltas), "{level}");

        let mut packed = Vec::new();
        pack::append_packed(frame, &deltas, &mut packed);
        assert_eq!(packed.len(), frame.packed_len(deltas.len()));
        let mut read = Vec::new();
        pack::append_unpacked(frame, &packed, values.len(), &mut read).unwrap();
        pack::undo_deltas(*before, &mut read);
        assert_eq!(&read, values, "{level}");

        let total = varint::total_len_with(Level::Scalar, values);
        assert_eq!(varint::total_len_with(level, values), total, "{level}");
        // One by one no block is ever full: the exact formula.
        let mut again = Vec::new();
        histogram::append_indexes_with(level, floats, *scale, &mut again);
        assert_eq!(again, indexes, "{level}");
        for (float, index) in floats.iter().zip(&indexes) {
            let mut alone = Vec::new();
            histogram::append_indexes_with(level, &[*float], *scale, &mut alone);
            assert_eq!(alone, [*index], "{level} {float:e}");
        }
    }

    let Ok(frame) = Frame::new(input.before, input.width) else {
        assert!(input.width > 64);
        return;
    };
    let count = usize::from(input.count);
    let mut read = Vec::new();
    let enough = input.bytes.len() >= frame.packed_len(count);
    let result = pack::append_unpacked(frame, input.bytes, count, &mut read);
    assert_eq!(result.is_ok(), enough);
    if enough {
        let mut packed = Vec::new();
        pack::append_packed(frame, &read, &mut packed);
        let mut again = Vec::new();
        pack::append_unpacked(frame, &packed, count, &mut again).unwrap();
        assert_eq!(again, read);
    }
});
