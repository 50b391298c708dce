//! Where an encoder writes: one check of the room for all that is written in one go, and the place in a
//! register in between.
#![expect(
    unsafe_code,
    reason = "what is written in one go is written after one check of the room for it"
)]

use super::buffer::Buffer;

/// Writes at the end of a buffer, which knows of it from [`finish`](Self::finish) on.
///
/// Whoever wants it to stay in registers calls functions that are inlined, and all others by
/// [`apart`](Self::apart).
#[derive(Debug)]
pub(super) struct Cursor<'b> {
    buffer: &'b mut Buffer,
    /// Where the next byte goes: in the buffer's bytes, or at their end.
    next: *mut u8,
    /// The end of the buffer's bytes.
    end: *mut u8,
}

impl<'b> Cursor<'b> {
    #[inline(always)]
    pub(super) fn new(buffer: &'b mut Buffer) -> Self {
        let (next, end) = places(buffer, buffer.position());
        Self { buffer, next, end }
    }

    /// What was written is in the buffer.
    #[inline(always)]
    pub(super) fn finish(self) {
        let position = self.position();
        self.buffer.set_position(position);
    }

    /// Lets a function write that is not inlined.
    #[inline(always)]
    pub(super) fn apart<R>(&mut self, write: impl FnOnce(&mut Cursor<'_>) -> R) -> R {
        let mut other = Cursor {
            buffer: &mut *self.buffer,
            next: self.next,
            end: self.end,
        };
        let result = write(&mut other);
        (self.next, self.end) = (other.next, other.end);
        result
    }

    /// Where the next byte goes, from the beginning of the buffer.
    #[inline(always)]
    pub(super) fn position(&self) -> usize {
        self.buffer.len() - self.room()
    }

    #[inline(always)]
    fn room(&self) -> usize {
        self.end.addr() - self.next.addr()
    }

    /// Makes sure that `len` bytes fit.
    #[inline(always)]
    fn reserve(&mut self, len: usize) {
        if self.room() < len {
            let position = self.position();
            (self.next, self.end) = grow(self.buffer, position, len);
        }
    }

    /// The next one goes `len` bytes further on.
    ///
    /// # Safety
    ///
    /// So many bytes fit.
    #[inline(always)]
    unsafe fn advance(&mut self, len: usize) {
        debug_assert!(len <= self.room(), "within the bytes");
        // SAFETY: by the contract of this function, that is not beyond the end of the bytes.
        self.next = unsafe { self.next.add(len) };
    }

    #[inline(always)]
    pub(super) fn put_array<const N: usize>(&mut self, bytes: [u8; N]) {
        self.reserve(N);
        // SAFETY: so many bytes have just been reserved.
        unsafe {
            write(self.next, bytes);
            self.advance(N);
        }
    }

    #[inline(always)]
    pub(super) fn put_byte(&mut self, byte: u8) {
        self.put_array([byte]);
    }

    /// Lets `fill` write the next bytes; as many of them count as it says, at most all.
    #[inline(always)]
    pub(super) fn put_block<const N: usize>(&mut self, fill: impl FnOnce(&mut [u8; N]) -> usize) {
        self.reserve(N);
        // SAFETY: so many bytes have just been reserved. They are initialised, belong to the buffer, which
        // is borrowed mutably, and arrays of bytes need no alignment.
        unsafe {
            let used = fill(&mut *self.next.cast::<[u8; N]>());
            self.advance(used.min(N));
        }
    }

    #[inline(always)]
    pub(super) fn put_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        // SAFETY: so many bytes have just been reserved, and the buffer, which is borrowed mutably, does
        // not overlap with `bytes`.
        unsafe {
            copy(self.next, bytes);
            self.advance(bytes.len());
        }
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
            let to = write(self.next, before);
            let to = copy(to, first);
            let to = write(to, between);
            copy(to, second);
            self.advance(len);
        }
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
            let to = write(self.next, before);
            let to = copy(to, text);
            write(to, after);
            self.advance(A + text.len() + used.min(B));
        }
    }

    /// Writes `bytes` at `position`, over what stands there.
    #[inline(always)]
    pub(super) fn overwrite<const N: usize>(&mut self, position: usize, bytes: [u8; N]) {
        assert!(position + N <= self.position(), "within what was written");
        // SAFETY: that is before the next byte's place, and not before the beginning.
        unsafe {
            let start = self.end.sub(self.buffer.len());
            write(start.add(position), bytes);
        }
    }

    /// Goes on at an earlier `position`.
    pub(super) fn go_back_to(&mut self, position: usize) {
        assert!(position <= self.position(), "within what was written");
        (self.next, self.end) = places(self.buffer, position);
    }

    /// Moves the last `len` bytes so that they begin at `to`.
    #[cold]
    pub(super) fn move_tail(&mut self, len: usize, to: usize) {
        let position = self.position();
        self.buffer.set_position(position);
        self.buffer.move_tail(len, to);
        (self.next, self.end) = places(self.buffer, self.buffer.position());
    }
}

