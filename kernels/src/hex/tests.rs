use super::*;
use crate::testing::every_length_and_start;

fn naive(bytes: &[u8]) -> Vec<u8> {
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.into_bytes()
}

#[test]
fn append_given_every_length_and_start_equals_format_and_keeps_what_was_there() {
    every_length_and_start(1, |level, bytes| {
        let mut out = b"before".to_vec();
        append_with(level, bytes, &mut out);
        assert_eq!(&out[..6], b"before");
        assert_eq!(&out[6..], naive(bytes), "{level}, {} bytes", bytes.len());
    });
}

#[test]
fn append_given_every_byte_writes_its_two_digits() {
    let bytes: Vec<u8> = (0..=255).collect();
    for level in Level::supported() {
        let mut out = Vec::new();
        append_with(level, &bytes, &mut out);
        assert_eq!(out, naive(&bytes), "{level}");
    }
}

#[test]
fn ids_given_any_bytes_equal_format() {
    every_length_and_start(2, |_, bytes| {
        if let Some((id, _)) = bytes.split_first_chunk() {
            assert_eq!(trace_id(id).as_slice(), naive(id));
        }
        if let Some((id, _)) = bytes.split_first_chunk() {
            assert_eq!(span_id(id).as_slice(), naive(id));
        }
    });
}
