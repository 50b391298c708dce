//! The buffer that an encoder writes into: initialised once when it grows, and written in place from then
//! on, so that a write is one check and one store.
#![expect(
    unsafe_code,
    reason = "an attribute is written after one check of the room for all of it"
)]

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
        unsafe { self.put_reserved(&bytes) };
    }

    #[inline(always)]
    pub(super) fn put_byte(&mut self, byte: u8) {
        self.put_array([byte]);
    }

    #[inline(always)]
    pub(super) fn put_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        // SAFETY: so many bytes have just been reserved.
        unsafe { self.put_reserved(bytes) };
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
        self.reserve(first.len() + second.len() + A + B);
        // SAFETY: the lengths of the four have just been reserved.
        unsafe {
            self.put_reserved(&before);
            self.put_reserved(first);
            self.put_reserved(&between);
            self.put_reserved(second);
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
        self.reserve(text.len() + A + B);
        // SAFETY: the lengths of the three have just been reserved.
        unsafe {
            self.put_reserved(&before);
            self.put_reserved(text);
            self.put_reserved(&after);
        }
        self.at -= B - used.min(B);
    }

    /// # Safety
    ///
    /// `bytes.len()` bytes are reserved.
    #[inline(always)]
    unsafe fn put_reserved(&mut self, bytes: &[u8]) {
        debug_assert!(self.bytes.len() - self.at >= bytes.len());
        // SAFETY: by the contract of this function, the bytes from `at` on belong to the vector, and are
        // as many as are written. The vector is borrowed mutably, so `bytes` lies elsewhere.
        unsafe { copy(self.bytes.as_mut_ptr().add(self.at), bytes) };
        self.at += bytes.len();
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

/// Copies without a call what has the length of most keys and values: the beginning and the end, which
/// may overlap.
///
/// # Safety
///
/// `from.len()` bytes from `to` on may be written, and `from` is not among them.
#[inline(always)]
unsafe fn copy(to: *mut u8, from: &[u8]) {
    /// # Safety
    ///
    /// As of `copy`, and `len` is at least `N`.
    #[inline(always)]
    unsafe fn ends<const N: usize>(to: *mut u8, from: *const u8, len: usize) {
        // SAFETY: N bytes at the beginning and N bytes before the end are within `len` bytes. Arrays of
        // bytes need no alignment. Both ends are read before one is written, which is of no consequence,
        // for the two sides do not overlap.
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
    }
}