/// What `write` writes.
pub(super) fn written(write: impl FnOnce(&mut Cursor<'_>)) -> Box<[u8]> {
    let mut buffer = Buffer::default();
    let mut out = Cursor::new(&mut buffer);
    write(&mut out);
    out.finish();
    buffer.written().into()
}

/// For what is formatted; it cannot fail.
#[cfg(feature = "otlp-json")]
impl std::io::Write for Cursor<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.put_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Where `position` is, and the end.
#[inline(always)]
fn places(buffer: &mut Buffer, position: usize) -> (*mut u8, *mut u8) {
    let bytes = buffer.all();
    let from = position.min(bytes.len());
    let std::ops::Range { start, end } = bytes.as_mut_ptr_range();
    // SAFETY: it is not beyond the end.
    (unsafe { start.add(from) }, end)
}

#[cold]
#[inline(never)]
fn grow(buffer: &mut Buffer, position: usize, len: usize) -> (*mut u8, *mut u8) {
    buffer.grow(position, len);
    places(buffer, position)
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

    /// What `write` adds to a buffer that holds `before`, with what was before it.
    fn written(before: &[u8], write: impl FnOnce(&mut Cursor<'_>)) -> Vec<u8> {
        let mut buffer = Buffer::over(before.to_vec());
        buffer.set_position(before.len());
        let mut out = Cursor::new(&mut buffer);
        write(&mut out);
        out.finish();
        buffer.written().to_vec()
    }

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
                let before = &source[..start];
                let all = written(before, |out| {
                    out.put_slice(first);
                    out.put_two([1, 2, 3], first, [4], second);
                    out.apart(|out| out.put_ending([5], second, [6, 7, 8], len % 5));
                    out.put_block(|block: &mut [u8; 4]| {
                        *block = [9, 10, 11, 12];
                        len % 6
                    });
                    out.put_byte(13);
                });
                let mut expected = [before, first].concat();
                expected.extend([&[1, 2, 3], first, &[4], second].concat());
                expected.extend([&[5], second, &[6, 7, 8][..(len % 5).min(3)]].concat());
                expected.extend(&[9, 10, 11, 12][..(len % 6).min(4)]);
                expected.push(13);
                assert_eq!(all, expected, "{len} bytes from {start}");
            }
        }
    }

    #[test]
    fn buffer_that_is_full_to_the_byte_grows_and_keeps_what_it_has() {
        for full in [0, 1, 4095, 4096, 5000] {
            let before = vec![7; full];
            let all = written(&before, |out| {
                out.put_array([1, 2]);
                assert_eq!(out.position(), full + 2);
            });
            assert_eq!(all, [&*before, &[1, 2]].concat());
        }
    }

    #[test]
    fn what_is_overwritten_is_what_was_meant_also_after_growing() {
        let all = written(b"", |out| {
            out.put_slice(b"abcd");
            out.overwrite(1, *b"XY");
            out.put_slice(&[b'e'; 5000]);
            out.overwrite(3, *b"Z");
        });
        assert_eq!(&all[..6], b"aXYZee");
        assert_eq!(all.len(), 5004);
    }

    #[test]
    #[should_panic(expected = "within what was written")]
    fn overwriting_what_is_not_written_yet_panics() {
        written(b"", |out| {
            out.put_slice(b"abcd");
            out.overwrite(3, *b"XY");
        });
    }

    #[test]
    fn tail_that_is_moved_either_way_is_whole() {
        for to in [2, 4] {
            let all = written(b"", |out| {
                out.put_slice(b"abc-tail");
                out.move_tail(5, to);
                out.put_byte(b'!');
            });
            assert_eq!(&all[to..], b"-tail!");
        }
    }
}
