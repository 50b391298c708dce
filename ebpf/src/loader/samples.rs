//! The ring of samples.
#![expect(unsafe_code, reason = "records are structures of the kernel's making")]

use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aya::maps::{MapData, RingBuf};

use super::shared::Shared;
use super::sys;
use crate::abi::Sample;

/// Reads samples. Not needed for accounting.
///
/// # Minimum kernel version
///
/// 5.15.
pub struct Samples {
    ring: RingBuf<MapData>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Samples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Samples").finish_non_exhaustive()
    }
}

impl Samples {
    pub(crate) fn new(ring: RingBuf<MapData>, shared: Arc<Shared>) -> Self {
        Self { ring, shared }
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.ring.as_raw_fd()
    }

    /// Waits until the ring is half full or the time is over, whichever comes first.
    ///
    /// Samples do not wake anybody one by one: call this with a tenth of a second, and [`drain`](Self::drain)
    /// whatever it answers.
    pub fn wait(&self, timeout: Duration) -> bool {
        let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        sys::wait(self.ring.as_raw_fd(), None, milliseconds)
    }

    /// As [`wait`](Self::wait), but comes back at once when `waker` can be read, which a pipe can be.
    pub fn wait_or(&self, waker: BorrowedFd<'_>, timeout: Duration) -> bool {
        let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        sys::wait(self.ring.as_raw_fd(), Some(waker.as_raw_fd()), milliseconds)
    }

    /// Samples that found the ring full and are lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        // SAFETY: the process's slot is valid; the kernel counts there, and only atomically.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.shared.process().as_ptr()).lost) }
            .load(Ordering::Relaxed)
    }

    /// Sleeps within a span that were not looked at, because more threads slept than there was room for.
    #[must_use]
    pub fn sleeps_unwatched(&self) -> u64 {
        // SAFETY: as above.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.shared.process().as_ptr()).unwatched) }
            .load(Ordering::Relaxed)
    }

    /// The thread of a sample as this process numbers it, in its own PID namespace; `None` if that is not known,
    /// as of a thread that is gone.
    #[must_use]
    pub fn thread(&self, sample: &Sample) -> Option<u32> {
        match self.shared.owner(sample.slot, sample.tid) {
            Some(thread) => Some(thread),
            None => self.shared.is_initial_namespace().then_some(sample.tid),
        }
    }

    /// Hands each sample that is there to `take`, with its copy of the stack; returns how many.
    pub fn drain(&mut self, mut take: impl FnMut(&Sample, &[u8])) -> usize {
        let mut taken = 0;
        while let Some(record) = self.ring.next() {
            let Some((head, rest)) = record.split_at_checked(size_of::<Sample>()) else {
                continue;
            };
            // SAFETY: the head is a sample's length of bytes, and a sample is any bytes.
            let sample = unsafe { head.as_ptr().cast::<Sample>().read_unaligned() };
            let stack = rest.get(..sample.stack_len as usize).unwrap_or(rest);
            take(&sample, stack);
            taken += 1;
        }
        taken
    }
}
