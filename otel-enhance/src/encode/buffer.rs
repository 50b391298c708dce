//! The buffer that an encoder writes into: initialised once when it grows, and written in place from then
//! on, so that a write is one check and one store.
#![expect(
    unsafe_code,
    reason = "an attribute is written after one check of the room for all of it"
)]

use super::pool::LARGEST;

/// Bytes that are initialised throughout, and where the next one goes, which is never beyond their end.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    at: usize,
}

/// What the first growth makes, at least.
const SMALLEST: usize = 4096;

impl Buffer {
    /// Writes over `bytes`, whatever they hold.
    pub(super) fn over(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }

    /// What was written into, longer than what was written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Whether it has grown so much that it must not be kept.
    pub(super) fn is_huge(&self) -> bool {
        self.bytes.len() > LARGEST
    }

    /// Where the next byte goes.
    #[inline(always)]
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Goes on at `position`, which may lie ahead of what was written: what is in between is left as it is.
    #[inline(always)]
    pub(super) fn set_position(&mut self, position: usize) {
        if position > self.bytes.len() {
            self.grow(position - self.at);
        }
        self.at = position;
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.bytes[..self.at]
    }

    /// Makes sure that `len` bytes fit.
    #[inline(always)]
    fn reserve(&mut self, len: usize) {
        if self.bytes.len() - self.at < len {
            self.grow(len);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, len: usize) {
        let doubled = (self.bytes.len() * 2).max(SMALLEST);
        self.bytes.resize(doubled.max(self.at + len), 0);
    }

    #[inline(always)]
    pub(super) fn put_array<const N: usize>(&mut self, bytes: [u8; N]) {
        self.reserve(N);
        // SAFETY: so many bytes have just been reserved.
        unsafe {
            write(self.next(), bytes);
        }
        self.at += N;
    }

    #[inline(always)]
    pub(super) fn put_byte(&mut self, byte: u8) {
        self.put_array([byte]);
    }

    #[inline(always)]
    pub(super) fn put_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        // SAFETY: so many bytes have just been reserved, and the buffer, which is borrowed mutably, does
        // not overlap with `bytes`.
        unsafe {
            copy(self.next(), bytes);
        }
        self.at += bytes.len();
    }

    /// Writes `before`, `first`, `between` and `second`.
    #[inline(always)]
    pub(super) fn put_two<const A: usize, const B: usize>(
        &mut self,
        before: [u8; A],
        first: &[u8],
        between: [u8; B],
        second: &[u8],
    ) {
        // The sum cannot overflow: no slice is longer than `isize::MAX`.
        let len = A + first.len() + B + second.len();
        self.reserve(len);
        // SAFETY: the lengths of the four have just been reserved, and the buffer, which is borrowed
        // mutably, does not overlap with the slices.
        unsafe {
            let to = write(self.next(), before);
            let to = copy(to, first);
            let to = write(to, between);
            copy(to, second);
        }
        self.at += len;
    }

    /// Writes `before`, `text` and the first `used` bytes of `after`; at most all of them.
    #[inline(always)]
    pub(super) fn put_ending<const A: usize, const B: usize>(
        &mut self,
        before: [u8; A],
        text: &[u8],
        after: [u8; B],
        used: usize,
    ) {
        self.reserve(A + text.len() + B);
        // SAFETY: the lengths of the three have just been reserved, and the buffer, which is borrowed
        // mutably, does not overlap with `text`.
        unsafe {
            let to = write(self.next(), before);
            let to = copy(to, text);
            write(to, after);
        }
        self.at += A + text.len() + used.min(B);
    }

    /// Where the next byte goes. What is reserved may be written from there on.
    #[inline(always)]
    fn next(&mut self) -> *mut u8 {
        debug_assert!(self.at <= self.bytes.len(), "the position is within");
        // SAFETY: the position is never beyond the end of the vector.
        unsafe { self.bytes.as_mut_ptr().add(self.at) }
    }

    /// Moves the last `len` bytes so that they begin at `to`.
    #[cold]
    pub(super) fn move_tail(&mut self, len: usize, to: usize) {
        let from = self.at - len;
        self.set_position(to + len);
        self.bytes.copy_within(from..from + len, to);
    }

