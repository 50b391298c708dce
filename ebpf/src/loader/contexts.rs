//! A pinned map of others, which profilers that know no better read: thread → span.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use super::sys;

/// A map pinned in a bpffs whose key is `process << 32 | thread` and whose value is a trace id and a span id, as the
/// OpenTelemetry eBPF profiler reads it.
///
/// Each change is a system call, of about half a microsecond. On kernels before 5.19 with
/// `kernel.unprivileged_bpf_disabled` set it takes `CAP_BPF` for as long as it is used.
///
/// # Minimum kernel version
///
/// 5.15, as for everything here.
#[derive(Debug)]
pub struct PinnedContexts {
    map: OwnedFd,
}

impl PinnedContexts {
    /// Opens the map that is pinned there.
    ///
    /// # Errors
    ///
    /// The kernel's: `ENOENT` where nothing is pinned, `EPERM` without `CAP_BPF`.
    pub fn open(path: &Path) -> io::Result<Self> {
        sys::pinned(path).map(|map| Self { map })
    }

    /// Says which span a thread works for. Neither allocates nor locks; what the kernel refuses is left.
    pub fn set(&self, key: u64, trace_id: [u8; 16], span_id: [u8; 8]) {
        let mut value = [0; 24];
        value[..16].copy_from_slice(&trace_id);
        value[16..].copy_from_slice(&span_id);
        sys::update(self.map.as_raw_fd(), &key, &value);
    }

    /// Says that a thread works for none.
    pub fn remove(&self, key: u64) {
        sys::delete(self.map.as_raw_fd(), &key);
    }
}
