//! The ring of samples.
#![expect(unsafe_code, reason = "records are structures of the kernel's making")]

use std::os::fd::{AsRawFd as _, RawFd};
use std::time::Duration;

use aya::maps::{MapData, RingBuf};

use super::sys;
use crate::abi::Sample;

/// Reads samples. Not needed for accounting.
///
/// # Minimum kernel version
///
/// 5.15.
pub struct Samples {
    ring: RingBuf<MapData>,
}

impl std::fmt::Debug for Samples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Samples").finish_non_exhaustive()
    }
}

impl Samples {
    pub(crate) fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring }
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
        sys::wait(self.ring.as_raw_fd(), milliseconds)
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