    /// Writes `bytes` at `position`, over what stands there.
    #[inline(always)]
    pub(super) fn overwrite(&mut self, position: usize, bytes: &[u8]) {
        self.bytes[position..position + bytes.len()].copy_from_slice(bytes);
    }
}

/// For what is formatted; it cannot fail.
#[cfg(feature = "otlp-json")]
impl std::io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.put_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns the place behind what it wrote.
///
/// # Safety
///
/// N bytes from `to` on may be written.
#[inline(always)]
unsafe fn write<const N: usize>(to: *mut u8, bytes: [u8; N]) -> *mut u8 {
    // SAFETY: by the contract of this function. Arrays of bytes need no alignment.
    unsafe {
        to.cast::<[u8; N]>().write(bytes);
        to.add(N)
    }
}

/// Copies without a call what has the length of most keys and values: the beginning and the end, which
/// may overlap. Returns the place behind what it wrote.
///
/// # Safety
///
/// `from.len()` bytes from `to` on may be written, and `from` is not among them.
#[inline(always)]
unsafe fn copy(to: *mut u8, from: &[u8]) -> *mut u8 {
    /// # Safety
    ///
    /// As of `copy`, and `len` is at least `N`.
    #[inline(always)]
    unsafe fn ends<const N: usize>(to: *mut u8, from: *const u8, len: usize) {
        // SAFETY: N bytes at the beginning and N bytes before the end are within `len` bytes. Arrays of
        // bytes need no alignment.
        unsafe {
            let first = from.cast::<[u8; N]>().read();
            let last = from.add(len - N).cast::<[u8; N]>().read();
            to.cast::<[u8; N]>().write(first);
            to.add(len - N).cast::<[u8; N]>().write(last);
        }
    }
    let (source, len) = (from.as_ptr(), from.len());
    // SAFETY: each call is made for lengths of at least its N; the last one copies what is allowed to.
    unsafe {
        match len {
            8..=16 => ends::<8>(to, source, len),
            17..=32 => ends::<16>(to, source, len),
            33..=64 => ends::<32>(to, source, len),
            4..=7 => ends::<4>(to, source, len),
            2..=3 => ends::<2>(to, source, len),
            1 => to.write(*source),
            _ => to.copy_from_nonoverlapping(source, len),
        }
        to.add(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length that is copied in its own way, against the safe way, from every alignment.
    #[test]
    fn parts_of_any_length_are_written_as_the_safe_way_writes_them() {
        let source: Vec<u8> = (0..=255)
            .cycle()
            .take(700)
            .map(|byte: u8| byte ^ 0x5A)
            .collect();
        for len in 0..300 {
            for start in 0..8 {
                let (first, second) = (&source[start..start + len], &source[300..300 + len]);
                let mut buffer = Buffer::over(vec![0xEE; start]);
                buffer.put_slice(first);
                buffer.put_two([1, 2, 3], first, [4], second);
                buffer.put_ending([5], second, [6, 7, 8], len % 5);
                buffer.put_byte(9);

                let mut expected = first.to_vec();
                expected.extend([&[1, 2, 3], first, &[4], second].concat());
                expected.extend([&[5], second, &[6, 7, 8][..(len % 5).min(3)], &[9]].concat());
                assert_eq!(buffer.written(), expected, "{len} bytes from {start}");
            }
        }
    }

    #[test]
    fn buffer_that_is_full_to_the_byte_grows_and_keeps_what_it_has() {
        for full in [0, 1, 4095, 4096, 5000] {
            let mut buffer = Buffer::over(vec![0; full]);
            buffer.put_slice(&vec![7; full]);
            buffer.put_array([1, 2]);
            let mut expected = vec![7; full];
            expected.extend([1, 2]);
            assert_eq!(buffer.written(), expected);
        }
    }

    #[test]
    fn tail_that_is_moved_either_way_is_whole() {
        for to in [2, 4] {
            let mut buffer = Buffer::default();
            buffer.put_slice(b"abc-tail");
            buffer.move_tail(5, to);
            assert_eq!(buffer.position(), to + 5);
            assert_eq!(&buffer.written()[to..], b"-tail");
        }
    }
}
